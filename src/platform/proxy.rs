//! Fetching the site: assets or origin. Bodies stream through; an answer that needs no change is the origin's own object.

use std::time::Duration;

use futures_util::future::{Either, select};
use js_sys::{Array, Function, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, Headers, Request, RequestCache, RequestInit, RequestRedirect, Response, ResponseInit, WorkerGlobalScope,
};
use worker::{Delay, Env};

use crate::config::Origin;
use crate::gate::{ForwardPlan, GateError, HeaderEdits, Upstream};
use crate::ports::IncomingRequest;

use super::env::ASSETS;
use super::request::NativeRequest;

/// Asks the site and adapts its answer.
pub(super) async fn forward(plan: &ForwardPlan, request: &NativeRequest, env: &Env) -> Result<Response, GateError> {
    let response = match &plan.upstream {
        Upstream::Assets => ask_assets(plan, request, env).await.map_err(|_| GateError::OriginUnavailable)?,
        Upstream::Origin(origin) => ask_origin(plan, origin, request).await?,
    };
    let headers = response.headers();
    let names = names(&headers);
    let is_there = |name: &str| names.split('\n').any(|each| each == name);
    let set_cookies = if is_there("set-cookie") { set_cookie_lines(&headers) } else { Vec::new() };
    let header = |name: &str| if is_there(name) { headers.get(name).ok().flatten() } else { None };
    let edits = plan.edit_answer(header, &set_cookies);
    if edits.is_empty() {
        return Ok(response);
    }
    edited(&response, &edits).map_err(|_| GateError::OriginUnavailable)
}

async fn ask_assets(plan: &ForwardPlan, request: &NativeRequest, env: &Env) -> Result<Response, JsValue> {
    let native = request.native();
    let wanted = plan.public_address();
    let asked = if wanted == request.url() {
        Clone::clone(native)
    } else {
        Request::new_with_str_and_init(&wanted, native.unchecked_ref::<RequestInit>())?
    };
    let assets = Reflect::get(env, &ASSETS.into())?;
    let fetch: Function = Reflect::get(&assets, &"fetch".into())?.dyn_into()?;
    let promise: Promise = fetch.call1(&assets, &asked)?.dyn_into()?;
    JsFuture::from(promise).await?.dyn_into()
}

async fn ask_origin(plan: &ForwardPlan, origin: &Origin, request: &NativeRequest) -> Result<Response, GateError> {
    let unreachable = |_| GateError::OriginUnavailable;
    let controller = AbortController::new().map_err(unreachable)?;
    let init = RequestInit::new();
    init.set_method(&request.method());
    let headers = origin_headers(plan, request).map_err(unreachable)?;
    init.set_headers(&headers);
    init.set_redirect(RequestRedirect::Manual);
    init.set_signal(Some(&controller.signal()));
    if !plan.may_be_cached() {
        init.set_cache(RequestCache::NoStore);
    }
    let url = format!("{origin}{}", plan.path_and_query);
    let global: WorkerGlobalScope = js_sys::global().unchecked_into();
    let answer = JsFuture::from(global.fetch_with_str_and_init(&url, &init));
    // The limit is for the answer to begin; a long download may take its time.
    let timer = Delay::from(Duration::from_millis(ORIGIN_TIMEOUT_MS));
    match select(answer, std::pin::pin!(timer)).await {
        Either::Left((answer, _)) => answer.and_then(JsCast::dyn_into).map_err(unreachable),
        Either::Right(_) => {
            controller.abort();
            Err(GateError::OriginTimeout)
        }
    }
}

fn origin_headers(plan: &ForwardPlan, request: &NativeRequest) -> Result<Headers, JsValue> {
    let headers = Headers::new()?;
    let connection = request.header("connection");
    for entry in js_sys::try_iter(&request.native().headers())?.into_iter().flatten() {
        let entry: Array = entry?.unchecked_into();
        if let (Some(name), Some(value)) = (entry.get(0).as_string(), entry.get(1).as_string())
            && plan.passes(&name, connection.as_deref())
        {
            headers.append(&name, &value)?;
        }
    }
    for (name, value) in plan.own_request_headers(request.header("cookie").as_deref()) {
        headers.set(name, &value)?;
    }
    Ok(headers)
}

/// The names of all headers, in lower case and a line each: one look in place of one for each name that matters, most of which
/// are not there.
fn names(headers: &Headers) -> String {
    Array::from(&headers.keys()).join("\n").into()
}

/// The `Set-Cookie` lines one by one; `get` would join them.
fn set_cookie_lines(headers: &Headers) -> Vec<String> {
    let lines = Reflect::get(headers, &"getSetCookie".into())
        .and_then(JsCast::dyn_into::<Function>)
        .and_then(|get_set_cookie| get_set_cookie.call0(headers));
    lines.map(|lines| Array::from(&lines).iter().filter_map(|line| line.as_string()).collect()).unwrap_or_default()
}

/// A copy with other headers around the same, unread body.
fn edited(response: &Response, edits: &HeaderEdits) -> Result<Response, JsValue> {
    let copy =
        Response::new_with_opt_readable_stream_and_init(response.body().as_ref(), response.unchecked_ref::<ResponseInit>())?;
    let headers = copy.headers();
    for name in &edits.remove {
        headers.delete(name)?;
    }
    for (name, value) in &edits.set {
        headers.set(name, value)?;
    }
    if let Some(lines) = &edits.set_cookies {
        headers.delete("set-cookie")?;
        for line in lines {
            headers.append("set-cookie", line)?;
        }
    }
    Ok(copy)
}

/// A static site answers at once; what takes longer than this will not come.
const ORIGIN_TIMEOUT_MS: u64 = 10_000;
