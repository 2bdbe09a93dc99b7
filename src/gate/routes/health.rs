//! `GET /healthz` (configuration only) and `GET /readyz` (KV and key set reachable, remembered for a moment).

use serde::Serialize;

use crate::ports::Ports;

use super::{Answer, Failure, Gate, GateError};

#[derive(Serialize)]
struct HealthBody {
    status: &'static str,
}

impl<P: Ports> Gate<P> {
    /// A wrong configuration never comes here.
    pub(super) fn healthz() -> Answer {
        Answer::json(200, &HealthBody { status: "ok" })
    }

    /// No details: which part is missing is the error's code.
    pub(super) async fn readyz(&self) -> Result<Answer, Failure> {
        match self.readiness().await {
            None => Ok(Self::healthz()),
            Some(error) => Err(Failure::new(error, "not_ready")),
        }
    }

    /// What is missing, if anything. One request at a time looks; the others wait for what it finds.
    async fn readiness(&self) -> Option<GateError> {
        loop {
            let now = self.ports.now();
            let known = self.memory.readiness.get();
            if let Some((error, checked_at)) = known
                && now < checked_at.saturating_add(REMEMBERED_SECS)
            {
                return error;
            }
            if now >= self.memory.checking_until.get() {
                self.memory.checking_until.set(now.saturating_add(LOOK_SECS));
                let error = self.check_readiness().await.err().map(|failure| failure.error);
                self.memory.readiness.set(Some((error, self.ports.now())));
                self.memory.checking_until.set(0);
                return error;
            }
            self.ports.sleep(POLL_MS).await;
        }
    }

    async fn check_readiness(&self) -> Result<(), Failure> {
        // A name that was never asked for: KV answers others for 30 s from what it read, and may be gone meanwhile.
        let [_] = self.ports.read([&format!("readyz/{}", self.ports.now_ms())]).await?;
        self.keys_ready().await
    }
}

/// A monitor, or a hundred, must not become a load.
const REMEMBERED_SECS: u64 = 10;
/// Longer than a look can take, so that one that was cancelled blocks nobody for long.
const LOOK_SECS: u64 = 20;
const POLL_MS: u32 = 100;
