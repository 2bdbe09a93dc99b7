//! The ports on Workers.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::future_to_promise;

use crate::config::Config;
use crate::ports::{
    Background, Clock, Guard, GuardError, Http, HttpError, HttpRequest, HttpResponse, KeySetCache, Kv, KvError, Level, Limiter,
    Log, Random, RsaPublicKey, SignatureCheckFailed, Signatures, UnixSecs,
};
use crate::web::query::encode;

use super::log::Runtime;
use super::runtime::{self, Context, Env, Fetched, settled};

/// One request's view of the runtime.
#[derive(Clone)]
pub(super) struct WorkerPorts {
    env: Env,
    context: Context,
    config: Rc<Config>,
    guarded: bool,
}

impl WorkerPorts {
    pub(super) fn new(env: Env, context: Context, config: &Rc<Config>, guarded: bool) -> Self {
        Self { env, context, config: config.clone(), guarded }
    }

    /// A URL of our own that nobody is served from; the issuer is in it, so that another pool's keys are never found.
    fn key_set_url(&self) -> String {
        [self.config.public_url.as_str(), "/auth/key-set?issuer=", &encode(&self.config.cognito.issuer)].concat()
    }
}

/// Whole milliseconds since the Unix epoch.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "far below 2^53")]
pub(super) fn now_ms() -> u64 {
    runtime::now() as u64
}

impl Clock for WorkerPorts {
    fn now_ms(&self) -> u64 {
        now_ms()
    }

    async fn sleep(&self, duration_ms: u32) {
        drop(settled(runtime::sleep(duration_ms)).await);
    }
}

impl Random for WorkerPorts {
    fn fill(&self, bytes: &mut [u8]) {
        Runtime.fill(bytes);
    }
}

impl Kv for WorkerPorts {
    async fn read<const N: usize>(&self, keys: [&str; N]) -> Result<[Option<String>; N], KvError> {
        let text = kv(runtime::kv_read(&self.env, &keys.join("\n"))).await?.as_string();
        let mut lines = text.as_deref().map(|text| text.split('\n')).into_iter().flatten();
        let mut values = [const { None }; N];
        for value in &mut values {
            *value = lines.next().ok_or(KvError::Unavailable)?.strip_prefix(':').map(str::to_owned);
        }
        Ok(values)
    }

    #[expect(clippy::cast_precision_loss, reason = "a time is far below 2^53 seconds")]
    async fn write(&self, key: &str, value: &str, expires_at: UnixSecs) -> Result<(), KvError> {
        kv(runtime::kv_write(&self.env, key, value, expires_at as f64)).await.map(drop)
    }

    async fn delete(&self, key: &str) -> Result<(), KvError> {
        kv(runtime::kv_delete(&self.env, key)).await.map(drop)
    }
}

async fn kv(operation: Promise) -> Result<JsValue, KvError> {
    settled(operation).await.map_err(|word| match word.as_str() {
        "timeout" => KvError::Timeout,
        "too_many_writes" => KvError::TooManyWrites,
        _ => KvError::Unavailable,
    })
}

impl Guard for WorkerPorts {
    fn is_guarded(&self) -> bool {
        self.guarded
    }

    async fn ask(&self, user_tag: &str, inquiry: &str) -> Result<String, GuardError> {
        match settled(runtime::ask_guard(&self.env, user_tag, inquiry)).await {
            Ok(answer) => answer.as_string().ok_or(GuardError::Unavailable),
            Err(word) if word == "timeout" => Err(GuardError::Timeout),
            Err(_) => Err(GuardError::Unavailable),
        }
    }
}

impl Http for WorkerPorts {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let headers: Vec<String> = request.headers.iter().map(|(name, value)| [name, ":", value].concat()).collect();
        let max_bytes = u32::try_from(request.max_body_bytes).unwrap_or(u32::MAX);
        let sent = runtime::send(&request.url, &headers.join("\n"), request.form.as_deref(), request.timeout_ms, max_bytes);
        let fetched: Fetched = settled(sent).await.map(runtime::known).map_err(|word| match word.as_str() {
            "timeout" => HttpError::Timeout,
            "too_large" => HttpError::TooLarge,
            _ => HttpError::Unreachable,
        })?;
        Ok(HttpResponse { status: fetched.status(), retry_after: fetched.retry_after(), body: fetched.body() })
    }
}

impl Signatures for WorkerPorts {
    async fn verify_rs256(&self, key: &RsaPublicKey, message: &[u8], signature: &[u8]) -> Result<bool, SignatureCheckFailed> {
        verify_rs256(key, message, signature).await
    }
}

/// Whether `signature` over `message` is by `key`.
pub(super) async fn verify_rs256(key: &RsaPublicKey, message: &[u8], signature: &[u8]) -> Result<bool, SignatureCheckFailed> {
    let (n, e) = (URL_SAFE_NO_PAD.encode(&key.n), URL_SAFE_NO_PAD.encode(&key.e));
    let verdict = settled(runtime::verify(&n, &e, message, signature)).await;
    verdict.ok().and_then(|verdict| verdict.as_bool()).ok_or(SignatureCheckFailed)
}

impl KeySetCache for WorkerPorts {
    async fn load(&self) -> Option<String> {
        settled(runtime::cache_load(&self.key_set_url())).await.ok()?.as_string()
    }

    async fn keep(&self, text: &str, max_age_secs: u32) {
        // Best effort: without it the next isolate fetches for itself.
        drop(settled(runtime::cache_keep(&self.key_set_url(), text, max_age_secs)).await);
    }
}

impl Background for WorkerPorts {
    fn run(&self, work: Pin<Box<dyn Future<Output = ()>>>) {
        self.context.wait_until(&future_to_promise(async move {
            work.await;
            Ok(JsValue::UNDEFINED)
        }));
    }
}

impl Limiter for WorkerPorts {
    async fn allows(&self, key: &str) -> bool {
        settled(runtime::is_within_limit(&self.env, key)).await.ok().and_then(|within| within.as_bool()).unwrap_or(true)
    }
}

impl Log for WorkerPorts {
    fn line(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        Runtime.line(level, message, fields);
    }
}
