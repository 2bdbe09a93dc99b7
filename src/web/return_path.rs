//! The path a login returns to: on our own origin, or the default. An open redirect ends here.

use crate::config::Origin;
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
    pub fn parse(value: &str, public_url: &Origin) -> Option<Self> {
        if value.len() > MAX_BYTES || !value.starts_with('/') || value.contains(|c: char| c.is_control() || c == '\\') {
            return None;
        }
        let url = public_url.join(value)?;
        let path = NormalPath::parse(url.path()).ok()?;
        // A login that returns to the login would go round for ever.
        let own = path.as_str() == "/auth" || path.as_str().starts_with("/auth/");
        if own || !public_url.is_origin_of(&url) {
            return None;
        }
        let resolved = url.as_str().strip_prefix(public_url.as_str())?;
        (resolved.len() <= MAX_BYTES).then(|| Self(resolved.to_owned()))
    }

    /// The path with its query and fragment.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Five login flows with such a path still fit into a `Cookie` header.
const MAX_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &str) -> Option<String> {
        let origin = Origin::parse("https://app.example.com")?;
        ReturnPath::parse(value, &origin).map(|path| path.0)
    }

    #[test]
    fn paths_of_the_site_are_kept_with_query_and_fragment() {
        for value in ["/", "/app/", "/app/?view=reports&x=%2F%2Fevil", "/a#b", "/a?next=https://evil.example/"] {
            assert_eq!(parse(value).as_deref(), Some(value), "{value}");
        }
        assert_eq!(parse("/a/../b").as_deref(), Some("/b"));
        assert_eq!(parse("/ü").as_deref(), Some("/%C3%BC"));
    }

    #[test]
    fn everything_else_is_refused() {
        for value in [
            "",
            "app",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/.//evil.example",
            "/a/..//evil.example",
            "/%2f%2fevil.example",
            "/\t/evil.example",
            "/\r\nSet-Cookie:a=b",
            "/auth/login",
            "/auth",
            "/%61uth/login",
            "/a/../auth/logout",
            "/%5cevil.example",
            "/;@evil.example",
            " /a",
        ] {
            assert_eq!(parse(value), None, "{value:?}");
        }
    }

    #[test]
    fn the_length_limit_counts_what_is_sent() {
        let longest = format!("/{}", "a".repeat(1023));
        assert_eq!(parse(&longest), Some(longest));
        assert_eq!(parse(&format!("/{}", "a".repeat(1024))), None);
        assert_eq!(parse(&format!("/{}", "ü".repeat(400))), None);
    }
}
