//! The runtime's request as the core sees it.

use js_sys::Uint8Array;

use crate::ports::{BodyError, IncomingRequest};

use super::runtime::{self, Request, known, settled};

/// A request: its head as `entry.js` handed it over, and the runtime's own object for what is seldom asked for.
pub(super) struct NativeRequest {
    /// Method, URL and the values of [`READ_AT_ONCE`], a line each; no part of them can hold a line break.
    head: String,
    /// Where each line ends.
    ends: [usize; LINES],
    request: Request,
}

impl NativeRequest {
    pub(super) fn new(head: String, request: Request) -> Self {
        let mut ends = [head.len(); LINES];
        let breaks = head.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at);
        ends.iter_mut().zip(breaks).for_each(|(end, at)| *end = at);
        Self { head, ends, request }
    }

    fn line(&self, index: usize) -> &str {
        let before = index.checked_sub(1).and_then(|before| self.ends.get(before));
        let start = before.map_or(0, |end| end.saturating_add(1));
        self.ends.get(index).and_then(|end| self.head.get(start..*end)).unwrap_or_default()
    }
}

impl IncomingRequest for NativeRequest {
    fn method(&self) -> &str {
        self.line(0)
    }

    fn url(&self) -> &str {
        self.line(1)
    }

    fn header(&self, name: &str) -> Option<String> {
        match READ_AT_ONCE.iter().position(|read| *read == name) {
            Some(index) => self.line(index.saturating_add(2)).strip_prefix(':').map(str::to_owned),
            None => runtime::header(&self.request, name),
        }
    }

    async fn body(&self, max_bytes: usize) -> Result<Vec<u8>, BodyError> {
        let announced = self.header("content-length").and_then(|length| length.parse::<usize>().ok());
        if announced.is_some_and(|length| length > max_bytes) {
            return Err(BodyError::TooLarge);
        }
        let max_bytes = u32::try_from(max_bytes).unwrap_or(u32::MAX);
        match settled(runtime::read_body(&self.request, max_bytes)).await {
            Ok(bytes) => Ok(known::<Uint8Array>(bytes).to_vec()),
            Err(word) if word == "too_large" => Err(BodyError::TooLarge),
            Err(_) => Err(BodyError::Broken),
        }
    }
}

/// What nearly every request is judged by. Any other header is a crossing of its own.
pub(super) const READ_AT_ONCE: [&str; 4] = ["cookie", "authorization", "origin", "cf-connecting-ip"];

/// Those, the method and the URL.
const LINES: usize = READ_AT_ONCE.len() + 2;
