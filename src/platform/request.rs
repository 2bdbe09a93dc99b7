//! The runtime's request as the core sees it.

use crate::ports::{BodyError, IncomingRequest};

use super::body::{self, ReadError};

/// A request: its head as `entry.js` handed it over, and the runtime's own object for what is seldom asked for.
pub(super) struct NativeRequest {
    /// Method, URL and the values of [`READ_AT_ONCE`], a line each; no part of them can hold a line break.
    head: String,
    request: web_sys::Request,
}

impl NativeRequest {
    pub(super) fn new(head: String, request: web_sys::Request) -> Self {
        Self { head, request }
    }

    fn line(&self, index: usize) -> &str {
        self.head.split('\n').nth(index).unwrap_or_default()
    }
}

impl IncomingRequest for NativeRequest {
    fn method(&self) -> String {
        self.line(0).to_owned()
    }

    fn url(&self) -> String {
        self.line(1).to_owned()
    }

    fn header(&self, name: &str) -> Option<String> {
        match READ_AT_ONCE.iter().position(|read| *read == name) {
            Some(index) => self.line(index.saturating_add(2)).strip_prefix(':').map(str::to_owned),
            None => self.request.headers().get(name).ok().flatten(),
        }
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

/// What nearly every request is judged by. Any other header is a crossing of its own.
pub(super) const READ_AT_ONCE: [&str; 4] = ["cookie", "authorization", "origin", "cf-connecting-ip"];
