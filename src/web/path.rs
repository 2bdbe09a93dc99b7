//! Normal paths: the one reading of a path that routing, rules and origin share.
//!
//! The `url` crate has already parsed the URL (WHATWG: `.` and `..` resolved, `\` turned into `/`). The rest is decoded once. A
//! path that another server could read differently is refused, so that no second spelling passes a rule.

/// A path decoded once, without ambiguity.
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
    /// An encoded `/`, `\` or control character, or a double encoding.
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
        // `;` starts a path parameter for some servers: `/admin;x/` is `/admin/` to them. A decoded `?` or `#` would end the path
        // for a server that parses the decoded text again.
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
        let Some(value) = bytes.next().zip(bytes.next()).and_then(|(high, low)| hex_pair(high, low)) else {
            return Err(PathError::Malformed);
        };
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

/// Whether a second decoding would change the path: `%25` alone is a plain percent sign, `%252f` is not.
fn encoded_again(decoded: &[u8]) -> bool {
    decoded.windows(3).any(|window| match window {
        [b'%', high, low] => hex_pair(*high, *low).is_some(),
        _ => false,
    })
}

/// The byte that two hex digits stand for.
fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
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
            ("/caf%c3%a9", "/café"),
            ("/café", "/café"),
            ("/%25", "/%"),
            ("/%25az", "/%az"),
            ("/%25za", "/%za"),
            ("/%25a", "/%a"),
            ("/a%20b", "/a b"),
            ("/...", "/..."),
            ("/.well-known/x", "/.well-known/x"),
            ("/a./..b/.c", "/a./..b/.c"),
            ("/AUTH/Login", "/AUTH/Login"),
            ("/a:b@c,d=e&f+g*h'(i)!~$", "/a:b@c,d=e&f+g*h'(i)!~$"),
            ("/a/", "/a/"),
        ] {
            assert_eq!(NormalPath::parse(raw).map(|normal| normal.0), Ok(path.to_owned()), "{raw}");
        }
        assert_eq!(NormalPath::default().as_str(), "/");
    }

    #[test]
    fn paths_with_a_second_reading_are_refused() {
        for (error, paths) in [
            (
                PathError::Malformed,
                &["/%", "/%4", "/%zz", "/%4z", "/%z4", "/%ff", "/%c3", "/%c3%28", "/%+1", "/%\u{e9}1", "/a%"][..],
            ),
            (
                PathError::AmbiguousEncoding,
                &[
                    "/a%2fb",
                    "/a%2Fb",
                    "/%2f%2fevil.example",
                    "/a%5cb",
                    "/a%5Cb",
                    "/a%00b",
                    "/a%0d%0ab",
                    "/a%1fb",
                    "/a%7f",
                    "/%252e%252e/",
                    "/a%252fb",
                    "/a%255cb",
                    "/%2561uth/login",
                    "/%25%36%31uth",
                    "/a%2541",
                    "/%25ff",
                ],
            ),
            (
                PathError::AmbiguousPath,
                &[
                    "",
                    "auth",
                    "//",
                    "//auth/login",
                    "/a//b",
                    "/a//",
                    "/a\\b",
                    "/a\tb",
                    "/a\u{7f}b",
                    "/a\u{85}b",
                    "/a%c2%85b",
                    "/..;/admin",
                    "/admin;x/page",
                    "/admin;",
                    "/a%3bx",
                    "/a?x",
                    "/a%3fx",
                    "/a#x",
                    "/a%23x",
                    "/.",
                    "/..",
                    "/./a",
                    "/a/./b",
                    "/a/..",
                    "/a/../b",
                    "/%2e",
                    "/%2e%2e/x",
                    "/%2E./x",
                    "/.%2e/x",
                ],
            ),
        ] {
            for raw in paths {
                assert_eq!(NormalPath::parse(raw), Err(error), "{raw:?}");
            }
        }
    }

    #[test]
    fn every_octet_is_decoded_or_refused() {
        for octet in 0..=u8::MAX {
            let expected = match octet {
                b'/' | b'\\' | 0..=0x1f | 0x7f => Err(PathError::AmbiguousEncoding),
                b';' | b'?' | b'#' => Err(PathError::AmbiguousPath),
                0x80.. => Err(PathError::Malformed),
                _ => Ok(format!("/a{}", char::from(octet))),
            };
            for raw in [format!("/a%{octet:02x}"), format!("/a%{octet:02X}")] {
                assert_eq!(NormalPath::parse(&raw).map(|normal| normal.as_str().to_owned()), expected, "{raw}");
            }
        }
    }
}
