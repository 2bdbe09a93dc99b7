//! Cloudflare Workers: carries requests, answers and ports; decides nothing.
//!
//! The entry is `entry.js`: it hands over a request's head in one text and carries out what the gate says about the site on the
//! runtime's own `Request` and `Response`, so that the site's answer passes untouched and unread.

#![expect(unreachable_pub, reason = "wasm-bindgen exports public items only")]

mod answer;
mod begin;
mod env;
mod guard;
mod log;
mod ports;
mod proxy;
mod request;
mod runtime;
#[cfg(feature = "self-test")]
mod self_test;

use std::cell::OnceCell;
use std::rc::Rc;

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::config::{Config, ConfigProblem};
#[cfg(feature = "self-test")]
use crate::gate::Answer;
use crate::gate::{Gate, Memory, Outcome, config_invalid};
use crate::ports::IncomingRequest;

use self::answer::answer_text;
use self::log::Runtime;
use self::ports::WorkerPorts;
use self::request::{NativeRequest, READ_AT_ONCE};
use self::runtime::{Context, Env, Request, ended, has_binding, panicked};

/// What outlives a request: the configuration, parsed once, and the gate's memory.
struct Isolate {
    config: Result<Rc<Config>, Vec<ConfigProblem>>,
    /// Whether strict mode's guard is bound.
    guarded: bool,
    memory: Rc<Memory>,
}

thread_local! {
    static ISOLATE: OnceCell<Rc<Isolate>> = const { OnceCell::new() };
}

fn isolate(env: &Env) -> Rc<Isolate> {
    ISOLATE.with(|isolate| {
        let new = || {
            let (config, guarded) = (env::parse_config(env).map(Rc::new), has_binding(env, env::SESSION_GUARD));
            Rc::new(Isolate { config, guarded, memory: Rc::default() })
        };
        isolate.get_or_init(new).clone()
    })
}

/// Each instance begins here. A panic ends it: where is logged, not what, which could hold what a request brought. Whatever else ends
/// it, memory that runs out say, is heard of as well.
#[wasm_bindgen(start)]
fn start() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|place| [place.file(), ":", &place.line().to_string()].concat());
        panicked(&place.unwrap_or_default());
    }));
    wasm_bindgen::handler::set_on_abort(ended);
}

/// Which headers `entry.js` hands over with every request, a line each.
#[wasm_bindgen]
#[must_use]
pub fn headers_read_at_once() -> String {
    READ_AT_ONCE.join("\n")
}

/// Every request; `head` is what [`NativeRequest`] says. Gives as text what to answer ([`answer_text`]) or how to ask the site
/// ([`proxy::plan_text`]), or a promise of it where something had to be waited for.
#[wasm_bindgen]
#[must_use]
pub fn handle(head: String, request: Request, env: Env, context: Context) -> JsValue {
    begin::begin(outcome(head, request, env, context))
}

async fn outcome(head: String, request: Request, env: Env, context: Context) -> String {
    let request = NativeRequest::new(head, request);
    #[cfg(feature = "self-test")]
    if let Some(answered) = self_test::answer(&request).await {
        return answer_text(&Answer { body: answered, ..Answer::empty(200) }, false);
    }
    let isolate = isolate(&env);
    let is_head = request.method() == "HEAD";
    match &isolate.config {
        Err(problems) => answer_text(&config_invalid(&Runtime, &request, problems), is_head),
        Ok(config) => match gate_for(&isolate, config, env, context).handle(&request).await {
            Outcome::Respond(answer) => answer_text(&answer, is_head),
            Outcome::Forward(plan) => proxy::plan_text(&plan, config, &request),
        },
    }
}

fn gate_for(isolate: &Isolate, config: &Rc<Config>, env: Env, context: Context) -> Gate<WorkerPorts> {
    let ports = WorkerPorts::new(env, context, config, isolate.guarded);
    Gate::new(config.clone(), ports, isolate.memory.clone())
}
