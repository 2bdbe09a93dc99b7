//! What kind of request this is: a page load, a prefetch, or a script (W3C Fetch Metadata).

use crate::ports::IncomingRequest;

/// Whether the browser loads a page into its window: `Sec-Fetch-Mode: navigate` with `Sec-Fetch-Dest: document`, and not
/// ahead of the user. A service worker that forwards the page load has `empty` as destination and still accepts HTML; no
/// script can set the mode `navigate`. Without those headers: a GET that accepts HTML.
#[must_use]
pub fn is_navigation(request: &impl IncomingRequest) -> bool {
    if is_speculative(request) {
        return false;
    }
    let accepts_html = || request.header("accept").is_some_and(|accept| accept.contains("text/html"));
    match (request.header("sec-fetch-mode"), request.header("sec-fetch-dest")) {
        (None, None) => request.method() == "GET" && accepts_html(),
        (mode, dest) => {
            mode.as_deref() == Some("navigate")
                && match dest.as_deref() {
                    Some("document") => true,
                    Some("empty") => accepts_html(),
                    _ => false,
                }
        }
    }
}

/// Whether a frame of a page loads a page: `iframe`, `frame`, `embed` or `object`, and not ahead of the user.
#[must_use]
pub fn is_frame_navigation(request: &impl IncomingRequest) -> bool {
    let is_frame = |dest: String| matches!(dest.as_str(), "iframe" | "frame" | "embed" | "object");
    let navigates = request.header("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    navigates && request.header("sec-fetch-dest").is_some_and(is_frame) && !is_speculative(request)
}

/// Whether the browser asks ahead of the user, who may never come: to prefetch, to prerender or for a preview. The header has
/// had several names, and its value parameters.
#[must_use]
pub fn is_speculative(request: &impl IncomingRequest) -> bool {
    let ahead = |word: &str| SPECULATIVE.iter().any(|known| word.trim().eq_ignore_ascii_case(known));
    ["sec-purpose", "purpose", "x-purpose", "x-moz"]
        .into_iter()
        .any(|name| request.header(name).is_some_and(|value| value.split([';', ',']).any(ahead)))
}

const SPECULATIVE: [&str; 3] = ["prefetch", "prerender", "preview"];
