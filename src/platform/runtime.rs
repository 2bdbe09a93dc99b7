//! What `runtime.js` offers, by its names there. A promise fails with a word, which is text.

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::{JsCast, JsValue, wasm_bindgen};
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen(raw_module = "./runtime.js")]
extern "C" {
    /// Variables, secrets and bindings.
    #[derive(Clone)]
    pub type Env;
    /// The runtime's request.
    pub type Request;
    /// An answer of Cognito.
    pub(super) type Fetched;

    pub(super) fn ended();
    pub(super) fn panicked(place: &str);
    pub(super) fn now() -> f64;
    pub(super) fn sleep(ms: u32) -> Promise;
    pub(super) fn variable(env: &Env, name: &str) -> Option<String>;
    #[wasm_bindgen(js_name = hasBinding)]
    pub(super) fn has_binding(env: &Env, name: &str) -> bool;
    pub(super) fn header(request: &Request, name: &str) -> Option<String>;
    #[wasm_bindgen(js_name = readBody)]
    pub(super) fn read_body(request: &Request, max_bytes: u32) -> Promise;
    pub(super) fn send(url: &str, headers: &str, form: Option<&str>, timeout_ms: u32, max_bytes: u32) -> Promise;
    #[wasm_bindgen(method, getter)]
    pub(super) fn status(this: &Fetched) -> u16;
    #[wasm_bindgen(method, getter, js_name = retryAfter)]
    pub(super) fn retry_after(this: &Fetched) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    pub(super) fn body(this: &Fetched) -> Vec<u8>;
    #[wasm_bindgen(js_name = kvRead)]
    pub(super) fn kv_read(env: &Env, keys: &str) -> Promise;
    #[wasm_bindgen(js_name = kvWrite)]
    pub(super) fn kv_write(env: &Env, key: &str, value: &str, expiration: f64) -> Promise;
    #[wasm_bindgen(js_name = kvDelete)]
    pub(super) fn kv_delete(env: &Env, key: &str) -> Promise;
    #[wasm_bindgen(js_name = askGuard)]
    pub(super) fn ask_guard(env: &Env, user_tag: &str, inquiry: &str) -> Promise;
    #[wasm_bindgen(js_name = cacheLoad)]
    pub(super) fn cache_load(url: &str) -> Promise;
    #[wasm_bindgen(js_name = cacheKeep)]
    pub(super) fn cache_keep(url: &str, text: &str, max_age_secs: u32) -> Promise;
    #[wasm_bindgen(js_name = isWithinLimit)]
    pub(super) fn is_within_limit(env: &Env, key: &str) -> Promise;
    #[wasm_bindgen(catch)]
    pub(super) fn fill(bytes: &mut [u8]) -> Result<(), JsValue>;
    pub(super) fn verify(n: &str, e: &str, message: &[u8], signature: &[u8]) -> Promise;
}

#[wasm_bindgen]
extern "C" {
    /// The context of one request.
    #[derive(Clone)]
    pub type Context;
    #[wasm_bindgen(method, js_name = waitUntil)]
    pub(super) fn wait_until(this: &Context, work: &Promise);

    #[wasm_bindgen(js_namespace = console)]
    pub(super) fn log(line: &str);
    #[wasm_bindgen(js_namespace = console)]
    pub(super) fn warn(line: &str);
    #[wasm_bindgen(js_namespace = console)]
    pub(super) fn error(line: &str);
}

/// What a promise comes to, or the word that it failed with: empty where that was none.
pub(super) async fn settled(promise: Promise) -> Result<JsValue, String> {
    JsFuture::from(promise).await.map_err(|word| word.as_string().unwrap_or_default())
}

/// Asks a function of JavaScript for the text it has under a name. `Ok(None)`: none.
pub(super) fn text_of(read: &Function, name: &str) -> Result<Option<String>, JsValue> {
    let found = read.call1(&JsValue::NULL, &name.into())?;
    if found.is_undefined() { Ok(None) } else { found.as_string().map(Some).ok_or(found) }
}

/// The object itself, of a kind that is known.
pub(super) fn known<T: JsCast>(value: JsValue) -> T {
    value.unchecked_into()
}
