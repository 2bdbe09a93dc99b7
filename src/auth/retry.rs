//! One more attempt, where it is safe: what failed at once may have been a moment's trouble. A time-out is waited for once, so
//! that no request waits twice as long for what does not answer.

use crate::ports::{KvError, Ports};

use super::Gate;

impl<P: Ports> Gate<P> {
    /// Waits before another attempt: `at_least_ms` and up to `spread_ms` more, by chance, so that what failed together is not
    /// tried again together.
    pub(super) async fn pause(&self, at_least_ms: u32, spread_ms: u8) {
        let mut drawn = [0];
        self.ports.fill(&mut drawn);
        let [drawn] = drawn;
        let more = u32::from(drawn).saturating_mul(u32::from(spread_ms)) / 255;
        self.ports.sleep(at_least_ms.saturating_add(more)).await;
    }

    /// Reads KV, and once more after a failure that was told at once.
    ///
    /// # Errors
    /// KV could not answer.
    pub(super) async fn read<const N: usize>(&self, keys: [&str; N]) -> Result<[Option<String>; N], KvError> {
        let answer = self.ports.read(keys).await;
        if !matches!(answer, Err(KvError::TooManyWrites | KvError::Unavailable)) {
            return answer;
        }
        self.pause(READ_AGAIN_MS, READ_AGAIN_SPREAD_MS).await;
        self.ports.read(keys).await
    }
}

/// A page waits for it.
const READ_AGAIN_MS: u32 = 50;
const READ_AGAIN_SPREAD_MS: u8 = 100;
