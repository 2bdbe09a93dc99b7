//! Cloudflare's plans as of November 2026 (docs/scale.md names the pages): where the free one ends and what the paid one costs.

use crate::support::Counts;

use super::day::Spent;

/// What one user and day uses, on average.
#[derive(Clone, Copy, Debug, Default)]
pub struct Use {
    pub requests: f64,
    pub keys_read: f64,
    pub writes: f64,
    pub deletes: f64,
    pub questions: f64,
    /// Of the guards' tables.
    pub rows_written: f64,
}

impl Use {
    pub fn of_requests(requests: f64) -> Self {
        Self { requests, ..Self::default() }
    }

    pub fn mean(days: &[Spent]) -> Self {
        let days_lived = f64::from(u32::try_from(days.len()).expect("few"));
        let mean = |of: fn(&Spent) -> u32| days.iter().map(|day| f64::from(of(day))).sum::<f64>() / days_lived;
        Self {
            requests: mean(|day| day.requests),
            keys_read: mean(|day| day.counts.keys_read),
            writes: mean(|day| day.counts.kv_writes),
            deletes: mean(|day| day.counts.kv_deletes),
            questions: mean(|day| day.counts.questions),
            rows_written: mean(|day| rows(day.counts)),
        }
    }
}

/// A lease and a save for each renewal, a save and its alarm for the sign-in, the end.
fn rows(Counts { questions, token_requests, .. }: Counts) -> u32 {
    if questions == 0 { 0 } else { 2 * (token_requests - 1) + 3 }
}

/// Users a day before each of the free plan's daily limits.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "limits over small numbers")]
pub fn free_plan_users(per_user: &Use) -> Vec<(&'static str, u64)> {
    [
        ("requests", 100_000.0, per_user.requests),
        ("keys read", 100_000.0, per_user.keys_read),
        ("keys written", 1_000.0, per_user.writes),
        ("keys deleted", 1_000.0, per_user.deletes),
        ("guard questions", 100_000.0, per_user.questions),
        ("guard rows", 100_000.0, per_user.rows_written),
    ]
    .map(|(name, limit, each)| (name, if each == 0.0 { u64::MAX } else { (limit / each) as u64 }))
    .to_vec()
}

/// The limit that is met first.
pub fn first(per_user: &Use) -> (&'static str, u64) {
    free_plan_users(per_user).into_iter().min_by_key(|(_, users)| *users).expect("limits")
}

/// A month of the paid plan.
pub struct Dollars {
    pub requests: f64,
    pub cpu: f64,
    pub reads: f64,
    /// Writes and deletes.
    pub writes: f64,
    pub guards: f64,
}

impl Dollars {
    /// With the plan's own five.
    pub fn total(&self) -> f64 {
        5.0 + self.requests + self.cpu + self.reads + self.writes + self.guards
    }
}

/// For so many users on each of 30 days.
pub fn monthly_dollars(per_user: &Use, users: u32) -> Dollars {
    let month = f64::from(users) * 30.0;
    let above = |used: f64, included: f64, dollars_a_million: f64| (used * month - included).max(0.0) / 1e6 * dollars_a_million;
    Dollars {
        requests: above(per_user.requests, 10e6, 0.30),
        cpu: above(per_user.requests * CPU_MS, 30e6, 0.02),
        reads: above(per_user.keys_read, 10e6, 0.50),
        writes: above(per_user.writes, 1e6, 5.0) + above(per_user.deletes, 1e6, 5.0),
        guards: above(per_user.questions, 1e6, 0.15)
            + above(per_user.questions * GUARD_SECS * GUARD_GB, 400_000.0, 12.50)
            + above(per_user.rows_written, 50e6, 1.0),
    }
}

/// A request's CPU time: assumed.
const CPU_MS: f64 = 1.0;
/// How long a guard is at work for a question: assumed.
const GUARD_SECS: f64 = 0.01;
/// What a Durable Object counts as, whatever it uses.
const GUARD_GB: f64 = 0.128;
