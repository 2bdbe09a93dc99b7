//! The functions of `native.js`, by their names there: one crossing in place of many.

use js_sys::{Array, Promise};
use wasm_bindgen::prelude::{Closure, JsValue, wasm_bindgen};
use web_sys::{Request, RequestInit, Response};

#[wasm_bindgen(raw_module = "./native.js")]
extern "C" {
    /// Notes that the instance has ended: the next call goes to a new one.
    pub(super) fn ended();

    /// `[method, url, values of the named headers]` as JSON.
    #[wasm_bindgen(js_name = requestHead)]
    pub(super) fn request_head(request: &Request, names: &Array) -> String;

    /// `[status, values of the named headers, Set-Cookie lines]` as JSON.
    #[wasm_bindgen(js_name = answerHead)]
    pub(super) fn answer_head(response: &Response, names: &Array) -> String;

    /// A response. `headers` is a JSON list of names and values.
    #[wasm_bindgen(catch)]
    pub(super) fn answer(status: u16, headers: &str, body: Option<&str>) -> Result<Response, JsValue>;

    /// A copy with other headers; `edits` are [`crate::ports::HeaderEdits`] as JSON.
    #[wasm_bindgen(catch)]
    pub(super) fn edited(response: &Response, edits: &str) -> Result<Response, JsValue>;

    /// Sends the client's method and headers to another server, without the headers that `stopped` picks from a list of names and
    /// with `edits`, and a body. The promise fails with a `TimeoutError` when no answer has started in time.
    #[wasm_bindgen(catch)]
    pub(super) fn pass(
        request: &Request,
        url: &str,
        init: &RequestInit,
        stopped: &Closure<dyn Fn(Array) -> Array>,
        edits: &str,
        body: &JsValue,
        timeout_ms: u32,
    ) -> Result<Promise, JsValue>;
}

/// Header names as a JavaScript array.
pub(super) fn names(names: &[&str]) -> Array {
    names.iter().copied().map(JsValue::from_str).collect()
}
