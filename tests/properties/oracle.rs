//! Second readers: plain, slow and independent of the code under test.

use serde_json::{Map, Value};

pub const BASE64URL: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
pub const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 without padding, canonical: no rest, no bits left over.
pub fn base64(text: &str, alphabet: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for c in text.chars() {
        held = held << 6 | u32::try_from(alphabet.find(c)?).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits).ok()?);
            held &= (1 << bits) - 1;
        }
    }
    (bits < 6 && held == 0).then_some(bytes)
}

/// Base64 with its padding (RFC 4648 §4).
pub fn padded_base64(text: &str) -> Option<Vec<u8>> {
    let bare = text.trim_end_matches('=');
    let padding = text.len() - bare.len();
    (text.len().is_multiple_of(4) && padding <= 2).then(|| base64(bare, BASE64)).flatten()
}

/// Percent-decodes once; what is no encoding stays.
pub fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let hex = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut decoded, mut at) = (Vec::new(), 0);
    while at < text.len() {
        if let (b'%', Some(high), Some(low)) = (text[at], hex(at + 1), hex(at + 2)) {
            decoded.push(u8::try_from(high * 16 + low).unwrap());
            at += 3;
        } else {
            decoded.push(text[at]);
            at += 1;
        }
    }
    decoded
}

/// How the most obliging server there is could read a path: decoded until nothing changes, cut at NUL, `?` and `#`,
/// backslashes as slashes, path parameters dropped, empty and dot segments resolved.
pub fn obliging_path(raw: &str) -> Vec<u8> {
    let mut bytes = raw.as_bytes().to_vec();
    loop {
        let decoded = percent_decoded(&bytes);
        if decoded == bytes {
            break;
        }
        bytes = decoded;
    }
    let end = bytes.iter().position(|byte| matches!(byte, 0 | b'?' | b'#')).unwrap_or(bytes.len());
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut folder = false;
    for segment in bytes[..end].split(|byte| matches!(byte, b'/' | b'\\')) {
        let segment = segment.split(|byte| *byte == b';').next().unwrap();
        folder = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    let mut path: Vec<u8> = segments.iter().flat_map(|segment| [b"/", *segment].concat()).collect();
    if folder || path.is_empty() {
        path.push(b'/');
    }
    path
}

/// `application/x-www-form-urlencoded` (WHATWG URL §5.1).
pub fn form(raw: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| String::from_utf8_lossy(&percent_decoded(text.replace('+', " ").as_bytes())).into_owned();
    raw.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

/// The values of one name.
pub fn values<'a>(pairs: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
}

/// A JSON object none of whose own members is repeated.
pub fn unique_object(json: &[u8]) -> Option<Map<String, Value>> {
    let object = object(json)?;
    (count_members(json, 1) == object.len()).then_some(object)
}

/// A JSON object; of repeated members the last one counts.
pub fn object(json: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice(json).ok()? {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

/// Members as written, repeated ones too, of objects down to this depth: their colons.
pub fn count_members(json: &[u8], deepest: usize) -> usize {
    let (mut depth, mut in_string, mut escaped, mut colons) = (0_usize, false, false, 0);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b':' if depth <= deepest => colons += 1,
            _ => {}
        }
    }
    colons
}

#[test]
fn the_second_readers_read() {
    assert_eq!(base64("AQI", BASE64URL), Some(vec![1, 2]));
    assert_eq!((base64("AQJ", BASE64URL), base64("A", BASE64URL), base64("A+", BASE64URL)), (None, None, None));
    assert_eq!((padded_base64("AQ=="), padded_base64("AQ="), padded_base64("A===")), (Some(vec![1]), None, None));
    for (raw, read) in [
        ("/a/%252e%252e/b", "/b"),
        ("/a/..;x=1//b/", "/b/"),
        ("/%61%5c.%2e/b%00.css", "/b"),
        ("/a/.", "/a/"),
        ("/..", "/"),
        ("/100%", "/100%"),
    ] {
        assert_eq!(String::from_utf8(obliging_path(raw)).as_deref(), Ok(read), "{raw}");
    }
    let pairs = form("a=1%2B2&&b=+&%61=%ff&c");
    assert_eq!((values(&pairs, "a"), values(&pairs, "b"), values(&pairs, "c")), (vec!["1+2", "\u{fffd}"], vec![" "], vec![""]));
    assert!(unique_object(br#"{"a":{"b":1,"b":2},"\":":"x:y"}"#).is_some());
    assert!(unique_object(br#"{"a":1,"a":2}"#).is_none() && unique_object(b"[]").is_none());
}
