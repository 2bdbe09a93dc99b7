//! Outbound requests to Cognito: bounded in time and size, redirects not followed, nothing cached.

use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Headers, RequestCache, RequestInit, RequestRedirect, Response, WorkerGlobalScope};

use crate::ports::{HttpError, HttpRequest, HttpResponse};

use super::body::{self, ReadError};

/// Sends the request once. The time limit covers the body too.
pub(super) async fn send(request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let init = init(&request).map_err(|_| HttpError::Unreachable)?;
    let global: WorkerGlobalScope = js_sys::global().unchecked_into();
    let response = JsFuture::from(global.fetch_with_str_and_init(&request.url, &init)).await.map_err(|error| classify(&error))?;
    let response: Response = response.unchecked_into();
    let retry_after = response.headers().get("retry-after").ok().flatten();
    let body = body::read(response.body(), request.max_body_bytes).await.map_err(|error| match error {
        ReadError::TooLarge => HttpError::TooLarge,
        ReadError::Broken(error) => classify(&error),
    })?;
    Ok(HttpResponse { status: response.status(), retry_after, body })
}

fn init(request: &HttpRequest) -> Result<RequestInit, JsValue> {
    let headers = Headers::new()?;
    for (name, value) in &request.headers {
        headers.set(name, value)?;
    }
    let init = RequestInit::new();
    init.set_method(if request.form.is_some() { "POST" } else { "GET" });
    init.set_headers(&headers);
    if let Some(form) = &request.form {
        init.set_body(&JsValue::from_str(form));
    }
    init.set_redirect(RequestRedirect::Manual);
    init.set_cache(RequestCache::NoStore);
    init.set_signal(Some(&AbortSignal::timeout_with_u32(request.timeout_ms)));
    Ok(init)
}

/// The runtime's time-out is an exception named so; anything else is a connection that failed.
fn classify(error: &JsValue) -> HttpError {
    let name = js_sys::Reflect::get(error, &"name".into()).ok().and_then(|name| name.as_string());
    if matches!(name.as_deref(), Some("TimeoutError" | "AbortError")) { HttpError::Timeout } else { HttpError::Unreachable }
}
