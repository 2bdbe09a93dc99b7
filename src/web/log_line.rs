//! The log's lines: one JSON object each, its members in the order given, empty values left out.

use crate::ports::Level;

use super::hex::push_hex;

/// One line.
#[must_use]
pub fn log_line(level: Level, message: &str, fields: &[(&str, &str)]) -> String {
    let mut line = begin_line(level, message, fields);
    line.push('}');
    line
}

/// One line but for its closing brace: more members may follow.
#[must_use]
pub fn begin_line(level: Level, message: &str, fields: &[(&str, &str)]) -> String {
    let level = match level {
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    let mut line = String::with_capacity(USUAL_BYTES);
    let filled = fields.iter().copied().filter(|(_, value)| !value.is_empty());
    for (name, value) in [("level", level), ("message", message)].into_iter().chain(filled) {
        line.push(if line.is_empty() { '{' } else { ',' });
        push_string(&mut line, name);
        line.push(':');
        push_string(&mut line, value);
    }
    line
}

/// A JSON string (RFC 8259 §7). Control characters are escaped, so that no value can forge a line.
fn push_string(line: &mut String, text: &str) {
    line.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => line.extend(['\\', c]),
            '\0'..'\x20' => {
                line.push_str("\\u");
                push_hex(line, &u16::try_from(u32::from(c)).unwrap_or_default().to_be_bytes());
            }
            _ => line.push(c),
        }
    }
    line.push('"');
}

const USUAL_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_object_in_the_order_given_without_what_is_empty() {
        let line = log_line(Level::Info, "request", &[("route", "site"), ("session", ""), ("status", "200")]);
        assert_eq!(line, r#"{"level":"info","message":"request","route":"site","status":"200"}"#);
        assert_eq!(log_line(Level::Error, "x", &[]), r#"{"level":"error","message":"x"}"#);
    }

    #[test]
    fn any_text_is_one_line_of_json_and_comes_back_as_it_was() {
        for text in ["a\"b\\c", "\r\n{\"level\":\"forged\"}\t\0\x1b", "\u{7f}\u{85}\u{2028}", "한글 é 😀"] {
            let line = log_line(Level::Warn, text, &[(text, text)]);
            assert!(!line.contains(['\r', '\n']), "{line}");
            let read: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            assert_eq!(read, serde_json::json!({"level": "warn", "message": text, text: text}));
        }
    }
}
