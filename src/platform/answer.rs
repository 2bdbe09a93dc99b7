//! The gate's answers as the runtime's.

use crate::gate::Response;
use wasm_bindgen::JsValue;

use super::native;

/// An answer of the gate. A HEAD gets everything but the body.
pub(super) fn respond(response: &Response, is_head: bool) -> Result<web_sys::Response, JsValue> {
    let headers = serde_json::to_string(&response.headers).map_err(|error| error.to_string())?;
    let body = (!is_head && !response.body.is_empty()).then_some(response.body.as_str());
    native::answer(response.status, &headers, body)
}
