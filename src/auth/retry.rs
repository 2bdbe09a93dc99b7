//! One more attempt, where it is safe: what failed at once may have been a moment's trouble. A time-out is not retried while a
//! request waits, so that no request waits twice as long for a server that does not answer.

use crate::ports::{KvError, Ports};

use super::Gateway;

/// The pause before another attempt, in milliseconds: at least `at_least`, and up to `spread` more by chance, so that requests
/// that failed together do not come again together.
#[derive(Clone, Copy)]
pub(crate) struct Pause {
    pub(crate) at_least_ms: u32,
    pub(crate) spread_ms: u8,
}

/// Waits.
pub(crate) async fn pause<P: Ports>(gateway: &Gateway<P>, Pause { at_least_ms, spread_ms }: Pause) {
    let mut drawn = [0];
    gateway.runtime.random_bytes(&mut drawn);
    let [drawn] = drawn;
    let more = u32::from(drawn).saturating_mul(u32::from(spread_ms)) / 255;
    gateway.runtime.sleep(at_least_ms.saturating_add(more)).await;
}

/// An attempt, and another one after a pause if the trouble of the first may have passed.
pub(crate) async fn once_more<P: Ports, T>(
    gateway: &Gateway<P>,
    before: Pause,
    may_pass: impl Fn(&T) -> bool,
    attempt: impl AsyncFn() -> T,
) -> T {
    let outcome = attempt().await;
    if !may_pass(&outcome) {
        return outcome;
    }
    pause(gateway, before).await;
    attempt().await
}

/// Reads KV, and once more after a failure that was told at once.
///
/// # Errors
/// KV could not answer.
pub(crate) async fn kv_get_many<P: Ports, const N: usize>(
    gateway: &Gateway<P>,
    keys: [&str; N],
) -> Result<[Option<String>; N], KvError> {
    let at_once = |answer: &Result<_, _>| matches!(answer, Err(KvError::TooManyWrites | KvError::Unavailable));
    once_more(gateway, BEFORE_KV_READ, at_once, async || gateway.runtime.kv_get_many(keys).await).await
}

/// A page waits for it.
const BEFORE_KV_READ: Pause = Pause { at_least_ms: 50, spread_ms: 100 };
