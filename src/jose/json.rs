//! JSON objects without repeated members: two readers must never see two different values (RFC 8725 §2.6).

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

/// A JSON object whose own members are unique.
pub struct UniqueObject(pub Map<String, Value>);

impl UniqueObject {
    /// Parses `bytes`; `None` when they are not UTF-8 JSON, not an object, or repeat a member.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Map<String, Value>> {
        serde_json::from_slice::<Self>(bytes).ok().map(|object| object.0)
    }

    /// Parses `bytes` as an object of that shape: serde's derive alone would take a list for a struct too.
    #[must_use]
    pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
        Self::parse(bytes).and_then(|members| serde_json::from_value(Value::Object(members)).ok())
    }
}

impl<'de> Deserialize<'de> for UniqueObject {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = UniqueObject;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object without repeated members")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<UniqueObject, A::Error> {
                let mut object = Map::new();
                while let Some((name, value)) = members.next_entry::<String, Value>()? {
                    if object.insert(name, value).is_some() {
                        return Err(A::Error::custom("repeated member"));
                    }
                }
                Ok(UniqueObject(object))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_objects_with_unique_members_parse() {
        assert!(UniqueObject::parse(br#"{"a":1,"b":{"a":2}}"#).is_some());
        for bad in [&br#"{"a":1,"a":1}"#[..], b"[]", b"\"x\"", b"{", b"\xef\xbb\xbf{}", b"{\"a\":\"\xff\"}", b"{} {}", b""] {
            assert!(UniqueObject::parse(bad).is_none(), "{bad:?}");
        }
        assert_eq!(UniqueObject::read::<[u8; 1]>(b"[1]"), None);
        assert_eq!(UniqueObject::parse(b"{}").map(|object| object.len()), Some(0));
        for bad in [&b"null"[..], b"1", br#"{"a":1,"\u0061":1}"#, br#"{"a":1,"b":2,"a":null}"#, b"{\"a\":1,}", b"{'a':1}", b"{}x"]
        {
            assert!(UniqueObject::parse(bad).is_none(), "{bad:?}");
        }
        // serde_json stops at 128 levels instead of overflowing the stack.
        assert!(UniqueObject::parse(format!("{{\"a\":{}}}", "[".repeat(10_000)).as_bytes()).is_none());
    }

    #[test]
    fn members_keep_their_values() {
        let object = UniqueObject::parse(br#"{"a":1,"b":{"a":2}}"#).expect("parses");
        assert_eq!(Value::Object(object), serde_json::json!({"a": 1, "b": {"a": 2}}));
    }

    #[test]
    fn an_error_says_what_was_wanted() {
        for (text, message) in
            [("[]", "expected an object without repeated members at"), (r#"{"a":1,"a":1}"#, "repeated member at")]
        {
            let error = serde_json::from_str::<UniqueObject>(text).err().map(|error| error.to_string());
            assert!(error.as_ref().is_some_and(|error| error.contains(message)), "{text}: {error:?}");
        }
    }
}
