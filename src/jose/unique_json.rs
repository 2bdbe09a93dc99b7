//! JSON objects without repeated members: two readers must never see two different values (RFC 8725 §2.6). Anything but an object
//! is refused too, because serde's derive alone would read a list as a struct, its members by their place.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

/// Reads `json`, UTF-8, as an object of this shape. `None`: it is not such an object, or one of its own members is repeated.
/// Members of inner objects are checked as `T` defines.
#[must_use]
pub fn read<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    // All members are parsed, known to `T` or not, so that text that is not JSON to its end is refused.
    let UniqueMembers(members) = serde_json::from_slice(json).ok()?;
    T::deserialize(Value::Object(members)).ok()
}

/// Reads a member (`deserialize_with`) that must be an object. Repeated members are refused if `T` knows all members.
///
/// # Errors
/// The value is not an object, or not of this shape.
pub fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_map(Object(PhantomData))
}

/// The members of an object, each present once.
pub struct UniqueMembers(pub Map<String, Value>);

impl<'de> Deserialize<'de> for UniqueMembers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = UniqueMembers;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object without repeated members")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<UniqueMembers, A::Error> {
                let mut object = Map::new();
                while let Some((name, value)) = members.next_entry::<String, Value>()? {
                    if object.insert(name, value).is_some() {
                        return Err(A::Error::custom("repeated member"));
                    }
                }
                Ok(UniqueMembers(object))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

struct Object<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(json: &[u8]) -> Option<Map<String, Value>> {
        read(json)
    }

    #[test]
    fn only_objects_with_unique_members_are_read() {
        assert_eq!(members(b"{}").map(|members| members.len()), Some(0));
        assert!(members(br#"{"a":1,"b":{"a":2}}"#).is_some());
        for bad in [
            &br#"{"a":1,"a":1}"#[..],
            br#"{"a":1,"\u0061":1}"#,
            br#"{"a":1,"b":2,"a":null}"#,
            b"[]",
            b"\"x\"",
            b"null",
            b"1",
            b"",
            b"{",
            b"{'a':1}",
            b"{\"a\":1,}",
            b"{} {}",
            b"{}x",
            b"\xef\xbb\xbf{}",
            b"{\"a\":\"\xff\"}",
        ] {
            assert!(members(bad).is_none(), "{}", bad.escape_ascii());
        }
        // serde_json stops at 128 levels instead of overflowing the stack.
        assert!(members(format!("{{\"a\":{}}}", "[".repeat(10_000)).as_bytes()).is_none());
    }

    #[test]
    fn members_keep_their_values() {
        let text = r#"{"a":1,"b":{"a":[2,-3,4.5,1e300,18446744073709551615]},"c":null,"d":[true,false,"\u00fc\n"]}"#;
        let object = members(text.as_bytes()).expect("an object");
        assert_eq!(Value::Object(object), serde_json::from_str::<Value>(text).expect("JSON"));
    }

    #[test]
    fn a_shape_is_read_from_an_object_and_never_from_a_list() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Outer {
            name: String,
            #[serde(deserialize_with = "object")]
            inner: Inner,
        }
        #[derive(Debug, PartialEq, Deserialize)]
        struct Inner {
            number: u64,
        }
        let outer = Outer { name: "x".to_owned(), inner: Inner { number: 7 } };
        assert_eq!(read(br#"{"inner":{"number":7,"more":[1]},"name":"x","more":{}}"#), Some(outer));
        for bad in [
            r#"["x",{"number":7}]"#,
            r#"{"name":"x","inner":[7]}"#,
            r#"{"name":"x","inner":7}"#,
            r#"{"name":"x","inner":null}"#,
            r#"{"name":"x"}"#,
            r#"{"name":"x","inner":{"number":7},"more":1,"more":2}"#,
            r#"{"name":"x","inner":{"number":7},"more":"\ud800"}"#,
            r#"{"name":"x","inner":{"number":7},"more":1e999}"#,
        ] {
            assert_eq!(read::<Outer>(bad.as_bytes()), None, "{bad}");
        }
        // Deserialized directly, a repeated member of the inner object is refused too.
        let twice = r#"{"name":"x","inner":{"number":7,"number":7}}"#;
        assert!(serde_json::from_str::<Outer>(twice).is_err());
    }
}
