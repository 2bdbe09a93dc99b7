//! Cloudflare Workers: carries requests, answers and ports; decides nothing.
//!
//! It works on the runtime's own `Request` and `Response`, so that the site's answer passes untouched and unread.

mod answer;
mod body;
mod crypto;
mod env;
mod guard;
mod http;
mod kv;
mod log;
mod ports;
mod proxy;
mod request;
#[cfg(feature = "self-test")]
mod self_test;

use std::cell::OnceCell;
use std::rc::Rc;

use wasm_bindgen::JsValue;
use worker::{Context, Env, event};

use crate::config::{Config, ConfigProblem};
use crate::gate::{Gate, Memory, Outcome, config_invalid};

use self::log::Runtime;
use self::ports::WorkerPorts;
use self::request::NativeRequest;

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
            let (config, guarded) = (env::parse_config(env).map(Rc::new), env::has_binding(env, env::SESSION_GUARD));
            Rc::new(Isolate { config, guarded, memory: Rc::default() })
        };
        isolate.get_or_init(new).clone()
    })
}

/// Every request. An error that reaches the runtime becomes a plain 500 there, never a page of the site.
#[event(fetch)]
async fn fetch(request: web_sys::Request, env: Env, context: Context) -> worker::Result<web_sys::Response> {
    #[cfg(feature = "self-test")]
    if let Some(answered) = self_test::answer(&request).await {
        return answered.map_err(|_| worker::Error::RustError("self-test".to_owned()));
    }
    let isolate = isolate(&env);
    let head = request.method() == "HEAD";
    let native = NativeRequest::new(request);
    let answered = match &isolate.config {
        Err(problems) => answer::respond(&config_invalid(&Runtime, &native, problems), head),
        Ok(config) => {
            let ports = WorkerPorts::new(env.clone(), context, config, isolate.guarded);
            let gate = Gate::new(config.clone(), ports, isolate.memory.clone());
            match gate.handle(&native).await {
                Outcome::Respond(answer) => answer::respond(&answer, head),
                Outcome::Forward(plan) => match proxy::forward(&plan, &native, &env).await {
                    Ok(response) => {
                        gate.forwarded(&plan, response.status());
                        Ok(response)
                    }
                    Err(error) => answer::respond(&gate.origin_failed(&native, &plan, error), head),
                },
            }
        }
    };
    answered.map_err(|_: JsValue| worker::Error::RustError("answer could not be made".to_owned()))
}
