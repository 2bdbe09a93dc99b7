//! The key set (RFC 7517): which keys are fit to verify RS256, and choosing one by its exact id.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use crate::ports::RsaPublicKey;

use super::json::UniqueObject;

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
    /// Parses a key set. Keys that cannot be used are skipped, not fatal (RFC 7517 §5); of several with one id the first
    /// counts, so that a second can never verify anything.
    ///
    /// # Errors
    /// The body is no key set, or leaves no usable key: such a set must not replace a good one.
    pub fn parse(body: &[u8]) -> Result<Self, KeySetError> {
        #[derive(Deserialize)]
        struct Written {
            keys: Vec<Value>,
        }
        let written: Written = UniqueObject::read(body).ok_or(KeySetError::NotAKeySet)?;
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
    // A modulus with its top bit set and whole bytes: 2048, 3072, 4096 bits and what lies between.
    let strong = (MIN_MODULUS_BYTES..=MAX_MODULUS_BYTES).contains(&n.len()) && n.first().is_some_and(|byte| byte & 0x80 != 0);
    let odd = n.last().is_some_and(|byte| byte & 1 == 1);
    (strong && odd && e == EXPONENT_65537).then_some(RsaPublicKey { n, e })
}

/// Base64urlUInt (RFC 7518 §2), tolerating leading zeros that some encoders add.
fn unsigned(text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Some(bytes.into_iter().skip(zeros).collect())
}

/// RFC 7518 §3.3: 2048 bits or more.
const MIN_MODULUS_BYTES: usize = 256;
/// Larger ones cost time and nobody uses them.
const MAX_MODULUS_BYTES: usize = 512;
/// The exponent of every Cognito key; small or even ones are an attack.
const EXPONENT_65537: [u8; 3] = [1, 0, 1];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn modulus(bytes: usize) -> String {
        let mut n = vec![0xff; bytes];
        if let Some(last) = n.last_mut() {
            *last = 0xfd;
        }
        URL_SAFE_NO_PAD.encode(n)
    }

    fn jwk() -> Value {
        json!({"kty":"RSA","kid":"a=","use":"sig","alg":"RS256","e":"AQAB","n":modulus(256)})
    }

    fn changed(name: &str, value: Value) -> Value {
        let mut key = jwk();
        key[name] = value;
        key
    }

    #[test]
    fn a_cognito_key_is_usable_and_each_deviation_is_not() {
        assert!(rs256_key(&jwk()).is_some());
        assert!(rs256_key(&changed("key_ops", json!(["verify"]))).is_some());
        for (name, value) in [
            ("kty", json!("EC")),
            ("use", json!("enc")),
            ("alg", json!("PS256")),
            ("alg", json!("RS512")),
            ("key_ops", json!(["sign"])),
            ("key_ops", json!("verify")),
            ("e", json!("AQ")),
            ("e", json!("Aw")),
            ("e", json!("AQAA")),
            ("n", json!(modulus(128))),
            ("n", json!(modulus(255))),
            ("n", json!(modulus(513))),
            ("n", json!("")),
            ("n", json!("!")),
            ("n", json!(7)),
        ] {
            assert!(rs256_key(&changed(name, value.clone())).is_none(), "{name}={value}");
        }
    }

    #[test]
    fn unusable_keys_are_skipped_and_a_second_key_of_one_id_never_counts() {
        let set = json!({"keys":[{"kty":"EC","kid":"x"}, changed("kid", json!("x")), jwk(), changed("n", json!(modulus(384)))]});
        let set = KeySet::parse(set.to_string().as_bytes()).expect("one usable");
        assert!(set.find("x").is_none());
        assert_eq!(set.find("a=").map(|key| key.n.len()), Some(256));
        assert!(set.find("a").is_none());
    }

    #[test]
    fn bodies_without_usable_keys_are_no_key_set() {
        for (body, error) in [
            ("", KeySetError::NotAKeySet),
            ("<html>", KeySetError::NotAKeySet),
            ("[]", KeySetError::NotAKeySet),
            ("[[]]", KeySetError::NotAKeySet),
            (r#"{"keys":[],"keys":[]}"#, KeySetError::NotAKeySet),
            (r#"{"keys":{}}"#, KeySetError::NotAKeySet),
            (r#"{"keys":[]}"#, KeySetError::NoUsableKey),
            (r#"{"keys":[1,null,{}]}"#, KeySetError::NoUsableKey),
        ] {
            assert_eq!(KeySet::parse(body.as_bytes()), Err(error), "{body}");
        }
    }
}
