//! Asking the site: in what words `entry.js` is told what to send and what to change in the answer. Bodies stream through there, unseen;
//! an answer that needs no change is the origin's own object.
//!
//! Edits of headers are lines: `-name` removes, `=name:value` sets, `+name:value` adds. No name and no value can hold a line break.

use wasm_bindgen::prelude::wasm_bindgen;

use crate::config::{Config, Site};
use crate::gate::{ANSWER_HEADERS, ForwardPlan, GateError, HeaderEdits, Keeping, Trace, config_invalid, own_request_headers};
use crate::ports::IncomingRequest;
use crate::web::headers::passes_to_origin;

use super::answer::answer_text;
use super::log::Runtime;
use super::request::NativeRequest;
use super::runtime::{Context, Env, Request};
use super::{gate_for, isolate};

/// The plan, a line each: `site`, keeping, start in milliseconds, request id, session, the begun line of the log, and the URL to ask for: of
/// the assets, empty for the request's own; of an origin, followed by the cache mode or nothing, and the edits that we make to the
/// client's headers.
pub(super) fn plan_text(plan: &ForwardPlan, config: &Config, request: &NativeRequest) -> String {
    let Trace { request_id, started_ms, session } = &plan.trace;
    let mut lines = String::with_capacity(TYPICAL_PLAN_BYTES);
    for line in ["site", plan.keeping.name(), &started_ms.to_string(), request_id, session, &plan.begun_log_line()] {
        push_line(&mut lines, &[line]);
    }
    match &config.site {
        Site::Assets => {
            let (host, path) = (config.public_url.as_str(), plan.path_and_query.as_str());
            let is_its_own = request.url().strip_prefix(host) == Some(path);
            push_line(&mut lines, if is_its_own { ["", ""] } else { [host, path] }.as_slice());
        }
        Site::Origin(origin) => {
            push_line(&mut lines, &[origin.as_str(), &plan.path_and_query]);
            push_line(&mut lines, &[if plan.keeping == Keeping::Public { "" } else { "no-store" }]);
            let (cookie, client) = (request.header("cookie"), request.header("cf-connecting-ip"));
            for (name, value) in own_request_headers(config, cookie.as_deref(), client.as_deref()) {
                push_line(&mut lines, &["=", name, ":", &value]);
            }
        }
    }
    lines
}

/// What is longer still fits, but is moved.
const TYPICAL_PLAN_BYTES: usize = 512;

/// Which headers of an answer `entry.js` hands over, a line each.
#[wasm_bindgen]
#[must_use]
pub fn answer_headers() -> String {
    ANSWER_HEADERS.join("\n")
}

/// The edits that keep from the origin what it must not see. `names` are the names of the client's headers, a line each;
/// `connection` is its `Connection` header, empty without one.
#[wasm_bindgen]
#[must_use]
pub fn request_edits(names: &str, connection: &str) -> String {
    let mut lines = String::new();
    for name in names.split('\n').filter(|name| !name.is_empty() && !passes_to_origin(name, Some(connection))) {
        push_line(&mut lines, &["-", name]);
    }
    lines
}

/// The edits that make the site's answer ours, empty when it passes untouched. `values` are those of [`answer_headers`], a line each as
/// in [`NativeRequest`], and then the `Set-Cookie` lines.
#[wasm_bindgen]
#[must_use]
pub fn answer_edits(env: &Env, keeping: &str, values: &str) -> String {
    let (isolate, keeping) = (isolate(env), Keeping::named(keeping).unwrap_or(Keeping::RedirectPage));
    let Ok(config) = &isolate.config else { return UNCONFIGURED_EDITS.to_owned() };
    let header = |name: &str| {
        let index = ANSWER_HEADERS.iter().position(|it| *it == name)?;
        values.split('\n').nth(index)?.strip_prefix(':').map(str::to_owned)
    };
    let set_cookies: Vec<String> = values.split('\n').skip(ANSWER_HEADERS.len()).map(str::to_owned).collect();
    as_lines(&keeping.edit_answer(config, header, &set_cookies))
}

/// Without a configuration nothing is asked of the site. Should that ever be otherwise, nobody keeps what it says.
const UNCONFIGURED_EDITS: &str = "=cache-control:no-store\n-set-cookie";

/// The answer when the site gave none, as [`answer_text`] has it.
#[wasm_bindgen]
#[must_use]
pub fn site_failed(head: String, request: Request, env: Env, context: Context, plan: &str, timed_out: bool) -> String {
    let (isolate, request) = (isolate(&env), NativeRequest::new(head, request));
    let is_head = request.method() == "HEAD";
    let config = match &isolate.config {
        Ok(config) => config,
        Err(problems) => return answer_text(&config_invalid(&Runtime, &request, problems), is_head),
    };
    let mut lines = plan.split('\n').skip(2);
    let mut line = || lines.next().unwrap_or_default();
    let trace =
        Trace { started_ms: line().parse().unwrap_or_default(), request_id: line().to_owned(), session: line().to_owned() };
    let error = if timed_out { GateError::OriginTimeout } else { GateError::OriginUnavailable };
    let answer = gate_for(&isolate, config, env, context).origin_failed(&request, &trace, error);
    answer_text(&answer, is_head)
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

fn push_line(lines: &mut String, parts: &[&str]) {
    if !lines.is_empty() {
        lines.push('\n');
    }
    lines.extend(parts.iter().copied());
}
