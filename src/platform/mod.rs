//! Cloudflare Workers: implements the ports and passes requests and responses; decides nothing.
//!
//! This layer uses the runtime's own `Request` and `Response`, so that the site's answer passes untouched and unread. `shim.js`
//! is the module that the runtime calls; `native.js` saves crossings.

mod answer;
mod body;
mod crypto;
mod env;
mod guard;
mod http;
mod kv;
mod log;
mod native;
mod ports;
mod request;
#[cfg(feature = "self-test")]
mod self_test;
mod site;
mod time;

use std::cell::OnceCell;
use std::rc::Rc;

use wasm_bindgen::JsValue;
use worker::{Context, Env, console_error, event};

use crate::auth::{Gateway, Isolate};
use crate::config::{Config, ConfigProblem};
use crate::gate::{Outcome, config_invalid, handle};
use crate::ports::{IncomingRequest as _, Level, log_line};

use self::log::Runtime;
use self::ports::{Lifetime, WorkerPorts};
use self::request::NativeRequest;

/// The state that outlives a request: the configuration, parsed once, and the isolate's caches.
struct Instance {
    config: Result<Rc<Config>, Vec<ConfigProblem>>,
    /// Whether strict mode's guard is bound.
    guarded: bool,
    isolate: Rc<Isolate>,
}

thread_local! {
    static INSTANCE: OnceCell<Rc<Instance>> = const { OnceCell::new() };
}

fn instance(env: &Env) -> Rc<Instance> {
    INSTANCE.with(|instance| {
        let new = || {
            let (config, guarded) = (env::parse_config(env).map(Rc::new), env::has_binding(env, env::SESSION_GUARD));
            Rc::new(Instance { config, guarded, isolate: Rc::default() })
        };
        instance.get_or_init(new).clone()
    })
}

/// Reports every end of this instance from now on, so that the next call goes to a new instance. Of a panic, the log has the
/// place only, because the message could contain request data. The first call sets the hooks: at the start, `worker` would
/// replace them with its own.
fn watch() {
    thread_local! {
        static WATCHED: () = {
            std::panic::set_hook(Box::new(|panic| {
                let place = panic.location().map(|place| format!("{}:{}", place.file(), place.line())).unwrap_or_default();
                console_error!("{}", log_line(Level::Error, &format!("panicked at {place}"), &[]));
                native::ended();
            }));
            wasm_bindgen::handler::set_on_abort(native::ended);
        };
    }
    WATCHED.with(|()| ());
}

/// Handles every request. The runtime turns an error into a plain 500, never a page of the site.
#[event(fetch)]
async fn fetch(request: web_sys::Request, env: Env, context: Context) -> worker::Result<web_sys::Response> {
    watch();
    let (request, lifetime) = (NativeRequest::new(request), Rc::new(Lifetime::new(context)));
    let answered = answer(&request, env, &lifetime).await;
    lifetime.end();
    answered.map_err(|_| worker::Error::RustError("the answer could not be made".to_owned()))
}

async fn answer(request: &NativeRequest, env: Env, lifetime: &Rc<Lifetime>) -> Result<web_sys::Response, JsValue> {
    #[cfg(feature = "self-test")]
    if let Some(answered) = self_test::answer(request).await {
        return answered;
    }
    let instance = instance(&env);
    let is_head = request.method() == "HEAD";
    let config = match &instance.config {
        Ok(config) => config,
        Err(problems) => return answer::respond(&config_invalid(&Runtime, request, problems), is_head),
    };
    let ports = WorkerPorts::new(env, lifetime.clone(), config, instance.guarded);
    let gateway = Gateway::new(config.clone(), ports, instance.isolate.clone());
    match handle(&gateway, request).await {
        Outcome::Respond(response) => answer::respond(&response, is_head),
        Outcome::Forward(answer, edits) => answer.edited(&edits),
    }
}
