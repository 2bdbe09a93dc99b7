//! The key set: from this isolate's memory, this location's cache, or Cognito, in that order.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::jose::jwk::KeySet;
use crate::jose::key_cache::{Decision, FRESH_SECS, FetchReason, MAX_STALE_SECS};
use crate::jose::unique_json;
use crate::ports::{HttpError, HttpRequest, HttpResponse, Ports, RsaPublicKey, UnixSecs};
use crate::session::seal::{self, Purpose};

use super::{Failure, Gate, GateError};

/// Why there is no key for a token.
pub(super) enum NoKey {
    /// The current key set does not have it: a verdict.
    Unknown,
    /// Could not know.
    Unavailable(Failure),
}

/// What the location's cache keeps of a key set.
#[derive(Serialize, Deserialize)]
struct CachedKeySet<'a> {
    fetched_at: UnixSecs,
    /// As Cognito sent it.
    body: Cow<'a, str>,
}

impl<P: Ports> Gate<P> {
    /// The key of that id, fetching the key set if that may help. A known key does not wait for it.
    pub(super) async fn signing_key(&self, key_id: &str) -> Result<RsaPublicKey, NoKey> {
        for _ in 0..MAX_ROUNDS {
            let now = self.ports.now();
            let decision = self.memory.keys.borrow().decide(key_id, now);
            match decision {
                Decision::Use(key) => return Ok(key),
                Decision::UseAndFetch(key) => {
                    self.fetch_keys_beside(now);
                    return Ok(key);
                }
                Decision::Unknown => return Err(NoKey::Unknown),
                Decision::Unavailable => break,
                Decision::Wait => self.ports.sleep(POLL_MS).await,
                // Its failure is remembered: the next decision is of it.
                Decision::Fetch(reason) => drop(self.fetch_keys_now(reason, now).await),
            }
        }
        let failure = self.memory.key_failure.borrow().clone();
        Err(NoKey::Unavailable(failure.unwrap_or_else(|| Failure::new(GateError::IdpUnavailable, "jwks_unavailable"))))
    }

    /// Fetches the key set in the background. No request waits for it, so its failure goes to the log.
    fn fetch_keys_beside(&self, now: UnixSecs) {
        self.memory.keys.borrow_mut().begin(now);
        let gate = self.clone();
        self.ports.run(Box::pin(async move {
            match gate.fetch_keys(FetchReason::Stale, gate.ports.now()).await {
                Ok(Some(text)) => gate.ports.keep(&text, MAX_STALE_SECS).await,
                Ok(None) => {}
                Err(failure) => {
                    let fields = [("code", failure.error.describe().code), ("reason", failure.reason)];
                    gate.ports.line(failure.level, "key_set_not_fetched", &fields);
                }
            }
        }));
    }

    /// Whether Cognito gives its key set, for `/readyz`.
    pub(super) async fn keys_ready(&self) -> Result<(), Failure> {
        let now = self.ports.now();
        if self.memory.keys.borrow().is_fresh(now) {
            return Ok(());
        }
        self.fetch_keys_now(FetchReason::Stale, now).await
    }

    /// One fetch that the request waits for. The location's cache is written in the background.
    async fn fetch_keys_now(&self, reason: FetchReason, now: UnixSecs) -> Result<(), Failure> {
        self.memory.keys.borrow_mut().begin(now);
        if let Some(text) = self.fetch_keys(reason, now).await? {
            let ports = self.ports.clone();
            self.ports.run(Box::pin(async move { ports.keep(&text, MAX_STALE_SECS).await }));
        }
        Ok(())
    }

    /// One fetch that has been marked as begun; its outcome is remembered. Gives the text for the location's cache, if it came from
    /// Cognito.
    async fn fetch_keys(&self, reason: FetchReason, now: UnixSecs) -> Result<Option<String>, Failure> {
        let fetched = self.load_or_download_keys(reason, now).await;
        if let Err(failure) = &fetched {
            self.memory.keys.borrow_mut().fail(self.ports.now());
            *self.memory.key_failure.borrow_mut() = Some(failure.clone());
        }
        fetched
    }

    async fn load_or_download_keys(&self, reason: FetchReason, now: UnixSecs) -> Result<Option<String>, Failure> {
        let cached = self.cached_keys(now).await;
        if let (FetchReason::Stale, Some((keys, fetched_at))) = (reason, &cached)
            && now.saturating_sub(*fetched_at) < FRESH_SECS
        {
            self.memory.keys.borrow_mut().keep(keys.clone(), *fetched_at, reason);
            return Ok(None);
        }
        match self.download_keys().await {
            Ok((keys, body)) => {
                self.memory.keys.borrow_mut().keep(keys, now, reason);
                Ok(self.seal_keys(now, &body))
            }
            Err(failure) => {
                // A new isolate in an outage: yesterday's keys are better than none.
                if let Some((keys, fetched_at)) = cached {
                    self.memory.keys.borrow_mut().keep(keys, fetched_at, FetchReason::Stale);
                }
                Err(failure)
            }
        }
    }

    /// What the location's cache keeps: the body as Cognito sent it, and when. Sealed, because other Workers of the zone can write to the same cache, and who chooses keys chooses users.
    fn seal_keys(&self, fetched_at: UnixSecs, body: &str) -> Option<String> {
        let text = serde_json::to_string(&CachedKeySet { fetched_at, body: body.into() }).ok()?;
        let issuer = &self.config.cognito.issuer;
        seal::seal(&self.config.keys, Purpose::KeySet, &[], issuer, text.as_bytes(), &self.ports)
    }

    async fn cached_keys(&self, now: UnixSecs) -> Option<(KeySet, UnixSecs)> {
        let sealed = self.ports.load().await?;
        let issuer = &self.config.cognito.issuer;
        let text = seal::open(&self.config.keys, Purpose::KeySet, &[], issuer, &sealed).ok()?;
        let CachedKeySet { fetched_at, body } = unique_json::read(&text)?;
        let young = fetched_at <= now && now.saturating_sub(fetched_at) < u64::from(MAX_STALE_SECS);
        KeySet::parse(body.as_bytes()).ok().filter(|_| young).map(|keys| (keys, fetched_at))
    }

    /// One download, and one more after a failure that may have been a moment's.
    async fn download_keys(&self) -> Result<(KeySet, String), Failure> {
        let request = || HttpRequest {
            url: self.config.jwks_url(),
            headers: vec![("accept", "application/json".to_owned())],
            form: None,
            timeout_ms: JWKS_TIMEOUT_MS,
            max_body_bytes: MAX_JWKS_BYTES,
        };
        let mut answer = self.ports.send(request()).await;
        if matches!(&answer, Err(HttpError::Unreachable) | Ok(HttpResponse { status: 500..=599, .. })) {
            self.pause(RETRY_AFTER_MS, u8::MAX).await;
            answer = self.ports.send(request()).await;
        }
        let invalid = |reason| Failure::new(GateError::IdpInvalidResponse, reason);
        match answer {
            Ok(HttpResponse { status: 200, body, .. }) => {
                let keys = KeySet::parse(&body).map_err(|_| invalid("jwks_malformed"))?;
                let body = String::from_utf8(body).map_err(|_| invalid("jwks_malformed"))?;
                Ok((keys, body))
            }
            Ok(HttpResponse { status: 429, .. }) => Err(Failure::new(GateError::IdpThrottled, "jwks_429")),
            // 403 is a firewall's word, here as at the token endpoint.
            Ok(HttpResponse { status: 403 | 408 | 500..=599, .. }) | Err(HttpError::Unreachable) => {
                Err(Failure::new(GateError::IdpUnavailable, "jwks_unavailable"))
            }
            // No such user pool: no retry mends that.
            Ok(HttpResponse { status: 400..=499, .. }) => Err(Failure::new(GateError::IdpMisconfigured, "jwks_refused")),
            Ok(_) => Err(invalid("jwks_status")),
            Err(HttpError::TooLarge) => Err(invalid("jwks_too_large")),
            Err(HttpError::Timeout) => Err(Failure::new(GateError::IdpTimeout, "jwks_timeout")),
        }
    }
}

/// Cognito's set has two keys in 1 kB.
const MAX_JWKS_BYTES: usize = 128 * 1024;
/// Cognito answers in some 50 ms.
const JWKS_TIMEOUT_MS: u32 = 4000;
/// Before the one retry; up to 255 ms are added.
const RETRY_AFTER_MS: u32 = 100;
/// Between looks at a fetch that another request makes.
const POLL_MS: u32 = 25;
/// Longer than such a fetch can take.
const MAX_ROUNDS: u32 = 400;
