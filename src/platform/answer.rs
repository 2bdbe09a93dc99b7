//! The gate's answers as the runtime's.

use wasm_bindgen::JsValue;
use web_sys::Response;

use crate::gate::Answer;

use super::native;

/// An answer of the gate. A HEAD gets everything but the body.
pub(super) fn respond(answer: &Answer, is_head: bool) -> Result<Response, JsValue> {
    let headers = serde_json::to_string(&answer.headers).map_err(|error| error.to_string())?;
    let body = (!is_head && !answer.body.is_empty()).then_some(answer.body.as_str());
    native::answer(answer.status, &headers, body)
}
