//! The key set: from this isolate's memory, this location's cache, or Cognito, in that order.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::jose::jwk::KeySet;
use crate::jose::key_cache::{Decision, FRESH_SECS, FetchReason, MAX_STALE_SECS};
use crate::jose::unique_json;
use crate::ports::{HttpError, HttpRequest, HttpResponse, Ports, RsaPublicKey, UnixSecs};
use crate::session::seal::{self, Purpose};

use super::Gateway;
use super::error::{Error, ErrorCode};
use super::retry::{Pause, once_more};

/// Why there is no key for a token.
pub(crate) enum NoKey {
    /// The current key set does not have it: a verdict.
    Unknown,
    /// Could not know.
    Unavailable(Error),
}

/// A key set in the location's cache.
#[derive(Serialize, Deserialize)]
struct CachedKeySet<'a> {
    fetched_at: UnixSecs,
    /// As Cognito sent it.
    body: Cow<'a, str>,
}

/// The key of that id (RFC 7517 §4.5), fetching the key set if that may help. A known key does not wait for it.
pub(crate) async fn signing_key<P: Ports>(gateway: &Gateway<P>, key_id: &str) -> Result<RsaPublicKey, NoKey> {
    for _ in 0..MAX_ROUNDS {
        let now = gateway.runtime.now();
        let decision = gateway.isolate.jwks.borrow().decide(key_id, now);
        match decision {
            Decision::Use(key) => return Ok(key),
            Decision::UseAndFetch(key) => {
                fetch_in_background(gateway, now);
                return Ok(key);
            }
            Decision::Unknown => return Err(NoKey::Unknown),
            Decision::Unavailable => break,
            Decision::Wait => gateway.runtime.sleep(POLL_MS).await,
            // Its failure is remembered: the next decision is of it.
            Decision::Fetch(reason) => {
                fetch_now(gateway, reason, now).await.ok();
            }
        }
    }
    let error = gateway.isolate.jwks_error.get();
    Err(NoKey::Unavailable(error.unwrap_or_else(|| Error::new(ErrorCode::IdpUnavailable, "jwks_unavailable"))))
}

/// Whether Cognito gives its key set, for `/readyz`.
///
/// # Errors
/// It does not.
pub(crate) async fn check<P: Ports>(gateway: &Gateway<P>) -> Result<(), Error> {
    let now = gateway.runtime.now();
    if gateway.isolate.jwks.borrow().is_fresh(now) {
        return Ok(());
    }
    fetch_now(gateway, FetchReason::Stale, now).await
}

/// Fetches the key set in the background. No request waits for it, so its failure goes to the log.
fn fetch_in_background<P: Ports>(gateway: &Gateway<P>, now: UnixSecs) {
    gateway.isolate.jwks.borrow_mut().begin(now);
    let gateway_beside = gateway.clone();
    gateway.runtime.wait_until(Box::pin(async move {
        let gateway = gateway_beside;
        match fetch(&gateway, FetchReason::Stale, gateway.runtime.now()).await {
            Ok(Some(text)) => gateway.runtime.jwks_cache_put(&text, MAX_STALE_SECS).await,
            Ok(None) => {}
            Err(error) => {
                let fields = [("code", error.code.name()), ("reason", error.reason)];
                gateway.runtime.log(error.code.level(), "key_set_not_fetched", &fields);
            }
        }
    }));
}

/// One fetch that the request waits for. The location's cache is written in the background.
async fn fetch_now<P: Ports>(gateway: &Gateway<P>, reason: FetchReason, now: UnixSecs) -> Result<(), Error> {
    gateway.isolate.jwks.borrow_mut().begin(now);
    if let Some(text) = fetch(gateway, reason, now).await? {
        let runtime = gateway.runtime.clone();
        gateway.runtime.wait_until(Box::pin(async move { runtime.jwks_cache_put(&text, MAX_STALE_SECS).await }));
    }
    Ok(())
}

/// One fetch that has been marked as begun; its outcome is remembered. Gives the text for the location's cache, if it came from
/// Cognito.
async fn fetch<P: Ports>(gateway: &Gateway<P>, reason: FetchReason, now: UnixSecs) -> Result<Option<String>, Error> {
    let fetched = load_or_download(gateway, reason, now).await;
    if let Err(error) = &fetched {
        gateway.isolate.jwks.borrow_mut().fail(gateway.runtime.now());
        gateway.isolate.jwks_error.set(Some(*error));
    }
    fetched
}

async fn load_or_download<P: Ports>(gateway: &Gateway<P>, reason: FetchReason, now: UnixSecs) -> Result<Option<String>, Error> {
    let cached = load(gateway, now).await;
    if let (FetchReason::Stale, Some((keys, fetched_at))) = (reason, &cached)
        && now.saturating_sub(*fetched_at) < FRESH_SECS
    {
        gateway.isolate.jwks.borrow_mut().keep(keys.clone(), *fetched_at, reason);
        return Ok(None);
    }
    match download(gateway).await {
        Ok((keys, body)) => {
            gateway.isolate.jwks.borrow_mut().keep(keys, now, reason);
            Ok(seal_key_set(gateway, now, &body))
        }
        Err(error) => {
            // A new isolate in an outage: yesterday's keys are better than none.
            if let Some((keys, fetched_at)) = cached {
                gateway.isolate.jwks.borrow_mut().keep(keys, fetched_at, FetchReason::Stale);
            }
            Err(error)
        }
    }
}

/// The text for the location's cache: the body as Cognito sent it, and when. It is sealed, because other Workers of the zone can
/// write to the same cache, and a writer of keys could sign in as anybody.
fn seal_key_set<P: Ports>(gateway: &Gateway<P>, fetched_at: UnixSecs, body: &str) -> Option<String> {
    let text = serde_json::to_string(&CachedKeySet { fetched_at, body: body.into() }).ok()?;
    let issuer = &gateway.config.cognito.issuer;
    seal::seal(&gateway.config.sealing_keys, Purpose::KeySet, &[], issuer, text.as_bytes(), &gateway.runtime)
}

async fn load<P: Ports>(gateway: &Gateway<P>, now: UnixSecs) -> Option<(KeySet, UnixSecs)> {
    let sealed = gateway.runtime.jwks_cache_get().await?;
    let issuer = &gateway.config.cognito.issuer;
    let text = seal::open(&gateway.config.sealing_keys, Purpose::KeySet, &[], issuer, &sealed).ok()?;
    let CachedKeySet { fetched_at, body } = unique_json::read(&text)?;
    let young = fetched_at <= now && now.saturating_sub(fetched_at) < u64::from(MAX_STALE_SECS);
    KeySet::parse(body.as_bytes()).ok().filter(|_| young).map(|keys| (keys, fetched_at))
}

/// One download, and one more after a failure that may have been a moment's.
async fn download<P: Ports>(gateway: &Gateway<P>) -> Result<(KeySet, String), Error> {
    let request = || HttpRequest {
        url: gateway.config.jwks_url(),
        headers: vec![("accept", "application/json".to_owned())],
        form: None,
        timeout_ms: JWKS_TIMEOUT_MS,
        max_body_bytes: MAX_JWKS_BYTES,
    };
    let may_pass = |answer: &Result<HttpResponse, HttpError>| {
        matches!(answer, Err(HttpError::Unreachable) | Ok(HttpResponse { status: 500..=599, .. }))
    };
    let invalid = |reason| Error::new(ErrorCode::IdpInvalidResponse, reason);
    match once_more(gateway, BEFORE_RETRY, may_pass, async || gateway.runtime.cognito_send(request()).await).await {
        Ok(HttpResponse { status: 200, body, .. }) => {
            let keys = KeySet::parse(&body).map_err(|_| invalid("jwks_malformed"))?;
            let body = String::from_utf8(body).map_err(|_| invalid("jwks_malformed"))?;
            Ok((keys, body))
        }
        Ok(HttpResponse { status: 429, .. }) => Err(Error::new(ErrorCode::IdpThrottled, "jwks_429")),
        // 403 is a firewall's word, here as at the token endpoint.
        Ok(HttpResponse { status: 403 | 408 | 500..=599, .. }) | Err(HttpError::Unreachable) => {
            Err(Error::new(ErrorCode::IdpUnavailable, "jwks_unavailable"))
        }
        // No such user pool: no retry mends that.
        Ok(HttpResponse { status: 400..=499, .. }) => Err(Error::new(ErrorCode::IdpMisconfigured, "jwks_refused")),
        Ok(_) => Err(invalid("jwks_status")),
        Err(HttpError::TooLarge) => Err(invalid("jwks_too_large")),
        Err(HttpError::Timeout) => Err(Error::new(ErrorCode::IdpTimeout, "jwks_timeout")),
    }
}

/// Cognito's set has two keys in 1 kB.
const MAX_JWKS_BYTES: usize = 128 * 1024;
/// Cognito answers in some 50 ms.
const JWKS_TIMEOUT_MS: u32 = 4000;
const BEFORE_RETRY: Pause = Pause { at_least_ms: 100, spread_ms: u8::MAX };
/// Between looks at a fetch that another request makes.
const POLL_MS: u32 = 25;
/// Longer than such a fetch can take.
const MAX_ROUNDS: u32 = 400;
