//! The gateway's own pages: a title, a sentence, and one thing to do. They load nothing and run no script.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::auth::error::ErrorCode;
use crate::config::Config;
use crate::web::language::Language;

use super::Response;
use super::messages::words;

/// Where the page is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame {
    /// In the browser's window.
    None,
    /// In a frame of a page of this origin, and of no other. Cognito's pages refuse to be framed, so links open in the whole
    /// window.
    OfASitesPage,
}

impl Frame {
    fn target(self) -> &'static str {
        match self {
            Self::None => "",
            Self::OfASitesPage => " target=\"_top\"",
        }
    }

    fn ancestors(self) -> &'static str {
        match self {
            Self::None => "'none'",
            Self::OfASitesPage => "'self'",
        }
    }
}

/// A page with a sentence and one thing to do about it.
pub(super) struct Page<'a> {
    pub(super) title: &'a str,
    pub(super) message: &'a str,
    pub(super) language: Language,
    /// The error that it tells of, and the request's id.
    pub(super) error: Option<(ErrorCode, &'a str)>,
    pub(super) action: Action<'a>,
    /// Where its forms may lead: [`form_targets`].
    pub(super) form_targets: &'a str,
    pub(super) frame: Frame,
}

/// What a page offers, beside the way to the start page.
pub(super) enum Action<'a> {
    /// Nothing.
    None,
    /// A link.
    Link {
        /// Where it leads.
        href: &'a str,
        /// Its text.
        text: &'a str,
        /// Whether it leads out of the frame.
        leaves_frame: bool,
    },
    /// The sign-out button, with its text.
    SignOut(&'a str),
}

impl Action<'_> {
    fn html(&self, frame: Frame) -> String {
        match self {
            Self::None => String::new(),
            Self::Link { href, text, leaves_frame } => {
                let target = if *leaves_frame { frame.target() } else { "" };
                format!("<a class=\"main\"{target} href=\"{}\">{text}</a>", escape(href))
            }
            Self::SignOut(text) => {
                let target = frame.target();
                format!("<form method=\"post\" action=\"/auth/logout\"{target}><button class=\"main\">{text}</button></form>")
            }
        }
    }
}

impl Page<'_> {
    /// The response: the error's status, or 200.
    pub(super) fn answer(&self) -> Response {
        let Self { title, message, form_targets, frame, .. } = self;
        let words = words(self.language);
        let error = self.error.map_or_else(String::new, |(code, request_id)| {
            format!(
                "<p class=\"small\">{} <code id=\"error-code\">{}</code> · {} <code>{request_id}</code></p>\n",
                words.code,
                code.name(),
                words.request,
            )
        });
        let body = format!(
            "<!doctype html>\n<html lang=\"{lang}\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
             <style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n<p>{message}</p>\n\
             <div class=\"actions\">{action}<a{target} href=\"/\">{home}</a></div>\n{error}</main>\n</body>\n</html>\n",
            lang = self.language.tag(),
            action = self.action.html(*frame),
            target = frame.target(),
            home = words.home,
        );
        let policy = format!(
            "default-src 'none'; style-src '{}'; form-action {form_targets}; frame-ancestors {}; base-uri 'none'",
            source_hash(STYLE),
            frame.ancestors(),
        );
        let answer = Response { status: self.error.map_or(200, |(code, _)| code.status()), headers: Vec::new(), body }
            .with("content-type", "text/html; charset=utf-8")
            .with("content-language", self.language.tag())
            .with("vary", "Accept-Language")
            .with("content-security-policy", policy)
            .with("cross-origin-opener-policy", "same-origin");
        match self.action {
            // A form's POST must carry its origin for the CSRF check.
            Action::SignOut(_) => answer.with("referrer-policy", "same-origin"),
            Action::None | Action::Link { .. } => answer,
        }
    }
}

/// The source list of `form-action` for a page that may have the sign-out button. Chromium holds it against every redirect that
/// follows the form: Cognito and the sign-out URL's origin are in it.
pub(super) fn form_targets(config: &Config) -> String {
    format!("'self' {} {}", config.cognito.domain, config.cognito.logout_origin)
}

/// The hash of a style sheet or script of ours, as a policy names it (CSP Level 3 §2.3.1).
pub(super) fn source_hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

/// A text within an attribute.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

const STYLE: &str = ":root{color-scheme:light dark;--bg:#f5f6f8;--card:#fff;--text:#1d2430;--soft:#5b6577;--line:#dfe3ea;--main:#2456c8}\
@media(prefers-color-scheme:dark){:root{--bg:#12151b;--card:#1b2028;--text:#e8ebf1;--soft:#a3acbb;--line:#303744;--main:#8ab0ff}}\
body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--bg);color:var(--text);font:16px/1.6 system-ui,sans-serif}\
main{box-sizing:border-box;width:min(30rem,calc(100vw - 2rem));padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:12px}\
h1{margin:0 0 .5rem;font-size:1.35rem}p{margin:.5rem 0}.actions{display:flex;flex-wrap:wrap;gap:.75rem 1.25rem;align-items:center;margin:1.25rem 0}\
form{margin:0}a{color:var(--main)}.main{font:inherit;font-weight:600;padding:.55rem 1.1rem;border:0;border-radius:8px;background:var(--main);color:var(--card);text-decoration:none;cursor:pointer}\
.small{color:var(--soft);font-size:.85rem}code{font-size:.85em;overflow-wrap:anywhere}";
