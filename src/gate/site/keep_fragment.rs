//! `KEEP_FRAGMENT`: the way to the login from an address with a fragment.
//!
//! Browsers do not send the fragment, and carry it through a 302 to Cognito's page, where it is lost. So a page goes to the login
//! in place of the 302: its script adds the fragment to the return path. Without script the page goes there without it.

use crate::gate::Response;
use crate::gate::messages::words;
use crate::gate::page::{escape, source_hash};
use crate::gate::routes::login::login_to;
use crate::web::language::Language;
use crate::web::return_path::ReturnPath;

/// The page that goes to the login which returns to `path`.
pub(super) fn page(path: &ReturnPath, language: Language) -> Response {
    let body = format!(
        "<!doctype html>\n<html lang=\"{lang}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{sign_in}</title>\n<script data-login=\"{login}\">{SCRIPT}</script>\n\
         <noscript><meta http-equiv=\"refresh\" content=\"0;url={login}\"></noscript>\n</head>\n\
         <body>\n<a href=\"{login}\">{sign_in}</a>\n</body>\n</html>\n",
        lang = language.tag(),
        sign_in = words(language).sign_in,
        login = escape(&login_to(path)),
    );
    let script = source_hash(SCRIPT);
    let policy = format!("default-src 'none'; script-src '{script}'; base-uri 'none'; frame-ancestors 'none'");
    Response { status: 200, headers: Vec::new(), body }
        .with("content-type", "text/html; charset=utf-8")
        .with("content-language", language.tag())
        .with("vary", "Accept-Language")
        .with("content-security-policy", policy)
}

/// The return path is the last parameter of the login's address, so that the fragment only needs to be added. An address that
/// would be refused as too long (`MAX_URL_BYTES`) goes without it.
const SCRIPT: &str = "const{login}=document.currentScript.dataset,all=login+encodeURIComponent(location.hash);\
location.replace((location.origin+all).length>8192?login:all)";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::request::MAX_URL_BYTES;

    #[test]
    fn the_script_knows_the_limit_of_an_address() {
        assert!(SCRIPT.contains(&format!(".length>{MAX_URL_BYTES}?")));
    }

    #[test]
    fn the_return_path_is_the_end_of_the_logins_address_and_cannot_leave_its_attribute() {
        let path = ReturnPath::parse("/a'\"<b>&c?d='\"<e>&f").expect("a path");
        let page = page(&path, Language::English);
        let login = "/auth/login?return_to=%2Fa%27%2522%253Cb%253E%26c%3Fd%3D%2527%2522%253Ce%253E%26f";
        assert_eq!(page.body.matches(login).count(), 3, "{}", page.body);
        assert!(page.body.contains(&format!("<script data-login=\"{login}\">{SCRIPT}</script>")), "{}", page.body);
    }
}
