//! The gate's responses as runtime objects.

use crate::gate::Response;
use wasm_bindgen::JsValue;

use super::native;

/// A response of the gate. HEAD gets no body.
pub(super) fn respond(response: &Response, is_head: bool) -> Result<web_sys::Response, JsValue> {
    let headers = serde_json::to_string(&response.headers).map_err(|error| error.to_string())?;
    let body = (!is_head && !response.body.is_empty()).then_some(response.body.as_str());
    native::answer(response.status, &headers, body)
}
