//! Workers KV. Values are text, read in bulk; errors are told apart by the number in the runtime's message. Each operation is
//! bounded in time: one that hangs is one that failed.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use worker::kv::{KvError as WorkerKvError, KvStore};
use worker::{Delay, Env};

use crate::ports::{KvError, UnixSecs};

use super::env::SESSIONS;

fn store(env: &Env) -> Result<KvStore, KvError> {
    env.kv(SESSIONS).map_err(|_| KvError::Unavailable)
}

/// Reads the keys in one operation.
pub(super) async fn read<const N: usize>(env: &Env, keys: [&str; N]) -> Result<[Option<String>; N], KvError> {
    let store = store(env)?;
    let mut values = in_time(store.get_bulk(&keys).cache_ttl(READ_CACHE_SECS).text()).await?;
    // An answer that does not name a key is no answer about it.
    let mut read = [const { None }; N];
    for (slot, key) in read.iter_mut().zip(keys) {
        *slot = values.remove(key).ok_or(KvError::Unavailable)?;
    }
    Ok(read)
}

/// Writes a value that expires.
pub(super) async fn write(env: &Env, key: &str, value: &str, expires_at: UnixSecs) -> Result<(), KvError> {
    let put = store(env)?.put(key, value).map_err(|error| classify(&error))?;
    in_time(put.expiration(expires_at).execute()).await
}

/// Deletes a key.
pub(super) async fn delete(env: &Env, key: &str) -> Result<(), KvError> {
    let store = store(env)?;
    in_time(store.delete(key)).await
}

async fn in_time<T>(operation: impl Future<Output = Result<T, WorkerKvError>>) -> Result<T, KvError> {
    let limit = Delay::from(Duration::from_millis(TIMEOUT_MS));
    match select(pin!(operation), limit).await {
        Either::Left((done, _)) => done.map_err(|error| classify(&error)),
        Either::Right(_) => Err(KvError::Timeout),
    }
}

fn classify(error: &WorkerKvError) -> KvError {
    if error.to_string().contains("429") { KvError::TooManyWrites } else { KvError::Unavailable }
}

/// The least that KV takes: how long a location may go on with what it read.
const READ_CACHE_SECS: u64 = 30;
/// A cold read takes a few hundred milliseconds, a write a second at times.
const TIMEOUT_MS: u64 = 8000;
