//! The return path of a login: on our own origin, or the default. This check prevents an open redirect.

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
    /// Reads a value that has been decoded once; `None` when it could lead anywhere but to a page of the site. The result is the
    /// path as the browser's own URL parser reads it, and it is not decoded again. A path that is too long for a cookie loses its
    /// fragment, and if that is not enough its query.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let (path, rest) = value.split_at_checked(value.find(['?', '#']).unwrap_or(value.len()))?;
        // Two slashes begin a host.
        if !path.starts_with('/') || path.starts_with("//") || path.contains('\\') || value.contains(char::is_control) {
            return None;
        }
        // After the path, browsers keep a backslash as it is; encoded, it cannot be read as a slash.
        let mut url = Url::parse(&[SITE, path, &rest.replace('\\', "%5C")].concat()).ok()?;
        if url[Position::BeforePath..].len() > MAX_BYTES {
            url.set_fragment(None);
        }
        if url[Position::BeforePath..].len() > MAX_BYTES {
            url.set_query(None);
        }
        let path = NormalPath::parse(url.path()).ok()?;
        // A login that returns to the login would loop for ever.
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

/// A base URL. The path does not depend on it.
const SITE: &str = "https://site.invalid";
/// A sealed login state with such a path still fits into a cookie (4096 bytes), and five of them into a `Cookie` header.
const MAX_BYTES: usize = 2048;

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
            ("/a?b\\c", "/a?b%5Cc"),
            ("/a?\\\\evil.example", "/a?%5C%5Cevil.example"),
            ("/a#b\\c", "/a#b%5Cc"),
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
            "/a\\b?c",
            "/\\?a",
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
    fn a_path_that_is_too_long_loses_its_fragment_then_its_query_and_beyond_that_is_refused() {
        let letters = |count: usize| "a".repeat(count);
        for (value, expected) in [
            (format!("/{}", letters(2047)), Some(format!("/{}", letters(2047)))),
            (format!("/{}", letters(2048)), None),
            (format!("/a?{}", letters(2045)), Some(format!("/a?{}", letters(2045)))),
            (format!("/a?{}", letters(2046)), Some("/a".to_owned())),
            (format!("/a#{}", letters(2046)), Some("/a".to_owned())),
            (format!("/a#{}", letters(2045)), Some(format!("/a#{}", letters(2045)))),
            (format!("/a?b#{}", letters(2044)), Some("/a?b".to_owned())),
            (format!("/a?{}#b", letters(2044)), Some(format!("/a?{}", letters(2044)))),
            (format!("/a?{}#b", letters(2046)), Some("/a".to_owned())),
            (format!("/{}#b", letters(2047)), Some(format!("/{}", letters(2047)))),
            (format!("/{}?", letters(2047)), Some(format!("/{}", letters(2047)))),
            (format!("/{}?b", letters(2048)), None),
            // A letter beyond ASCII is sent as six characters, a backslash as three.
            (format!("/abc{}aaaa", "ü".repeat(340)), Some(format!("/abc{}aaaa", "%C3%BC".repeat(340)))),
            (format!("/abcd{}aaaa", "ü".repeat(340)), None),
            (format!("/a?{}", "\\".repeat(681)), Some(format!("/a?{}", "%5C".repeat(681)))),
            (format!("/a?{}", "\\".repeat(682)), Some("/a".to_owned())),
        ] {
            assert_eq!(parse(&value), expected, "{:.20} of {} bytes", value, value.len());
        }
    }
}
