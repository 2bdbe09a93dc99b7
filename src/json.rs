//! JSON, in one way in and one way out. What is read becomes a tree first and then, member by member, a type of ours, so that
//! the parser is in the Worker once, not once for each type. What is written is a list of members in their order.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The members of a JSON object, each to be taken once.
#[derive(Debug, Default)]
pub struct Members(pub Map<String, Value>);

impl Members {
    /// Parses `bytes`; `None` when they are not UTF-8 JSON, not an object, or repeat a member: two readers must never see two
    /// different values (RFC 8725 §2.6).
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        Self::of(parse(bytes, 1)?)
    }

    /// The members, if `value` is an object.
    #[must_use]
    pub fn of(value: Value) -> Option<Self> {
        if let Value::Object(members) = value { Some(Self(members)) } else { None }
    }

    /// The value of a member that may be absent, which is the same as `null` here.
    pub fn take(&mut self, name: &str) -> Value {
        self.0.get_mut(name).map(Value::take).unwrap_or_default()
    }

    /// A text.
    pub fn text(&mut self, name: &str) -> Option<String> {
        text(self.take(name))
    }

    /// A list of texts.
    pub fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        if let Value::Array(list) = self.take(name) { list.into_iter().map(text).collect() } else { None }
    }

    /// A whole number.
    pub fn number(&mut self, name: &str) -> Option<u64> {
        self.take(name).as_u64()
    }

    /// A truth value.
    pub fn boolean(&mut self, name: &str) -> Option<bool> {
        self.take(name).as_bool()
    }

    /// A truth value that is false when it is absent.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name).map_or(Some(false), Value::as_bool)
    }

    /// A text or nothing; `None`: it is something else.
    pub fn optional_text(&mut self, name: &str) -> Option<Option<String>> {
        match self.take(name) {
            Value::Null => Some(None),
            value => text(value).map(Some),
        }
    }

    /// A whole number or nothing; `None`: it is something else.
    pub fn optional_number(&mut self, name: &str) -> Option<Option<u64>> {
        match self.take(name) {
            Value::Null => Some(None),
            value => value.as_u64().map(Some),
        }
    }

    /// A truth value or nothing; `None`: it is something else.
    pub fn optional_boolean(&mut self, name: &str) -> Option<Option<bool>> {
        match self.take(name) {
            Value::Null => Some(None),
            value => value.as_bool().map(Some),
        }
    }
}

fn text(value: Value) -> Option<String> {
    if let Value::String(text) = value { Some(text) } else { None }
}

/// Parses `bytes`, UTF-8 JSON; `None` also when a member is repeated in an object, or in one inside it, down to so many levels.
#[must_use]
pub fn parse(bytes: &[u8], unique_levels: u8) -> Option<Value> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Tree { unique_levels }.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok().map(|()| value)
}

/// Builds the tree.
#[derive(Clone, Copy)]
struct Tree {
    unique_levels: u8,
}

impl<'de> DeserializeSeed<'de> for Tree {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = values.next_element_seed(self)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let below = Self { unique_levels: self.unique_levels.saturating_sub(1) };
        let mut object = Map::new();
        while let Some(name) = members.next_key_seed(below)? {
            let Value::String(name) = name else { return Err(A::Error::custom("name")) };
            let value = members.next_value_seed(below)?;
            if object.insert(name, value).is_some() && self.unique_levels > 0 {
                return Err(A::Error::custom("repeated member"));
            }
        }
        Ok(Value::Object(object))
    }
}

/// A value to write.
#[derive(Clone, Copy)]
pub enum Json<'a> {
    /// Nothing: the member is left out.
    Absent,
    /// `true` or `false`.
    Boolean(bool),
    /// `null`.
    Null,
    /// A whole number.
    Number(u64),
    /// An object.
    Object(&'a [(&'a str, Json<'a>)]),
    /// A text.
    Text(&'a str),
    /// A list of texts.
    Texts(&'a [String]),
}

impl From<bool> for Json<'_> {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<u64> for Json<'_> {
    fn from(value: u64) -> Self {
        Self::Number(value)
    }
}

impl<'a> From<&'a str> for Json<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a String> for Json<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(value)
    }
}

/// `null` for nothing.
impl<'a, T: Into<Json<'a>>> From<Option<T>> for Json<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<'a> Json<'a> {
    /// A member that is left out when there is nothing to say.
    #[must_use]
    pub fn if_some(value: Option<&'a str>) -> Self {
        value.map_or(Self::Absent, Self::Text)
    }
}

/// Writes an object, its members in that order. Their names are our own words, which need no escape.
#[must_use]
pub fn encode(members: &[(&str, Json<'_>)]) -> String {
    let mut json = String::new();
    write_object(&mut json, members);
    json
}

fn write_object(json: &mut String, members: &[(&str, Json<'_>)]) {
    json.push('{');
    let mut before = "\"";
    for (name, value) in members {
        if matches!(value, Json::Absent) {
            continue;
        }
        json.push_str(before);
        before = ",\"";
        json.push_str(name);
        json.push_str("\":");
        match value {
            Json::Absent => {}
            Json::Boolean(true) => json.push_str("true"),
            Json::Boolean(false) => json.push_str("false"),
            Json::Null => json.push_str("null"),
            Json::Number(number) => json.push_str(&number.to_string()),
            Json::Object(members) => write_object(json, members),
            Json::Text(text) => write_text(json, text),
            Json::Texts(texts) => {
                json.push('[');
                let mut before = "";
                for text in *texts {
                    json.push_str(before);
                    before = ",";
                    write_text(json, text);
                }
                json.push(']');
            }
        }
    }
    json.push('}');
}

/// With the escapes that JSON demands and no other (RFC 8259 §7).
fn write_text(json: &mut String, text: &str) {
    json.push('"');
    // Nearly every text is one piece without any.
    let plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        json.push_str(text);
        json.push('"');
        return;
    }
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\u{8}' => json.push_str("\\b"),
            '\u{c}' => json.push_str("\\f"),
            '\0'..='\x1f' => {
                json.push_str(if c < '\x10' { "\\u000" } else { "\\u001" });
                json.extend(char::from_digit(u32::from(c) % 16, 16));
            }
            c => json.push(c),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_objects_with_unique_members_parse() {
        assert!(Members::parse(br#"{"a":1,"b":{"a":2}}"#).is_some());
        for bad in [&br#"{"a":1,"a":1}"#[..], b"[]", b"\"x\"", b"{", b"\xef\xbb\xbf{}", b"{\"a\":\"\xff\"}", b"{} {}", b""] {
            assert!(Members::parse(bad).is_none(), "{bad:?}");
        }
        assert_eq!(Members::parse(b"{}").map(|object| object.0.len()), Some(0));
        for bad in [&b"null"[..], b"1", br#"{"a":1,"\u0061":1}"#, br#"{"a":1,"b":2,"a":null}"#, b"{\"a\":1,}", b"{'a':1}", b"{}x"]
        {
            assert!(Members::parse(bad).is_none(), "{bad:?}");
        }
        // serde_json stops at 128 levels instead of overflowing the stack.
        assert!(Members::parse(format!("{{\"a\":{}}}", "[".repeat(10_000)).as_bytes()).is_none());
    }

    #[test]
    fn members_keep_their_values() {
        let text = r#"{"a":1,"b":{"a":[2,-3,4.5,1e300,18446744073709551615]},"c":null,"d":[true,false,"\u00fc\n"]}"#;
        let object = Members::parse(text.as_bytes()).expect("parses");
        assert_eq!(Value::Object(object.0), serde_json::from_str::<Value>(text).expect("JSON"));
    }

    #[test]
    fn members_are_unique_down_to_the_level_that_is_asked_for() {
        for (text, levels) in
            [(r#"{"a":1,"a":1}"#, 1), (r#"[{"a":1,"a":1}]"#, 1), (r#"{"b":{"a":1,"a":1}}"#, 2), (r#"[{"b":[{"a":1,"a":1}]}]"#, 2)]
        {
            assert!(parse(text.as_bytes(), levels).is_none(), "{text}");
            assert!(parse(text.as_bytes(), levels - 1).is_some(), "{text}");
        }
    }

    #[test]
    fn a_member_of_another_kind_is_none() {
        let members =
            || Members::parse(br#"{"t":"x","n":7,"b":true,"l":["x","y"],"m":["x",1],"z":null,"f":1.5}"#).expect("parses");
        let text = |name: &str| members().text(name);
        assert_eq!((text("t").as_deref(), text("n"), text("z"), text("-")), (Some("x"), None, None, None));
        let optional = |name: &str| members().optional_text(name);
        assert_eq!((optional("t"), optional("z"), optional("-")), (Some(Some("x".to_owned())), Some(None), Some(None)));
        assert_eq!((optional("n"), optional("l")), (None, None));
        let number = |name: &str| members().number(name);
        assert_eq!((number("n"), number("f"), number("t"), number("z"), number("-")), (Some(7), None, None, None, None));
        let optional = |name: &str| members().optional_number(name);
        assert_eq!((optional("n"), optional("z"), optional("-")), (Some(Some(7)), Some(None), Some(None)));
        assert_eq!((optional("f"), optional("t")), (None, None));
        let boolean = |name: &str| members().boolean(name);
        assert_eq!((boolean("b"), boolean("t"), boolean("z"), boolean("-")), (Some(true), None, None, None));
        let flag = |name: &str| members().flag(name);
        assert_eq!((flag("b"), flag("-"), flag("z"), flag("t")), (Some(true), Some(false), None, None));
        let optional = |name: &str| members().optional_boolean(name);
        assert_eq!((optional("b"), optional("z"), optional("-")), (Some(Some(true)), Some(None), Some(None)));
        assert_eq!((optional("n"), optional("t")), (None, None));
        let texts = |name: &str| members().texts(name);
        assert_eq!((texts("l"), texts("m"), texts("t")), (Some(vec!["x".to_owned(), "y".to_owned()]), None, None));
    }

    #[test]
    fn an_object_is_written_as_serde_json_writes_it() {
        let every_char: String = (0..=0x11_ffff).filter_map(char::from_u32).collect();
        let groups = ["a".to_owned(), "\"".to_owned()];
        let text = encode(&[
            ("text", Json::Text(&every_char)),
            ("z", Json::Number(u64::MAX)),
            ("absent", Json::if_some(None)),
            ("a", Json::from(None::<u64>)),
            ("c", Json::Object(&[("yes", true.into()), ("no", false.into())])),
            ("b", Json::Texts(&groups)),
            ("d", Json::Texts(&[])),
            ("e", Json::Object(&[])),
        ]);
        let wanted = format!(
            r#"{{"text":{},"z":18446744073709551615,"a":null,"c":{{"yes":true,"no":false}},"b":["a","\""],"d":[],"e":{{}}}}"#,
            json!(every_char)
        );
        assert!(text == wanted, "{}", text.len());
        assert_eq!(encode(&[("a", Json::Absent)]), "{}");
    }
}
