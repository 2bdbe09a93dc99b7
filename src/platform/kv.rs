//! Workers KV. Values are text, read in bulk. Each operation is bounded in time.

use std::future::Future;

use worker::Env;
use worker::kv::{KvError as WorkerKvError, KvStore};

use crate::ports::{KvError, UnixSecs};

use super::env::SESSIONS;
use super::time::within;

/// Reads the keys in one operation.
pub(super) async fn read<const N: usize>(env: &Env, keys: [&str; N]) -> Result<[Option<String>; N], KvError> {
    let mut values =
        in_time(store(env)?.get_bulk(&keys).cache_ttl(READ_CACHE_SECS).text()).await?.map_err(|_| KvError::Unavailable)?;
    // A key that is missing in the answer counts as unanswered, not as absent.
    let mut read = [const { None }; N];
    for (slot, key) in read.iter_mut().zip(keys) {
        *slot = values.remove(key).ok_or(KvError::Unavailable)?;
    }
    Ok(read)
}

/// Writes a value that expires.
pub(super) async fn write(env: &Env, key: &str, value: &str, expires_at: UnixSecs) -> Result<(), KvError> {
    let put = store(env)?.put(key, value).map_err(|error| of_a_write(&error))?;
    in_time(put.expiration(expires_at).execute()).await?.map_err(|error| of_a_write(&error))
}

/// Deletes a key.
pub(super) async fn delete(env: &Env, key: &str) -> Result<(), KvError> {
    let store = store(env)?;
    in_time(store.delete(key)).await?.map_err(|_| KvError::Unavailable)
}

fn store(env: &Env) -> Result<KvStore, KvError> {
    env.kv(SESSIONS).map_err(|_| KvError::Unavailable)
}

async fn in_time<T>(operation: impl Future<Output = T>) -> Result<T, KvError> {
    within(TIMEOUT_MS, operation).await.ok_or(KvError::Timeout)
}

/// KV limits writes per key. Only the status in the message tells that the limit was exceeded: `KV PUT failed: 429 …`.
fn of_a_write(error: &WorkerKvError) -> KvError {
    let WorkerKvError::JavaScript(thrown) = error else { return KvError::Unavailable };
    let message = format!("{thrown:?}");
    if message.contains("KV PUT failed: 429") { KvError::TooManyWrites } else { KvError::Unavailable }
}

/// The minimum that KV accepts: how long a location may reuse a read value.
const READ_CACHE_SECS: u64 = 30;
/// A cold read takes a few hundred milliseconds, a write sometimes a second.
const TIMEOUT_MS: u32 = 8000;
