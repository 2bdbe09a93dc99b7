//! Workers KV. Values are text, read in bulk; errors are told apart by the number in the runtime's message.

use worker::Env;
use worker::kv::{KvError as WorkerKvError, KvStore};

use crate::ports::{KvError, UnixSecs};

use super::env::SESSIONS;

fn store(env: &Env) -> Result<KvStore, KvError> {
    env.kv(SESSIONS).map_err(|_| KvError::Unavailable)
}

/// Reads the keys in one operation.
pub(super) async fn read<const N: usize>(env: &Env, keys: [&str; N]) -> Result<[Option<String>; N], KvError> {
    let mut values = store(env)?.get_bulk(&keys).cache_ttl(READ_CACHE_SECS).text().await.map_err(|error| classify(&error))?;
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
    put.expiration(expires_at).execute().await.map_err(|error| classify(&error))
}

/// Deletes a key.
pub(super) async fn delete(env: &Env, key: &str) -> Result<(), KvError> {
    store(env)?.delete(key).await.map_err(|error| classify(&error))
}

fn classify(error: &WorkerKvError) -> KvError {
    if error.to_string().contains("429") { KvError::TooManyWrites } else { KvError::Unavailable }
}

/// The least that KV takes: how long a location may go on with what it read.
const READ_CACHE_SECS: u64 = 30;
