//! The clock, and time limits: an operation of the runtime that hangs has failed.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use worker::Delay;

/// Whole milliseconds since the Unix epoch.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "far below 2^53")]
pub(super) fn now_ms() -> u64 {
    js_sys::Date::now() as u64
}

/// Waits for `duration_ms` milliseconds.
pub(super) async fn sleep(duration_ms: u32) {
    Delay::from(Duration::from_millis(duration_ms.into())).await;
}

/// The result of `work`, or `None` when it takes longer.
pub(super) async fn within<T>(limit_ms: u32, work: impl Future<Output = T>) -> Option<T> {
    match select(pin!(work), pin!(sleep(limit_ms))).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}
