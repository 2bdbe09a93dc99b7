//! What the gate asks of others, counted: what is paid for, and what has a limit.

use super::world::World;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// KV read operations; one may read several keys.
    pub kv_reads: u32,
    /// The keys that they read: what Cloudflare bills.
    pub keys_read: u32,
    pub kv_writes: u32,
    pub kv_deletes: u32,
    pub token_requests: u32,
    pub key_fetches: u32,
    pub revocations: u32,
    /// Questions to the guard (strict mode).
    pub questions: u32,
    /// Signatures of tokens that were checked, at this location alone.
    pub signature_checks: u32,
}

impl Counts {
    /// All that has been asked so far, by all locations over this one's KV, Cognito and guard.
    pub fn of(world: &World) -> Self {
        let length = |length: usize| u32::try_from(length).expect("few enough");
        Self {
            kv_reads: world.kv.reads.get(),
            keys_read: world.kv.keys_read.get(),
            kv_writes: world.kv.writes.get(),
            kv_deletes: world.kv.deletes.get(),
            token_requests: length(world.cognito.token_requests()),
            key_fetches: world.cognito.key_fetches.get(),
            revocations: world.cognito.revocations.get(),
            questions: world.guard.as_ref().map_or(0, |guard| length(guard.asked.borrow().len())),
            signature_checks: world.signature_checks.get(),
        }
    }

    /// What was asked since then.
    pub fn since(self, before: Self) -> Self {
        Self {
            kv_reads: self.kv_reads - before.kv_reads,
            keys_read: self.keys_read - before.keys_read,
            kv_writes: self.kv_writes - before.kv_writes,
            kv_deletes: self.kv_deletes - before.kv_deletes,
            token_requests: self.token_requests - before.token_requests,
            key_fetches: self.key_fetches - before.key_fetches,
            revocations: self.revocations - before.revocations,
            questions: self.questions - before.questions,
            signature_checks: self.signature_checks - before.signature_checks,
        }
    }
}
