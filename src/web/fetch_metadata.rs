//! What kind of request this is: a page load, a prefetch, or a script (W3C Fetch Metadata).

use crate::ports::IncomingRequest;

/// Whether the browser loads a page into its window: `Sec-Fetch-Mode: navigate` with `Sec-Fetch-Dest: document`, and not
/// ahead of the user. Without those headers: a GET that accepts HTML.
#[must_use]
pub fn is_navigation(request: &impl IncomingRequest) -> bool {
    if is_prefetch(request) {
        return false;
    }
    match (request.header("sec-fetch-mode"), request.header("sec-fetch-dest")) {
        (None, None) => request.method() == "GET" && request.header("accept").is_some_and(|accept| accept.contains("text/html")),
        (mode, dest) => mode.as_deref() == Some("navigate") && dest.as_deref() == Some("document"),
    }
}

/// Whether a frame of a page loads a page: `iframe`, `frame`, `embed` or `object`, and not ahead of the user.
#[must_use]
pub fn is_frame_navigation(request: &impl IncomingRequest) -> bool {
    let is_frame = |dest: String| matches!(dest.as_str(), "iframe" | "frame" | "embed" | "object");
    let navigates = request.header("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    navigates && request.header("sec-fetch-dest").is_some_and(is_frame) && !is_prefetch(request)
}

/// Whether the browser asks ahead of the user (`Sec-Purpose: prefetch`, also `prefetch;prerender`; older names too).
#[must_use]
pub fn is_prefetch(request: &impl IncomingRequest) -> bool {
    ["sec-purpose", "purpose", "x-moz"]
        .into_iter()
        .any(|name| request.header(name).is_some_and(|value| value.trim_start().starts_with("prefetch")))
}
