//! The path a login returns to: on our own origin, or the default. An open redirect ends here.

use url::{Position, Url};

use crate::web::path::NormalPath;

/// A checked path with query and fragment on the public origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnPath(String);

impl Default for ReturnPath {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl ReturnPath {
    /// Reads a value that has been decoded once; `None` when it could lead anywhere but to a page of the site.
    /// The result is what the browser's own URL parser makes of it, and it is not decoded again.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        if value.len() > MAX_BYTES || !value.starts_with('/') || value.contains(|c: char| c.is_control() || c == '\\') {
            return None;
        }
        // A host.
        if value.starts_with("//") {
            return None;
        }
        let url = Url::parse(&[SITE, value].concat()).ok()?;
        let path = NormalPath::parse(url.path()).ok()?;
        // A login that returns to the login would go round for ever.
        let own = path.as_str() == "/auth" || path.as_str().starts_with("/auth/");
        let resolved = &url[Position::BeforePath..];
        (!own && resolved.len() <= MAX_BYTES).then(|| Self(resolved.to_owned()))
    }

    /// The path with its query and fragment.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Any origin: the path begins behind it, and does not depend on it.
const SITE: &str = "https://site.invalid";
/// Five login flows with such a path still fit into a `Cookie` header.
const MAX_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &str) -> Option<String> {
        ReturnPath::parse(value).map(|path| path.as_str().to_owned())
    }

    #[test]
    fn paths_of_the_site_are_kept_with_query_and_fragment() {
        for value in ["/", "/app/", "/app/?view=reports&x=%2F%2Fevil", "/a#b", "/a?next=https://evil.example/"] {
            assert_eq!(parse(value).as_deref(), Some(value), "{value}");
        }
        assert_eq!(ReturnPath::default().as_str(), "/");
    }

    #[test]
    fn the_path_is_what_a_browser_would_make_of_it() {
        for (value, path) in [
            ("/a/../b", "/b"),
            ("/a/%2e%2E/b", "/b"),
            ("/..", "/"),
            ("/./a", "/a"),
            ("/ü", "/%C3%BC"),
            ("/%C3%BC", "/%C3%BC"),
            ("/a b", "/a%20b"),
            ("/a ", "/a"),
            ("/a?b c", "/a?b%20c"),
            ("/?x=%0d%0a", "/?x=%0d%0a"),
            ("/@evil.example", "/@evil.example"),
            ("/\u{ff0f}evil.example", "/%EF%BC%8Fevil.example"),
            ("/authors", "/authors"),
            ("/app/auth/", "/app/auth/"),
            ("/AUTH/login", "/AUTH/login"),
            ("/?/auth/login", "/?/auth/login"),
            ("/a?b#c?d", "/a?b#c?d"),
        ] {
            assert_eq!(parse(value).as_deref(), Some(path), "{value:?}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for value in [
            "",
            "app",
            "?a",
            "#a",
            "//",
            "//evil.example",
            "///evil.example",
            "//app.example.com.evil.example/",
            "//app.example.com@evil.example/",
            "//app.example.com:8443/",
            "/\\evil.example",
            "/a\\b",
            "/a?b\\c",
            "\\\\evil.example",
            "https://evil.example",
            "https://app.example.com/",
            "javascript:alert(1)",
            "/https://evil.example",
            "/.//evil.example",
            "/a/..//evil.example",
            "/%2e%2e//evil.example",
            "/%2f%2fevil.example",
            "/%2Fevil.example",
            "/%252fevil.example",
            "/\t/evil.example",
            "\t//evil.example",
            "/\r\nSet-Cookie:a=b",
            "/a?\n",
            "/a#\u{0}",
            "/a\u{85}",
            "/%0d%0aSet-Cookie:a=b",
            "/%00",
            "/%",
            "/%ff",
            "/auth",
            "/auth/",
            "/auth?a=b",
            "/auth#a",
            "/auth/login",
            "/%61uth/login",
            "/%2561uth/login",
            "/auth%2flogin",
            "/auth;a/login",
            "/a/../auth/logout",
            "/a/%2e%2e/auth/logout",
            "/./auth/token",
            "/%5cevil.example",
            "/%5Cevil.example",
            "/..;/a",
            "/;@evil.example",
            " /a",
            "\u{feff}/a",
        ] {
            assert_eq!(parse(value), None, "{value:?}");
        }
    }

    #[test]
    fn the_length_limit_counts_what_is_sent() {
        let longest = format!("/{}", "a".repeat(1023));
        assert_eq!(parse(&longest), Some(longest));
        assert_eq!(parse(&format!("/{}", "a".repeat(1024))), None);
        // A letter beyond ASCII is sent as six characters.
        assert_eq!(parse(&format!("/abc{}", "ü".repeat(170))).map(|path| path.len()), Some(1024));
        assert_eq!(parse(&format!("/abcd{}", "ü".repeat(170))), None);
    }
}
