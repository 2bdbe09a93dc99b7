//! `GET /healthz` (configuration only) and `GET /readyz` (KV and key set reachable, remembered for a moment).

use serde_json::json;

use crate::ports::{IncomingRequest, Ports};

use super::visit::Visit;
use super::{Answer, Failure, Gate};

impl<P: Ports> Gate<P> {
    /// A wrong configuration never comes here.
    pub(super) fn healthz() -> Answer {
        Answer::json(200, &json!({"status": "ok"}))
    }

    /// No details: which part is missing is the error's code.
    pub(super) async fn readyz<R: IncomingRequest>(&self, visit: &Visit<'_, R>) -> Result<Answer, Failure> {
        let remembered =
            self.memory.readiness.get().filter(|(_, checked_at)| visit.now < checked_at.saturating_add(REMEMBERED_SECS));
        let error = if let Some((error, _)) = remembered {
            error
        } else {
            let error = self.check_readiness().await.err().map(|failure| failure.error);
            self.memory.readiness.set(Some((error, visit.now)));
            error
        };
        match error {
            None => Ok(Answer::json(200, &json!({"status": "ok"}))),
            Some(error) => Err(Failure::new(error, "not_ready")),
        }
    }

    async fn check_readiness(&self) -> Result<(), Failure> {
        let [_] = self.ports.read(["readyz"]).await?;
        self.keys_ready().await
    }
}

/// A monitor, or a hundred, must not become a load.
const REMEMBERED_SECS: u64 = 10;
