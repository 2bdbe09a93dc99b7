//! Asking the site: what `entry.js` sends and what it changes in the answer. Bodies stream through there, unseen; an answer that needs
//! no change is the origin's own object.

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::Response;

use crate::gate::{ForwardPlan, Gate, GateError, HeaderEdits, Upstream};
use crate::ports::IncomingRequest;

use super::answer;
use super::ports::WorkerPorts;
use super::request::NativeRequest;

/// A request that the gate lets through to the site.
#[wasm_bindgen]
pub struct Forward {
    plan: Box<ForwardPlan>,
    gate: Gate<WorkerPorts>,
    request: NativeRequest,
}

impl Forward {
    pub(super) fn new(plan: Box<ForwardPlan>, gate: Gate<WorkerPorts>, request: NativeRequest) -> Self {
        Self { plan, gate, request }
    }
}

#[wasm_bindgen]
impl Forward {
    /// Under which URL the assets have it: empty for the request's own. `None`: the site has an origin.
    #[must_use]
    pub fn asset_url(&self) -> Option<String> {
        if self.plan.upstream != Upstream::Assets {
            return None;
        }
        let wanted = self.plan.public_address();
        Some(if wanted == self.request.url() { String::new() } else { wanted })
    }

    /// What to send to the origin, a line each: the URL, the cache mode or nothing, and the edits that make the client's headers ours.
    /// `names` are the names of those, a line each.
    #[must_use]
    pub fn origin_request(&self, names: &str) -> String {
        let Upstream::Origin(origin) = &self.plan.upstream else { return String::new() };
        let cache = if self.plan.may_be_cached() { "" } else { "no-store" };
        let mut lines = format!("{origin}{}\n{cache}", self.plan.path_and_query);
        let connection = self.request.header("connection");
        for name in names.split('\n').filter(|name| !self.plan.passes(name, connection.as_deref())) {
            push_line(&mut lines, &["-", name]);
        }
        for (name, value) in self.plan.own_request_headers(self.request.header("cookie").as_deref()) {
            push_line(&mut lines, &["=", name, ":", &value]);
        }
        lines
    }

    /// The site has answered with this status and these headers, a line each (`name:value`). The edits that make the answer ours,
    /// empty when it passes untouched.
    #[must_use]
    pub fn answered(self, status: u16, lines: &str) -> String {
        let headers: Vec<(&str, &str)> = lines.split('\n').filter_map(|line| line.split_once(':')).collect();
        let header = |name: &str| headers.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned());
        let is_cookie = |(name, value): &(&str, &str)| (*name == "set-cookie").then(|| (*value).to_owned());
        let set_cookies: Vec<String> = headers.iter().filter_map(is_cookie).collect();
        let edits = self.plan.edit_answer(header, &set_cookies);
        self.gate.forwarded(&self.plan, status);
        as_lines(&edits)
    }

    /// The answer when the site gave none.
    ///
    /// # Errors
    /// The runtime could not make the answer.
    pub fn failed(self, timed_out: bool) -> Result<Response, JsValue> {
        let error = if timed_out { GateError::OriginTimeout } else { GateError::OriginUnavailable };
        let answer = self.gate.origin_failed(&self.request, &self.plan, error);
        answer::respond(&answer, self.request.method() == "HEAD")
    }
}

fn as_lines(edits: &HeaderEdits) -> String {
    let mut lines = String::new();
    for name in &edits.remove {
        push_line(&mut lines, &["-", name]);
    }
    for (name, value) in &edits.set {
        push_line(&mut lines, &["=", name, ":", value]);
    }
    if let Some(kept) = &edits.set_cookies {
        push_line(&mut lines, &["-set-cookie"]);
        for line in kept {
            push_line(&mut lines, &["+set-cookie:", line]);
        }
    }
    lines
}

/// An edit as `entry.js` reads it; no name and no value can hold a line break.
fn push_line(lines: &mut String, parts: &[&str]) {
    if !lines.is_empty() {
        lines.push('\n');
    }
    lines.extend(parts.iter().copied());
}
