//! The gate's answers as the runtime's responses.

use wasm_bindgen::JsValue;
use web_sys::{Headers, Response, ResponseInit};

use crate::gate::Answer;

/// Makes the response; a HEAD gets everything but the body.
pub(super) fn respond(answer: &Answer, head: bool) -> Result<Response, JsValue> {
    let headers = Headers::new()?;
    for (name, value) in &answer.headers {
        headers.append(name, value)?;
    }
    let init = ResponseInit::new();
    init.set_status(answer.status);
    init.set_headers(&headers);
    let body = (!head && !answer.body.is_empty()).then_some(answer.body.as_str());
    Response::new_with_opt_str_and_init(body, &init)
}
