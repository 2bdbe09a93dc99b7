//! Cookies: reading the request header, naming and writing ours (RFC 6265bis).

use crate::config::Origin;

/// A `Cookie` header. Names are compared exactly; nothing is decoded or unquoted.
#[derive(Clone, Copy, Debug)]
pub struct Cookies<'a>(&'a str);

impl<'a> Cookies<'a> {
    /// Reads a header's value.
    #[must_use]
    pub fn new(header: &'a str) -> Self {
        Self(header)
    }

    /// The cookies in the browser's order: older ones first (RFC 6265bis §5.8.3).
    pub fn pairs(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.split(';').filter_map(|pair| pair.trim_matches([' ', '\t']).split_once('='))
    }

    /// The value of a cookie that is there exactly once. Of two cookies of one name, one was planted, and nothing tells which:
    /// then there is none.
    #[must_use]
    pub fn one(self, name: &str) -> Option<&'a str> {
        let mut values = self.pairs().filter(|(key, _)| *key == name).map(|(_, value)| value);
        let first = values.next();
        if values.next().is_some() { None } else { first }
    }
}

/// Names and attributes of the gateway's cookies. On plain http on localhost the cookies have no `Secure`, because Safari drops
/// such cookies there, and so no `__Host-`. There the prefix `edgegate-` keeps them apart from a site's own `session`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieStyle {
    secure: bool,
}

impl CookieStyle {
    /// The style for the public origin.
    #[must_use]
    pub fn of(public_url: &Origin) -> Self {
        Self { secure: public_url.is_https() }
    }

    /// The session cookie's name.
    #[must_use]
    pub fn session_name(self) -> &'static str {
        if self.secure { "__Host-session" } else { "edgegate-session" }
    }

    /// The prefix of the names of login-state cookies.
    #[must_use]
    pub fn login_prefix(self) -> &'static str {
        if self.secure { "__Host-login-" } else { "edgegate-login-" }
    }

    /// The name of the cookie that counts sign-ins in a row.
    #[must_use]
    pub fn sign_ins_name(self) -> &'static str {
        if self.secure { "__Host-sign-ins" } else { "edgegate-sign-ins" }
    }

    /// The name of the cookie that holds the time of the last login that the gateway began by itself.
    #[must_use]
    pub fn retry_name(self) -> &'static str {
        if self.secure { "__Host-sign-in-retry" } else { "edgegate-sign-in-retry" }
    }

    /// The prefix of the names of return-path cookies.
    #[must_use]
    pub fn return_prefix(self) -> &'static str {
        if self.secure { "__Host-return-" } else { "edgegate-return-" }
    }

    /// Whether a cookie is the gateway's, by its name. Such a cookie never passes to the origin and is never set by it. A name
    /// with the prefix is reserved in any letter case, because some browsers and servers ignore case. On localhost, names with
    /// `edgegate-` are reserved too.
    #[must_use]
    pub fn reserves(self, name: &str) -> bool {
        let name = name.trim_matches([' ', '\t']).to_ascii_lowercase();
        let ours = |name: &str| {
            matches!(name, "session" | "sign-ins" | "sign-in-retry") || name.starts_with("login-") || name.starts_with("return-")
        };
        let local = || name.strip_prefix("edgegate-").filter(|_| !self.secure);
        name.strip_prefix("__host-").or_else(local).is_some_and(ours)
    }

    /// A `Set-Cookie` line: `HttpOnly; SameSite=Lax; Path=/`, no `Domain`. Lax, because the return from Cognito and a
    /// link from elsewhere to a gated page are cross-site navigations.
    #[must_use]
    pub fn set(self, name: &str, value: &str, max_age_secs: u64) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; Max-Age={max_age_secs}; HttpOnly; SameSite=Lax{secure}")
    }

    /// A `Set-Cookie` line that removes the cookie: the same attributes, with a lifetime of 0.
    #[must_use]
    pub fn clear(self, name: &str) -> String {
        self.set(name, "", 0)
    }

    /// The `Cookie` header without the gateway's own cookies; `None` when nothing is left. The runtime joins several `Cookie`
    /// lines with commas, so that a cookie of the gateway can stand in the value of the pair before it.
    #[must_use]
    pub fn without_ours(self, header: &str) -> Option<String> {
        let ours = |part: &str| self.reserves(part.split_once('=').map_or(part, |(name, _)| name));
        let kept: Vec<&str> = header
            .split(';')
            .map(|pair| pair.trim_matches([' ', '\t']))
            .filter(|pair| !pair.is_empty() && !pair.split(',').any(ours))
            .collect();
        (!kept.is_empty()).then(|| kept.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secure() -> CookieStyle {
        CookieStyle { secure: true }
    }

    fn local() -> CookieStyle {
        CookieStyle { secure: false }
    }

    #[test]
    fn the_style_follows_the_scheme() {
        for (origin, style, session, flow, rounds) in [
            ("https://app.example.com", secure(), "__Host-session", "__Host-login-", "__Host-sign-ins"),
            ("http://localhost:8787", local(), "edgegate-session", "edgegate-login-", "edgegate-sign-ins"),
        ] {
            assert_eq!(Origin::parse(origin).map(|origin| CookieStyle::of(&origin)), Some(style), "{origin}");
            assert_eq!((style.session_name(), style.login_prefix(), style.sign_ins_name()), (session, flow, rounds), "{origin}");
            let more = [style.retry_name(), style.return_prefix()];
            assert!([session, flow, rounds].iter().chain(&more).all(|name| style.reserves(name)), "{origin}");
            assert!(more.iter().all(|name| name.starts_with("__Host-") == origin.starts_with("https")), "{origin}");
        }
    }

    #[test]
    fn a_cookie_is_found_by_its_exact_name_only() {
        let cookies = Cookies::new("a=1; __Host-session=abc;b=2 ; c=\"x=y\";\td=\t4\t; e=; =f; ; g; h =8; %61=9; i=a,j=b");
        for (name, value) in [
            ("__Host-session", Some("abc")),
            ("__host-session", None),
            ("session", None),
            ("__Host-sessio", None),
            ("b", Some("2")),
            ("c", Some("\"x=y\"")),
            ("d", Some("\t4")),
            ("e", Some("")),
            ("", Some("f")),
            ("g", None),
            ("h", None),
            ("h ", Some("8")),
            ("a", Some("1")),
            ("i", Some("a,j=b")),
            ("j", None),
        ] {
            assert_eq!(cookies.one(name), value, "{name:?}");
        }
        assert_eq!(Cookies::new("").one(""), None);
    }

    #[test]
    fn a_doubled_cookie_is_no_cookie() {
        for header in [
            "session=a; session=b",
            "session=a; session=a",
            "session=; session=a",
            "session=a;x=1;session=",
            "session=a;session=b;session=c",
        ] {
            assert_eq!(Cookies::new(header).one("session"), None, "{header}");
        }
        assert_eq!(Cookies::new("session=a; Session=b; session").one("session"), Some("a"));
    }

    #[test]
    fn pairs_keep_the_browsers_order() {
        let pairs: Vec<_> = Cookies::new("b=1; a=2;; c ;b=3=4").pairs().collect();
        assert_eq!(pairs, [("b", "1"), ("a", "2"), ("b", "3=4")]);
    }

    #[test]
    fn the_gateways_names_are_reserved_in_any_case() {
        for (name, on_https, on_http) in [
            ("__Host-session", true, true),
            ("__HOST-SESSION", true, true),
            (" __Host-session\t", true, true),
            ("__Host-login-", true, true),
            ("__host-LOGIN-abc", true, true),
            ("edgegate-session", false, true),
            ("EDGEGATE-SESSION", false, true),
            ("edgegate-login-abc", false, true),
            ("edgegate-sign-ins", false, true),
            ("session", false, false),
            ("login-abc", false, false),
            ("sign-ins", false, false),
            ("edgegate-sessions", false, false),
            ("edgegate-login", false, false),
            ("edgegate-", false, false),
            ("edgegate-__Host-session", false, false),
            ("__Host-edgegate-session", false, false),
            ("__host-RETURN-abc", true, true),
            ("__Host-Sign-In-Retry", true, true),
            ("edgegate-sign-in-retry", false, true),
            ("edgegate-return-abc", false, true),
            ("edgegate-return", false, false),
            ("return-abc", false, false),
            ("__Host-sessions", false, false),
            ("__Host-login", false, false),
            ("__Host-", false, false),
            ("__Secure-session", false, false),
            ("x__Host-session", false, false),
            ("sessions", false, false),
            ("login", false, false),
            ("", false, false),
        ] {
            assert_eq!((secure().reserves(name), local().reserves(name)), (on_https, on_http), "{name:?}");
        }
    }

    #[test]
    fn our_cookies_do_not_reach_the_origin() {
        for (header, on_https, on_http) in [
            (
                "theme=dark; __Host-session=s; __Host-login-abc=f; __HOST-SESSION=t; lang=ko; session=theirs",
                Some("theme=dark; lang=ko; session=theirs"),
                Some("theme=dark; lang=ko; session=theirs"),
            ),
            (
                "edgegate-session=s; edgegate-login-x=f; login-x=theirs",
                Some("edgegate-session=s; edgegate-login-x=f; login-x=theirs"),
                Some("login-x=theirs"),
            ),
            ("edgegate-session=s", Some("edgegate-session=s"), None),
            ("__Host-session=s", None, None),
            ("__Host-session", None, None),
            ("__Host-session =s;a", Some("a"), Some("a")),
            ("a=1, __Host-session=s; b=2", Some("b=2"), Some("b=2")),
            ("a=1, edgegate-session=s; b=2", Some("a=1, edgegate-session=s; b=2"), Some("b=2")),
            ("a=1,\t__HOST-LOGIN-x =f,c=3", None, None),
            ("a=1, __Host-session", None, None),
            ("__Host-session=s, a=1; b=x,y=z", Some("b=x,y=z"), Some("b=x,y=z")),
            ("a=1, b=__Host-session", Some("a=1, b=__Host-session"), Some("a=1, b=__Host-session")),
            (";; a=1 ;\tb=2\t; ", Some("a=1; b=2"), Some("a=1; b=2")),
            ("", None, None),
            (" ; ", None, None),
        ] {
            assert_eq!(secure().without_ours(header).as_deref(), on_https, "{header:?}");
            assert_eq!(local().without_ours(header).as_deref(), on_http, "{header:?}");
        }
    }

    #[test]
    fn set_and_clear_differ_in_life_and_value_only() {
        assert_eq!(
            secure().set("__Host-session", "v", 60),
            "__Host-session=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(local().set("edgegate-session", "v", 60), "edgegate-session=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax");
        assert_eq!(secure().clear("__Host-session"), "__Host-session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure");
    }
}
