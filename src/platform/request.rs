//! The runtime's request as the core sees it.

use crate::ports::{BodyError, IncomingRequest};

use super::body::{self, ReadError};

/// A request and its headers object, looked up once.
pub(super) struct NativeRequest {
    request: web_sys::Request,
    headers: web_sys::Headers,
}

impl NativeRequest {
    pub(super) fn new(request: web_sys::Request) -> Self {
        Self { headers: request.headers(), request }
    }

    /// The runtime's own object, for forwarding.
    pub(super) fn native(&self) -> &web_sys::Request {
        &self.request
    }
}

impl IncomingRequest for NativeRequest {
    fn method(&self) -> String {
        self.request.method()
    }

    fn url(&self) -> String {
        self.request.url()
    }

    fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).ok().flatten()
    }

    async fn body(&self, max_bytes: usize) -> Result<Vec<u8>, BodyError> {
        let announced = self.header("content-length").and_then(|length| length.parse::<usize>().ok());
        if announced.is_some_and(|length| length > max_bytes) {
            return Err(BodyError::TooLarge);
        }
        body::read(self.request.body(), max_bytes).await.map_err(|error| match error {
            ReadError::TooLarge => BodyError::TooLarge,
            ReadError::Broken(_) => BodyError::Broken,
        })
    }
}
