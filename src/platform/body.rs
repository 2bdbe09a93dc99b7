//! Reading a body up to a limit, without ever holding more.

use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{ReadableStream, ReadableStreamDefaultReader};

/// Why a body was not read.
pub(super) enum ReadError {
    /// Longer than the limit.
    TooLarge,
    /// It broke off, with what the runtime threw.
    Broken(JsValue),
}

/// Reads `stream` to its end.
pub(super) async fn read(stream: Option<ReadableStream>, max_bytes: usize) -> Result<Vec<u8>, ReadError> {
    let Some(stream) = stream else { return Ok(Vec::new()) };
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    let mut bytes = Vec::new();
    loop {
        let chunk = JsFuture::from(reader.read()).await.map_err(ReadError::Broken)?;
        let done = Reflect::get(&chunk, &"done".into()).is_ok_and(|done| done.is_truthy());
        if done {
            return Ok(bytes);
        }
        let value = Reflect::get(&chunk, &"value".into()).map_err(ReadError::Broken)?;
        let value: Uint8Array = value.dyn_into().map_err(ReadError::Broken)?;
        if bytes.len().saturating_add(value.length() as usize) > max_bytes {
            drop(reader.cancel());
            return Err(ReadError::TooLarge);
        }
        bytes.extend_from_slice(&value.to_vec());
    }
}
