//! Present in the tests' own build only (feature `self-test`): verdicts of the deployed signature check on keys and tokens that
//! no key set would hold, a panic, and an end without a panic. The deployed Worker is built without this module.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use url::Url;
use wasm_bindgen::JsValue;
use web_sys::Response;

use crate::jose::jwk::rs256_key;
use crate::jose::jws::UnverifiedToken;
use crate::ports::IncomingRequest;

use super::crypto::verify_rs256;
use super::native;
use super::request::NativeRequest;
use super::time::sleep;

/// A token and the key that is said to have signed it.
#[derive(Deserialize)]
struct Case {
    id: String,
    jwk: Value,
    jws: String,
}

/// Answers the tests' own requests; `None` for any other request.
pub(super) async fn answer(request: &NativeRequest) -> Option<Result<Response, JsValue>> {
    let url = Url::parse(request.url()).ok()?;
    match url.path() {
        "/self-test/jws" => Some(native::answer(200, "[]", Some(&judge(request).await))),
        "/self-test/panic" => deliberate_panic(),
        "/self-test/abort" => std::process::abort(),
        "/self-test/panic-later" => {
            sleep(20).await;
            deliberate_panic()
        }
        "/self-test/abort-later" => {
            sleep(20).await;
            std::process::abort()
        }
        _ => None,
    }
}

/// Turns `[{"id","jwk","jws"}]` into `{"<id>": whether it is accepted}`.
async fn judge(request: &NativeRequest) -> String {
    let Ok(body) = request.body(MAX_CASES_BYTES).await else {
        return "the cases cannot be read".to_owned();
    };
    let cases: Vec<Case> = match serde_json::from_slice(&body) {
        Ok(cases) => cases,
        Err(error) => return error.to_string(),
    };
    let mut verdicts = HashMap::new();
    for case in &cases {
        verdicts.insert(case.id.as_str(), accepts(case).await);
    }
    serde_json::json!(verdicts).to_string()
}

async fn accepts(case: &Case) -> bool {
    let Some(key) = rs256_key(&case.jwk) else { return false };
    let Ok(token) = UnverifiedToken::parse(&case.jws) else { return false };
    verify_rs256(&key, token.signed(), token.signature()).await.unwrap_or(false)
}

#[expect(clippy::panic, reason = "the point of it")]
fn deliberate_panic() -> ! {
    panic!("deliberate")
}

const MAX_CASES_BYTES: usize = 4 * 1024 * 1024;
