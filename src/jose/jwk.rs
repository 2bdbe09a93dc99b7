//! The key set (RFC 7517): the keys that can verify RS256, found by their exact id.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use crate::ports::RsaPublicKey;

use super::unique_json;

/// The usable keys of a set; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet(Vec<(String, RsaPublicKey)>);

/// Why a body is not a key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Not `{"keys":[…]}`.
    #[error("not a key set")]
    NotAKeySet,
    /// No key in it can verify RS256.
    #[error("no usable key")]
    NoUsableKey,
}

impl KeySet {
    /// Parses a key set. Unusable keys are skipped and are not fatal (RFC 7517 §5). Of several keys with one id the first counts,
    /// so that a second can never verify anything.
    ///
    /// # Errors
    /// The body is no key set, or has no usable key: such a set must not replace a good one.
    pub fn parse(body: &[u8]) -> Result<Self, KeySetError> {
        #[derive(Deserialize)]
        struct Written {
            keys: Vec<Value>,
        }
        let written: Written = unique_json::read(body).ok_or(KeySetError::NotAKeySet)?;
        let mut seen: Vec<String> = Vec::new();
        let mut keys = Vec::new();
        for jwk in &written.keys {
            let Some(key_id) = jwk.get("kid").and_then(Value::as_str) else { continue };
            if seen.iter().any(|id| id == key_id) {
                continue;
            }
            seen.push(key_id.to_owned());
            if let Some(key) = rs256_key(jwk) {
                keys.push((key_id.to_owned(), key));
            }
        }
        if keys.is_empty() { Err(KeySetError::NoUsableKey) } else { Ok(Self(keys)) }
    }

    /// The key of exactly this id.
    #[must_use]
    pub fn find(&self, key_id: &str) -> Option<&RsaPublicKey> {
        self.0.iter().find(|(id, _)| id == key_id).map(|(_, key)| key)
    }
}

/// The public key, if the JWK is fit for verifying RS256 (RFC 7517 §4, RFC 7518 §3.3, §6.3).
#[must_use]
pub fn rs256_key(jwk: &Value) -> Option<RsaPublicKey> {
    let jwk = jwk.as_object()?;
    let absent_or = |name: &str, wanted: &str| jwk.get(name).is_none_or(|value| value.as_str() == Some(wanted));
    let may_verify = jwk.get("key_ops").is_none_or(|operations| {
        operations.as_array().is_some_and(|list| list.iter().any(|operation| operation.as_str() == Some("verify")))
    });
    if jwk.get("kty")?.as_str()? != "RSA" || !absent_or("use", "sig") || !absent_or("alg", "RS256") || !may_verify {
        return None;
    }
    let n = unsigned(jwk.get("n")?.as_str()?)?;
    let e = unsigned(jwk.get("e")?.as_str()?)?;
    // A modulus of whole bytes with its top bit set: 2048, 3072, 4096 bits and the sizes between them.
    let strong = (MIN_MODULUS_BYTES..=MAX_MODULUS_BYTES).contains(&n.len()) && n.first().is_some_and(|byte| byte & 0x80 != 0);
    let odd = n.last().is_some_and(|byte| byte & 1 == 1);
    (strong && odd && e == EXPONENT_65537).then_some(RsaPublicKey { n, e })
}

/// `Base64urlUInt` (RFC 7518 §2). Leading zeros, which some encoders add, are dropped.
fn unsigned(text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Some(bytes.into_iter().skip(zeros).collect())
}

/// RFC 7518 §3.3: 2048 bits or more.
const MIN_MODULUS_BYTES: usize = 256;
/// Larger keys cost time, and Cognito has none.
const MAX_MODULUS_BYTES: usize = 512;
/// The exponent of every Cognito key. Small or even exponents are an attack.
const EXPONENT_65537: [u8; 3] = [1, 0, 1];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// An odd number of this many bytes, with its top bit set.
    fn modulus(bytes: usize) -> String {
        number(bytes, 0xff, 0xfd)
    }

    fn number(bytes: usize, first: u8, last: u8) -> String {
        let mut n = vec![0xff; bytes];
        n[0] = first;
        n[bytes - 1] = last;
        URL_SAFE_NO_PAD.encode(n)
    }

    fn jwk() -> Value {
        json!({"kty":"RSA","kid":"a=","use":"sig","alg":"RS256","e":"AQAB","n":modulus(256)})
    }

    /// `None` removes the member.
    fn changed(name: &str, value: Option<Value>) -> Value {
        let mut key = jwk();
        let members = key.as_object_mut().expect("object");
        members.remove(name);
        members.extend(value.map(|value| (name.to_owned(), value)));
        key
    }

    #[test]
    fn a_cognito_key_is_usable_and_each_deviation_is_not() {
        let key = rs256_key(&jwk()).expect("usable");
        assert_eq!((key.n.len(), key.n.first(), key.n.last(), key.e.as_slice()), (256, Some(&0xff), Some(&0xfd), &[1, 0, 1][..]));
        for (name, value) in [
            ("use", None),
            ("alg", None),
            ("key_ops", Some(json!(["verify"]))),
            ("key_ops", Some(json!(["sign", "verify"]))),
            ("x5c", Some(json!(7))),
            ("n", Some(json!(number(256, 0x80, 0x01)))),
            ("n", Some(json!(modulus(384)))),
            ("n", Some(json!(modulus(512)))),
            ("n", Some(json!(number(257, 0x00, 0xfd)))),
            ("e", Some(json!("AAEAAQ"))),
        ] {
            assert!(rs256_key(&changed(name, value.clone())).is_some(), "{name}={value:?}");
        }
        for (name, value) in [
            ("kty", None),
            ("kty", Some(json!("EC"))),
            ("kty", Some(json!("rsa"))),
            ("kty", Some(json!(["RSA"]))),
            ("use", Some(json!("enc"))),
            ("use", Some(json!("SIG"))),
            ("use", Some(json!(null))),
            ("use", Some(json!(["sig"]))),
            ("alg", Some(json!("PS256"))),
            ("alg", Some(json!("RS512"))),
            ("alg", Some(json!("rs256"))),
            ("alg", Some(json!(null))),
            ("key_ops", Some(json!([]))),
            ("key_ops", Some(json!(["sign"]))),
            ("key_ops", Some(json!(["Verify", 1]))),
            ("key_ops", Some(json!("verify"))),
            ("key_ops", Some(json!(null))),
            ("e", None),
            ("e", Some(json!(""))),
            ("e", Some(json!("AA"))),
            ("e", Some(json!("AQ"))),
            ("e", Some(json!("Aw"))),
            ("e", Some(json!("AQAA"))),
            ("e", Some(json!("AQABAA"))),
            ("e", Some(json!("AQAB="))),
            ("e", Some(json!(65537))),
            ("n", None),
            ("n", Some(json!(""))),
            ("n", Some(json!("AA"))),
            ("n", Some(json!("!"))),
            ("n", Some(json!(7))),
            ("n", Some(json!(modulus(128)))),
            ("n", Some(json!(modulus(255)))),
            ("n", Some(json!(modulus(513)))),
            ("n", Some(json!(number(256, 0x00, 0xfd)))),
            ("n", Some(json!(number(256, 0x7f, 0xfd)))),
            ("n", Some(json!(number(257, 0x01, 0xfd)))),
            ("n", Some(json!(number(256, 0xff, 0xfc)))),
            ("n", Some(json!(number(256, 0xff, 0x00)))),
        ] {
            assert!(rs256_key(&changed(name, value.clone())).is_none(), "{name}={value:?}");
        }
        for jwk in [json!(null), json!([]), json!("RSA"), json!({})] {
            assert!(rs256_key(&jwk).is_none(), "{jwk}");
        }
    }

    #[test]
    fn unusable_keys_are_skipped_and_a_second_key_of_one_id_never_counts() {
        let set = json!({"keys":[{"kty":"EC","kid":"x"}, changed("kid", Some(json!("x"))), jwk(), changed("n", Some(json!(modulus(384))))]});
        let set = KeySet::parse(set.to_string().as_bytes()).expect("one usable");
        assert!(set.find("x").is_none());
        assert_eq!(set.find("a=").map(|key| key.n.len()), Some(256));
        for absent in ["a", "", "A=", "a=="] {
            assert!(set.find(absent).is_none(), "{absent}");
        }
    }

    #[test]
    fn each_key_is_found_by_its_own_id() {
        let second = json!({"kty": "RSA", "kid": "b", "e": "AQAB", "n": modulus(384)});
        let nameless = [changed("kid", None), changed("kid", Some(json!(7))), changed("kid", Some(json!(null)))];
        let body = json!({"keys": [nameless[0], jwk(), nameless[1], second, nameless[2]], "more": 1}).to_string();
        let set = KeySet::parse(body.as_bytes()).expect("two usable");
        assert_eq!(set.0.len(), 2);
        assert_eq!(set.find("a=").map(|key| key.n.len()), Some(256));
        assert_eq!(set.find("b").map(|key| key.n.len()), Some(384));
    }

    #[test]
    fn bodies_without_usable_keys_are_no_key_set() {
        for (body, error) in [
            ("", KeySetError::NotAKeySet),
            ("<html>", KeySetError::NotAKeySet),
            ("[]", KeySetError::NotAKeySet),
            ("[[]]", KeySetError::NotAKeySet),
            (r#"{"keys":[],"keys":[]}"#, KeySetError::NotAKeySet),
            ("{", KeySetError::NotAKeySet),
            ("null", KeySetError::NotAKeySet),
            ("{}", KeySetError::NotAKeySet),
            (r#"{"keys":null}"#, KeySetError::NotAKeySet),
            (r#"{"keys":{}}"#, KeySetError::NotAKeySet),
            (r#"{"Keys":[]}"#, KeySetError::NotAKeySet),
            (r#"{"keys":[]} x"#, KeySetError::NotAKeySet),
            (r#"{"keys":[],"keys":[]}"#, KeySetError::NotAKeySet),
            (r#"{"keys":[]}"#, KeySetError::NoUsableKey),
            (r#"{"keys":[1,null,{}]}"#, KeySetError::NoUsableKey),
        ] {
            assert_eq!(KeySet::parse(body.as_bytes()), Err(error), "{body}");
        }
    }
}
