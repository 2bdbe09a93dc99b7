//! The kind of a request: a page load, a prefetch, or a script (W3C Fetch Metadata).

use crate::ports::IncomingRequest;

/// Whether the browser loads a page into its window: `Sec-Fetch-Mode: navigate` with `Sec-Fetch-Dest: document`, and not
/// speculative. A page load that a service worker forwards has `empty` as destination and still accepts HTML. A script cannot set
/// the mode `navigate`. Without these headers, a GET that accepts HTML is a navigation.
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

/// Whether a page is asked for by GET or HEAD: [`is_navigation`], and a HEAD of a client without these headers.
#[must_use]
pub fn asks_for_page(request: &impl IncomingRequest) -> bool {
    let plain_head = || {
        request.method() == "HEAD"
            && request.header("sec-fetch-mode").is_none()
            && request.header("sec-fetch-dest").is_none()
            && request.header("accept").is_some_and(|accept| accept.contains("text/html"))
    };
    matches!(request.method(), "GET" | "HEAD") && (is_navigation(request) || plain_head())
}

/// Whether a page loads into a frame: `iframe`, `frame`, `embed` or `object`, and not speculative.
#[must_use]
pub fn is_frame_navigation(request: &impl IncomingRequest) -> bool {
    let is_frame = |dest: String| matches!(dest.as_str(), "iframe" | "frame" | "embed" | "object");
    let navigates = request.header("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    navigates && request.header("sec-fetch-dest").is_some_and(is_frame) && !is_speculative(request)
}

/// Whether the request is speculative: a prefetch, a prerender or a preview, before the user asks for the page. The header has
/// had several names, and its value can have parameters.
#[must_use]
pub fn is_speculative(request: &impl IncomingRequest) -> bool {
    let ahead = |word: &str| SPECULATIVE.iter().any(|known| word.trim().eq_ignore_ascii_case(known));
    ["sec-purpose", "purpose", "x-purpose", "x-moz"]
        .into_iter()
        .any(|name| request.header(name).is_some_and(|value| value.split([';', ',']).any(ahead)))
}

const SPECULATIVE: [&str; 3] = ["prefetch", "prerender", "preview"];
