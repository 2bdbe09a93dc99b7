//! Requests to Cognito: bounded in time and size, redirects not followed, nothing cached.

use wasm_bindgen::JsValue;
use worker::{AbortSignal, CacheMode, Error, Fetch, Headers, Method, Request, RequestInit, RequestRedirect, ResponseBody};

use crate::ports::{HttpError, HttpRequest, HttpResponse};

use super::body::{self, ReadError};

/// Sends the request once. The time limit covers the body too.
pub(super) async fn send(request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let limit = AbortSignal::from(web_sys::AbortSignal::timeout_with_u32(request.timeout_ms));
    let outgoing = outgoing(&request).map_err(|_| HttpError::Unreachable)?;
    let mut response = Fetch::Request(outgoing).send_with_signal(&limit).await.map_err(|error| classify(&error))?;
    let retry_after = response.headers().get("retry-after").ok().flatten();
    let body = if matches!(response.body(), ResponseBody::Empty) {
        Vec::new()
    } else {
        let stream = response.stream().map_err(|error| classify(&error))?;
        body::read(stream, request.max_body_bytes).await.map_err(|error| match error {
            ReadError::TooLarge => HttpError::TooLarge,
            ReadError::Broken(error) => classify(&error),
        })?
    };
    Ok(HttpResponse { status: response.status_code(), retry_after, body })
}

fn outgoing(request: &HttpRequest) -> worker::Result<Request> {
    let headers = Headers::new();
    for (name, value) in &request.headers {
        headers.set(name, value)?;
    }
    let mut init = RequestInit::new();
    init.with_method(if request.form.is_some() { Method::Post } else { Method::Get });
    init.with_headers(headers).with_body(request.form.as_deref().map(JsValue::from_str));
    init.with_redirect(RequestRedirect::Manual).with_cache(CacheMode::NoStore);
    Request::new_with_init(&request.url, &init)
}

/// The runtime reports a time-out as an exception with that name; any other error is a failed connection.
fn classify(error: &Error) -> HttpError {
    match error {
        Error::UnknownJsError { name: Some(name), .. } if is_timeout(name) => HttpError::Timeout,
        _ => HttpError::Unreachable,
    }
}

/// Whether an exception of this name means that a signal ended the exchange.
pub(super) fn is_timeout(name: &str) -> bool {
    matches!(name, "TimeoutError" | "AbortError")
}
