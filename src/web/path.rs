//! Normal paths: the one reading of a path that routing, rules and origin share.
//!
//! The runtime has already parsed the URL (WHATWG: `.` and `..` resolved, `\` turned into `/`). What is left is decoded
//! once. A path that another server could read differently is refused, so that no rule is passed by a second spelling.

/// A path decoded once, without any ambiguity left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalPath(String);

impl Default for NormalPath {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// `%` without two hex digits, or bytes that are not UTF-8.
    #[error("malformed percent-encoding")]
    Malformed,
    /// An encoded `/`, `\`, control character, or something encoded twice.
    #[error("ambiguous encoding")]
    AmbiguousEncoding,
    /// `//`, `\`, `;`, an encoded `?` or `#`, a dot segment or a control character.
    #[error("ambiguous path")]
    AmbiguousPath,
}

impl NormalPath {
    /// Reads the path of a parsed URL.
    ///
    /// # Errors
    /// The path could be read differently by another server, or is malformed.
    pub fn parse(raw: &str) -> Result<Self, PathError> {
        let path = if raw.contains('%') { decode(raw)? } else { raw.to_owned() };
        // `;` starts a path parameter for some servers: `/admin;x/` is `/admin/` to them.
        // A decoded `?` or `#` would end the path for one that parses the decoded text again.
        let odd = |c: char| c.is_control() || matches!(c, '\\' | ';' | '?' | '#');
        let dots = path.split('/').any(|segment| segment == "." || segment == "..");
        if !path.starts_with('/') || path.contains("//") || path.contains(odd) || dots {
            return Err(PathError::AmbiguousPath);
        }
        Ok(Self(path))
    }

    /// The decoded path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Percent-decodes once.
fn decode(raw: &str) -> Result<String, PathError> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let (Some(high), Some(low)) = (bytes.next().and_then(hex), bytes.next().and_then(hex)) else {
            return Err(PathError::Malformed);
        };
        let value = 16 * high + low;
        if value == b'/' || value == b'\\' || value.is_ascii_control() {
            return Err(PathError::AmbiguousEncoding);
        }
        decoded.push(value);
    }
    if encoded_again(&decoded) {
        return Err(PathError::AmbiguousEncoding);
    }
    String::from_utf8(decoded).map_err(|_| PathError::Malformed)
}

/// Whether a second decoding would find something: `%25` alone is a plain percent sign, `%252f` is not.
fn encoded_again(decoded: &[u8]) -> bool {
    decoded.windows(3).any(|window| match window {
        [b'%', high, low] => hex(*high).is_some() && hex(*low).is_some(),
        _ => false,
    })
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_path_stays_and_an_encoded_one_is_decoded_once() {
        for (raw, path) in [
            ("/", "/"),
            ("/app/a.html", "/app/a.html"),
            ("/%61uth/login", "/auth/login"),
            ("/100%25.html", "/100%.html"),
            ("/caf%C3%A9", "/café"),
            ("/a%20b", "/a b"),
            ("/...", "/..."),
        ] {
            assert_eq!(NormalPath::parse(raw).map(|normal| normal.0), Ok(path.to_owned()), "{raw}");
        }
    }

    #[test]
    fn paths_with_a_second_reading_are_refused() {
        for raw in [
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a%00b",
            "/a%0d%0ab",
            "/a\\b",
            "/a\tb",
            "//",
            "//auth/login",
            "/a//b",
            "/%252e%252e/",
            "/a%252fb",
            "/..;/admin",
            "/admin;x/page",
            "/a%3bx",
            "/a%3fx",
            "/a%23x",
            "/%2e%2e/x",
            "/a/..",
            "/%",
            "/%4",
            "/%zz",
            "/%ff",
            "",
            "auth",
            "/a%7f",
        ] {
            assert!(NormalPath::parse(raw).is_err(), "{raw}");
        }
    }
}
