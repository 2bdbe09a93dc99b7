//! Reads a body up to a limit, and never holds more.

use futures_util::StreamExt as _;
use worker::ByteStream;

/// Why a body was not read.
pub(super) enum ReadError {
    /// Longer than the limit.
    TooLarge,
    /// The stream broke; the error is the runtime's.
    Broken(worker::Error),
}

/// Reads `stream` to its end. The rest of a longer stream is cancelled.
pub(super) async fn read(mut stream: ByteStream, max_bytes: usize) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(ReadError::Broken)?;
        if bytes.len().saturating_add(chunk.len()) > max_bytes {
            return Err(ReadError::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
