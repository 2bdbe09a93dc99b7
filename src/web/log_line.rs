//! The log's lines: one JSON object each, its members in the order given, empty values left out.

use crate::json::{self, Json};
use crate::ports::Level;

/// One line. JSON escapes CR and LF, so that no value can forge another.
#[must_use]
pub fn log_line(level: Level, message: &str, fields: &[(&str, &str)]) -> String {
    let level = match level {
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    let mut members = vec![("level", Json::Text(level)), ("message", Json::Text(message))];
    members.extend(fields.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (*name, Json::Text(value))));
    json::encode(&members)
}

/// One line but for its closing brace: more members may follow.
#[must_use]
pub fn begin_line(level: Level, message: &str, fields: &[(&str, &str)]) -> String {
    let mut line = log_line(level, message, fields);
    line.pop();
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_object_in_the_order_given_without_what_is_empty() {
        let fields = [("route", "site"), ("session", ""), ("status", "200")];
        let line = r#"{"level":"info","message":"request","route":"site","status":"200"}"#;
        assert_eq!(log_line(Level::Info, "request", &fields), line);
        assert_eq!(begin_line(Level::Info, "request", &fields) + "}", line);
        assert_eq!(log_line(Level::Error, "x", &[]), r#"{"level":"error","message":"x"}"#);
    }

    #[test]
    fn no_value_breaks_out_of_its_line() {
        for text in ["a\"b\\c", "\r\n{\"level\":\"forged\"}\t\0\x1b", "\u{7f}\u{85}\u{2028}", "한글 é 😀"] {
            let line = log_line(Level::Warn, text, &[("field", text)]);
            assert!(!line.contains(['\r', '\n']), "{line}");
            let read: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            assert_eq!(read, serde_json::json!({"level": "warn", "message": text, "field": text}));
        }
    }
}
