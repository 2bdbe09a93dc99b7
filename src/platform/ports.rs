//! The ports on Workers.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use worker::{Cache, Context, Delay, Env, Headers, Response};

use crate::config::Config;
use crate::ports::{
    Background, Clock, Guard, GuardError, Http, HttpError, HttpRequest, HttpResponse, KeySetCache, Kv, KvError, Level, Limiter,
    Log, Random, RsaPublicKey, SignatureCheckFailed, Signatures, UnixSecs,
};
use crate::web::query::encode;

use super::env::RATE_LIMITER;
use super::log::Runtime;
use super::{crypto, guard, http, kv};

/// One request's view of the runtime.
#[derive(Clone)]
pub(super) struct WorkerPorts {
    env: Env,
    context: Rc<Context>,
    config: Rc<Config>,
    guarded: bool,
}

impl WorkerPorts {
    pub(super) fn new(env: Env, context: Context, config: &Rc<Config>, guarded: bool) -> Self {
        Self { env, context: Rc::new(context), config: config.clone(), guarded }
    }

    /// A URL of our own that nobody is served from; the issuer is in it, so that another pool's keys are never found.
    fn key_set_url(&self) -> String {
        format!("{}/auth/key-set?issuer={}", self.config.public_url, encode(&self.config.cognito.issuer))
    }
}

impl Clock for WorkerPorts {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole milliseconds, far below 2^53")]
    fn now_ms(&self) -> u64 {
        js_sys::Date::now() as u64
    }

    async fn sleep(&self, duration_ms: u32) {
        Delay::from(Duration::from_millis(duration_ms.into())).await;
    }
}

impl Random for WorkerPorts {
    fn fill(&self, bytes: &mut [u8]) {
        Runtime.fill(bytes);
    }
}

impl Kv for WorkerPorts {
    async fn read<const N: usize>(&self, keys: [&str; N]) -> Result<[Option<String>; N], KvError> {
        kv::read(&self.env, keys).await
    }

    async fn write(&self, key: &str, value: &str, expires_at: UnixSecs) -> Result<(), KvError> {
        kv::write(&self.env, key, value, expires_at).await
    }

    async fn delete(&self, key: &str) -> Result<(), KvError> {
        kv::delete(&self.env, key).await
    }
}

impl Guard for WorkerPorts {
    fn is_guarded(&self) -> bool {
        self.guarded
    }

    async fn ask(&self, user_tag: &str, inquiry: &str) -> Result<String, GuardError> {
        guard::ask(&self.env, user_tag, inquiry).await
    }
}

impl Http for WorkerPorts {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        http::send(request).await
    }
}

impl Signatures for WorkerPorts {
    async fn verify_rs256(&self, key: &RsaPublicKey, message: &[u8], signature: &[u8]) -> Result<bool, SignatureCheckFailed> {
        crypto::verify_rs256(key, message, signature).await
    }
}

impl KeySetCache for WorkerPorts {
    async fn load(&self) -> Option<String> {
        let mut response = Cache::default().get(self.key_set_url(), false).await.ok()??;
        response.text().await.ok()
    }

    async fn keep(&self, text: &str, max_age_secs: u32) {
        let headers = Headers::new();
        let kept = headers.set("cache-control", &format!("public, max-age={max_age_secs}")).is_ok();
        if let (true, Ok(response)) = (kept, Response::ok(text)) {
            // Best effort: without it the next isolate fetches for itself.
            drop(Cache::default().put(self.key_set_url(), response.with_headers(headers)).await);
        }
    }
}

impl Background for WorkerPorts {
    fn run(&self, work: Pin<Box<dyn Future<Output = ()>>>) {
        self.context.wait_until(work);
    }
}

impl Limiter for WorkerPorts {
    async fn allows(&self, key: &str) -> bool {
        // Not bound, or failing: a limit protects Cognito's quotas, it does not decide who may come in.
        let Ok(limiter) = self.env.rate_limiter(RATE_LIMITER) else { return true };
        limiter.limit(key.to_owned()).await.map_or(true, |outcome| outcome.success)
    }
}

impl Log for WorkerPorts {
    fn line(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        Runtime.line(level, message, fields);
    }
}
