//! `GET /healthz` (configuration only) and `GET /readyz` (KV and key set reachable, remembered for a moment).

use serde::Serialize;

use crate::auth::error::{Error, ErrorCode};
use crate::auth::{Gateway, jwks};
use crate::gate::{Failure, Response};
use crate::ports::Ports;

#[derive(Serialize)]
struct HealthBody {
    status: &'static str,
}

/// A wrong configuration never comes here.
pub(in crate::gate) fn healthz() -> Response {
    Response::json(200, &HealthBody { status: "ok" })
}

/// No details: what is missing is the error's code.
pub(in crate::gate) async fn readyz<P: Ports>(gateway: &Gateway<P>) -> Result<Response, Failure> {
    match readiness(gateway).await {
        None => Ok(healthz()),
        Some(code) => Err(Failure::new(code, "not_ready")),
    }
}

/// What is missing, if anything. One request at a time checks; the others wait for its result.
async fn readiness<P: Ports>(gateway: &Gateway<P>) -> Option<ErrorCode> {
    let isolate = &gateway.isolate;
    loop {
        let now = gateway.runtime.now();
        if let Some((missing, checked_at)) = isolate.readiness.get()
            && now < checked_at.saturating_add(REMEMBERED_SECS)
        {
            return missing;
        }
        let lease = isolate.readiness_checks.borrow_mut().take(&[], CHECK_SECS, now);
        if let Some(lease) = lease {
            let missing = check(gateway).await.err().map(|error| error.code);
            isolate.readiness.set(Some((missing, gateway.runtime.now())));
            isolate.readiness_checks.borrow_mut().release(&[], lease);
            return missing;
        }
        gateway.runtime.sleep(POLL_MS).await;
    }
}

async fn check<P: Ports>(gateway: &Gateway<P>) -> Result<(), Error> {
    // A name that was never asked for: KV answers others for 30 s from what it read, and may be gone meanwhile.
    let [_] = gateway.runtime.kv_get_many([&format!("readyz/{}", gateway.runtime.now_ms())]).await?;
    jwks::check(gateway).await
}

/// A monitor, or a hundred, must not become a load.
const REMEMBERED_SECS: u64 = 10;
/// Longer than a check can take, so that one that was cancelled blocks nobody for long.
const CHECK_SECS: u64 = 20;
const POLL_MS: u32 = 100;
