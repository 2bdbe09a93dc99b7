//! The ports on Workers.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::JsValue;
use worker::{Cache, Context, Env, Headers, Response};

use crate::config::Config;
use crate::ports::{
    Background, Clock, Guard, GuardError, Http, HttpError, HttpRequest, HttpResponse, JwksCache, Kv, KvError, Level, Limiter,
    Log, Random, RsaPublicKey, SignatureCheckFailed, Signatures, UnixSecs, Upstream, UpstreamError, UpstreamRequest,
};
use crate::web::query::encode;

use super::env::RATE_LIMITER;
use super::log::Runtime;
use super::request::NativeRequest;
use super::site::{self, SiteAnswer};
use super::time::{now_ms, sleep, within};
use super::{crypto, guard, http, kv};

/// One request's view of the runtime.
#[derive(Clone)]
pub(super) struct WorkerPorts {
    env: Env,
    lifetime: Rc<Lifetime>,
    config: Rc<Config>,
    guarded: bool,
}

impl WorkerPorts {
    pub(super) fn new(env: Env, lifetime: Rc<Lifetime>, config: &Rc<Config>, guarded: bool) -> Self {
        Self { env, lifetime, config: config.clone(), guarded }
    }

    /// A URL of our own that serves no page. It contains the issuer, so that another pool's keys are never found.
    fn key_set_url(&self) -> String {
        [self.config.public_url.as_str(), "/auth/key-set?issuer=", &encode(&self.config.cognito.issuer)].concat()
    }
}

/// The lifetime of a request's work. The runtime drops the work when the client disconnects. Work that has called Cognito, KV or
/// the guard is carried through, because a refresh must store its new token. A request without such a call costs no `waitUntil`.
pub(super) struct Lifetime {
    context: Context,
    /// Settles the promise that the runtime waits for.
    done: RefCell<Option<Function>>,
    /// The request is answered. Background work has a `waitUntil` of its own.
    ended: Cell<bool>,
}

impl Lifetime {
    pub(super) fn new(context: Context) -> Self {
        Self { context, done: RefCell::default(), ended: Cell::new(false) }
    }

    /// Makes the runtime wait for the end of the request's work.
    fn prolong(&self) {
        let mut done = self.done.borrow_mut();
        if done.is_some() || self.ended.get() {
            return;
        }
        let promise = Promise::new(&mut |resolve, _| *done = Some(resolve));
        // If this fails, the work lasts as long as the client stays.
        drop(self.context.as_ref().wait_until(&promise));
    }

    /// Ends the lifetime.
    pub(super) fn end(&self) {
        self.ended.set(true);
        if let Some(done) = self.done.take() {
            drop(done.call0(&JsValue::UNDEFINED));
        }
    }
}

impl Clock for WorkerPorts {
    fn now_ms(&self) -> u64 {
        now_ms()
    }

    async fn sleep(&self, duration_ms: u32) {
        sleep(duration_ms).await;
    }
}

impl Random for WorkerPorts {
    fn random_bytes(&self, bytes: &mut [u8]) {
        Runtime.random_bytes(bytes);
    }
}

impl Kv for WorkerPorts {
    async fn kv_get_many<const N: usize>(&self, keys: [&str; N]) -> Result<[Option<String>; N], KvError> {
        self.lifetime.prolong();
        kv::read(&self.env, keys).await
    }

    async fn kv_put(&self, key: &str, value: &str, expires_at: UnixSecs) -> Result<(), KvError> {
        self.lifetime.prolong();
        kv::write(&self.env, key, value, expires_at).await
    }

    async fn kv_delete(&self, key: &str) -> Result<(), KvError> {
        self.lifetime.prolong();
        kv::delete(&self.env, key).await
    }
}

impl Guard for WorkerPorts {
    fn guard_is_bound(&self) -> bool {
        self.guarded
    }

    async fn guard_ask(&self, user_tag: &str, request: &str) -> Result<String, GuardError> {
        self.lifetime.prolong();
        guard::ask(&self.env, user_tag, request).await
    }
}

impl Http for WorkerPorts {
    async fn cognito_send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.lifetime.prolong();
        http::send(request).await
    }
}

impl Signatures for WorkerPorts {
    async fn verify_rs256(&self, key: &RsaPublicKey, message: &[u8], signature: &[u8]) -> Result<bool, SignatureCheckFailed> {
        crypto::verify_rs256(key, message, signature).await
    }
}

/// Best effort: without the cache, the next isolate fetches the key set itself.
impl JwksCache for WorkerPorts {
    async fn jwks_cache_get(&self) -> Option<String> {
        let cache = cache()?;
        let found = within(BACKGROUND_TIMEOUT_MS, async { cache.get(self.key_set_url(), false).await.ok()??.text().await.ok() });
        found.await.flatten()
    }

    async fn jwks_cache_put(&self, text: &str, max_age_secs: u32) {
        let Some(cache) = cache() else { return };
        let headers = Headers::new();
        let kept = headers.set("cache-control", &format!("public, max-age={max_age_secs}")).is_ok();
        if let (true, Ok(response)) = (kept, Response::ok(text)) {
            drop(within(BACKGROUND_TIMEOUT_MS, cache.put(self.key_set_url(), response.with_headers(headers))).await);
        }
    }
}

/// The location's cache, if there is one: `Cache::default` assumes that there is.
fn cache() -> Option<Cache> {
    Reflect::has(&js_sys::global(), &"caches".into()).unwrap_or(false).then(Cache::default)
}

impl Background for WorkerPorts {
    fn wait_until(&self, work: Pin<Box<dyn Future<Output = ()>>>) {
        self.lifetime.context.wait_until(work);
    }
}

impl Limiter for WorkerPorts {
    async fn rate_limit(&self, key: &str) -> bool {
        // Not bound, or failing: the limit protects Cognito's quotas and is no access decision.
        let Ok(limiter) = self.env.rate_limiter(RATE_LIMITER) else { return true };
        let outcome = within(BACKGROUND_TIMEOUT_MS, limiter.limit(key.to_owned())).await;
        !matches!(outcome, Some(Ok(outcome)) if !outcome.success)
    }
}

impl Log for WorkerPorts {
    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        Runtime.log(level, message, fields);
    }
}

impl Upstream<NativeRequest> for WorkerPorts {
    type Answer = SiteAnswer;

    async fn upstream_send(&self, client: &NativeRequest, request: UpstreamRequest) -> Result<SiteAnswer, UpstreamError> {
        site::send(&self.env, client, request).await
    }
}

/// For the cache and the rate limiter, which are optional: no request waits longer for them.
const BACKGROUND_TIMEOUT_MS: u32 = 1000;
