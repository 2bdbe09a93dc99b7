//! What `native.js` offers, by its names there: few crossings for what would take many.

use js_sys::{Array, Promise};
use wasm_bindgen::prelude::{Closure, JsValue, wasm_bindgen};
use web_sys::{Request, RequestInit, Response};

#[wasm_bindgen(raw_module = "./native.js")]
extern "C" {
    /// The instance has ended: the next call goes to a new one.
    pub(super) fn ended();

    /// `[method, url, values of those headers]` as JSON.
    #[wasm_bindgen(js_name = requestHead)]
    pub(super) fn request_head(request: &Request, names: &Array) -> String;

    /// `[status, values of those headers, Set-Cookie lines]` as JSON.
    #[wasm_bindgen(js_name = answerHead)]
    pub(super) fn answer_head(response: &Response, names: &Array) -> String;

    /// An answer. `headers` are a JSON list of names and values.
    #[wasm_bindgen(catch)]
    pub(super) fn answer(status: u16, headers: &str, body: Option<&str>) -> Result<Response, JsValue>;

    /// A copy with other headers; `edits` are [`crate::ports::HeaderEdits`] as JSON.
    #[wasm_bindgen(catch)]
    pub(super) fn edited(response: &Response, edits: &str) -> Result<Response, JsValue>;

    /// Asks another server with the client's method and headers, without those that `stopped` picks from a list of names and with
    /// `edits`. The promise fails with a `TimeoutError` when no answer has begun in time.
    #[wasm_bindgen(catch)]
    pub(super) fn pass(
        request: &Request,
        url: &str,
        init: &RequestInit,
        stopped: &Closure<dyn Fn(Array) -> Array>,
        edits: &str,
        timeout_ms: u32,
    ) -> Result<Promise, JsValue>;
}

/// Names of headers as JavaScript has them.
pub(super) fn names(names: &[&str]) -> Array {
    names.iter().copied().map(JsValue::from_str).collect()
}
