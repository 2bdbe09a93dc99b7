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

    /// The value of a cookie that is there exactly once. A second one of the same name was planted by somebody, and
    /// there is no telling which: then there is none.
    #[must_use]
    pub fn one(self, name: &str) -> Option<&'a str> {
        let mut values = self.pairs().filter(|(key, _)| *key == name).map(|(_, value)| value);
        let first = values.next();
        if values.next().is_some() { None } else { first }
    }
}

/// Names and attributes of the gateway's cookies. Over plain http on localhost they have no `__Host-` and no `Secure`,
/// because Safari drops such cookies there.
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
        if self.secure { "__Host-session" } else { "session" }
    }

    /// What the names of login-flow cookies begin with.
    #[must_use]
    pub fn flow_prefix(self) -> &'static str {
        if self.secure { "__Host-login-" } else { "login-" }
    }

    /// The name of the cookie that counts sign-ins in a row.
    #[must_use]
    pub fn rounds_name(self) -> &'static str {
        if self.secure { "__Host-sign-ins" } else { "sign-ins" }
    }

    /// Whether a cookie name is the gateway's: never passed to the origin, never set by it. The prefixed names always
    /// are, in any case, so that no browser or server with lax ideas of case is led astray; on localhost the plain ones too.
    #[must_use]
    pub fn reserves(self, name: &str) -> bool {
        let name = name.trim_matches([' ', '\t']).to_ascii_lowercase();
        let ours = |name: &str| name == "session" || name == "sign-ins" || name.starts_with("login-");
        name.strip_prefix("__host-").map_or(!self.secure && ours(&name), ours)
    }

    /// A `Set-Cookie` line: `HttpOnly; SameSite=Lax; Path=/`, no `Domain`. Lax, because the return from Cognito and a
    /// link from elsewhere to a gated page are cross-site navigations.
    #[must_use]
    pub fn set(self, name: &str, value: &str, max_age_secs: u64) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; Max-Age={max_age_secs}; HttpOnly; SameSite=Lax{secure}")
    }

    /// A `Set-Cookie` line that removes the cookie: the same attributes, no life.
    #[must_use]
    pub fn clear(self, name: &str) -> String {
        self.set(name, "", 0)
    }

    /// The `Cookie` header without the gateway's own cookies; `None` when nothing is left.
    #[must_use]
    pub fn without_ours(self, header: &str) -> Option<String> {
        let kept: Vec<&str> = header
            .split(';')
            .map(|pair| pair.trim_matches([' ', '\t']))
            .filter(|pair| !pair.is_empty() && !self.reserves(pair.split_once('=').map_or(*pair, |(name, _)| name)))
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

    #[test]
    fn a_cookie_is_found_by_its_exact_name_only() {
        let cookies = Cookies::new("a=1; __Host-session=abc;b=2 ; c=\"x=y\"");
        assert_eq!(cookies.one("__Host-session"), Some("abc"));
        assert_eq!(cookies.one("__host-session"), None);
        assert_eq!(cookies.one("b"), Some("2"));
        assert_eq!(cookies.one("c"), Some("\"x=y\""));
        assert_eq!(cookies.one("session"), None);
    }

    #[test]
    fn a_doubled_cookie_is_no_cookie() {
        assert_eq!(Cookies::new("session=a; session=b").one("session"), None);
    }

    #[test]
    fn our_cookies_do_not_reach_the_origin() {
        let header = "theme=dark; __Host-session=s; __Host-login-abc=f; __HOST-SESSION=t; lang=ko; session=theirs";
        assert_eq!(secure().without_ours(header).as_deref(), Some("theme=dark; lang=ko; session=theirs"));
        let local = CookieStyle { secure: false };
        assert_eq!(local.without_ours("session=s; login-x=f; a=1").as_deref(), Some("a=1"));
        assert_eq!(local.without_ours("session=s"), None);
    }

    #[test]
    fn set_and_clear_differ_in_life_and_value_only() {
        assert_eq!(
            secure().set("__Host-session", "v", 60),
            "__Host-session=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(secure().clear("__Host-session"), "__Host-session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure");
    }
}
