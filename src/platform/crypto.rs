//! WebCrypto: random bytes and RS256, which takes a thirtieth of the time of pure Rust.

use std::cell::RefCell;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use js_sys::{Array, Object, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Crypto, CryptoKey, WorkerGlobalScope};

use crate::ports::{RsaPublicKey, SignatureCheckFailed};

fn crypto() -> Result<Crypto, JsValue> {
    js_sys::global().unchecked_into::<WorkerGlobalScope>().crypto()
}

/// Fills `bytes` with randomness.
///
/// # Panics
/// Without a random generator no session is safe: the isolate stops.
pub(super) fn fill(bytes: &mut [u8]) {
    let filled = crypto().and_then(|crypto| crypto.get_random_values_with_u8_array(bytes));
    assert!(filled.is_ok(), "the runtime has no random generator");
}

thread_local! {
    /// Imported keys; few, because a user pool has two. Keys belong to no request.
    static IMPORTED: RefCell<Vec<(RsaPublicKey, CryptoKey)>> = const { RefCell::new(Vec::new()) };
}

/// Whether `signature` over `message` is by `key`.
pub(super) async fn verify_rs256(key: &RsaPublicKey, message: &[u8], signature: &[u8]) -> Result<bool, SignatureCheckFailed> {
    let verdict = async {
        let key = imported(key).await?;
        let subtle = crypto()?.subtle();
        // Copies: the runtime reads them after this call, when wasm memory may have moved.
        let (message, signature) = (Uint8Array::from(message), Uint8Array::from(signature));
        let promise = subtle.verify_with_str_and_js_u8_array_and_js_u8_array("RSASSA-PKCS1-v1_5", &key, &signature, &message)?;
        JsFuture::from(promise).await
    };
    let verdict: Result<JsValue, JsValue> = verdict.await;
    verdict.ok().and_then(|verdict| verdict.as_bool()).ok_or(SignatureCheckFailed)
}

async fn imported(key: &RsaPublicKey) -> Result<CryptoKey, JsValue> {
    let known = IMPORTED.with_borrow(|keys| keys.iter().find(|(known, _)| known == key).map(|(_, key)| key.clone()));
    if let Some(known) = known {
        return Ok(known);
    }
    let set = |object: &Object, name: &str, value: &str| Reflect::set(object, &name.into(), &value.into());
    let jwk = Object::new();
    set(&jwk, "kty", "RSA")?;
    set(&jwk, "alg", "RS256")?;
    set(&jwk, "n", &URL_SAFE_NO_PAD.encode(&key.n))?;
    set(&jwk, "e", &URL_SAFE_NO_PAD.encode(&key.e))?;
    let algorithm = Object::new();
    set(&algorithm, "name", "RSASSA-PKCS1-v1_5")?;
    set(&algorithm, "hash", "SHA-256")?;
    let usages = Array::of1(&"verify".into());
    let promise = crypto()?.subtle().import_key_with_object("jwk", &jwk, &algorithm, false, &usages)?;
    let imported: CryptoKey = JsFuture::from(promise).await?.dyn_into()?;
    IMPORTED.with_borrow_mut(|keys| {
        if keys.len() >= MAX_IMPORTED {
            keys.clear();
        }
        keys.push((key.clone(), imported.clone()));
    });
    Ok(imported)
}

const MAX_IMPORTED: usize = 8;
