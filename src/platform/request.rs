//! The runtime's request as the core sees it.

use js_sys::Array;
use worker::Request;

use crate::ports::{BodyError, IncomingRequest};

use super::body::{self, ReadError};
use super::native;

/// A request: its head, read in one crossing, and the runtime object for the rest.
pub(super) struct NativeRequest {
    method: String,
    url: String,
    /// The values of [`READ_AT_ONCE`].
    headers: Vec<Option<String>>,
    request: web_sys::Request,
}

impl NativeRequest {
    pub(super) fn new(request: web_sys::Request) -> Self {
        let head = NAMES.with(|names| native::request_head(&request, names));
        let (method, url, headers) = serde_json::from_str(&head).unwrap_or_default();
        Self { method, url, headers, request }
    }

    /// The runtime object.
    pub(super) fn native(&self) -> &web_sys::Request {
        &self.request
    }
}

impl IncomingRequest for NativeRequest {
    fn method(&self) -> &str {
        &self.method
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn header(&self, name: &str) -> Option<String> {
        match READ_AT_ONCE.iter().position(|it| *it == name) {
            Some(index) => self.headers.get(index)?.clone(),
            None => self.request.headers().get(name).ok().flatten(),
        }
    }

    fn has_body(&self) -> bool {
        self.request.body().is_some()
    }

    async fn body(&self, max_bytes: usize) -> Result<Vec<u8>, BodyError> {
        let announced = self.header("content-length").and_then(|length| length.parse::<usize>().ok());
        if announced.is_some_and(|length| length > max_bytes) {
            return Err(BodyError::TooLarge);
        }
        if self.request.body().is_none() {
            return Ok(Vec::new());
        }
        let stream = Request::from(Clone::clone(&self.request)).stream().map_err(|_| BodyError::Broken)?;
        body::read(stream, max_bytes).await.map_err(|error| match error {
            ReadError::TooLarge => BodyError::TooLarge,
            ReadError::Broken(_) => BodyError::Broken,
        })
    }
}

/// Headers that nearly every request needs.
const READ_AT_ONCE: [&str; 6] = ["cookie", "authorization", "origin", "connection", "cf-connecting-ip", "accept-language"];

thread_local! {
    static NAMES: Array = native::names(&READ_AT_ONCE);
}
