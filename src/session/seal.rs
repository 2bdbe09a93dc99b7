//! Sealing: XChaCha20-Poly1305 under a key that needs both the Worker's key ring and a secret that only the browser has.
//!
//! Sealed text is base64url of: format (1 byte) ‖ length of the ring key's name (1) ‖ name ‖ nonce (24) ‖ ciphertext. The sealing
//! key is HKDF-SHA-256(ring key ‖ secret, info = purpose and version). Associated data is format ‖ name ‖ context, where the
//! context is the full KV key or the cookie's name. So neither a dump of the store nor the Worker's keys alone open anything, and
//! no value can be moved to another place.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;

use crate::config::{KeyRing, RingKey};
use crate::ports::Random;

/// The purpose of a sealed text. Keys of different purposes are unrelated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A login state in its cookie.
    LoginState,
    /// Cognito's key set in the location's cache; sealed without a secret besides the ring's.
    KeySet,
    /// A session record in KV.
    Session,
}

/// Why sealed text does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Not sealed text, or of a format that this version does not read.
    #[error("unknown format")]
    UnknownFormat,
    /// Sealed under a key that is not in the ring (any more).
    #[error("unknown ring key")]
    UnknownKey,
    /// The ring key is known, but the text does not open: it was changed, moved, or sealed under another secret.
    #[error("does not open")]
    DoesNotOpen,
}

/// Seals `plain` with the ring's newest key and a new nonce. `None` only for a text beyond the cipher's limit (256 GB).
#[must_use]
pub fn seal(
    keys: &KeyRing,
    purpose: Purpose,
    secret: &[u8],
    context: &str,
    plain: &[u8],
    random: &impl Random,
) -> Option<String> {
    let ring_key = keys.newest();
    let mut nonce = [0; NONCE_BYTES];
    random.random_bytes(&mut nonce);
    let payload = Payload { msg: plain, aad: &associated_data(ring_key.name(), context) };
    let sealed = cipher(ring_key, purpose, secret)?.encrypt(XNonce::from_slice(&nonce), payload).ok()?;

    let mut bytes = vec![FORMAT, u8::try_from(ring_key.name().len()).ok()?];
    bytes.extend_from_slice(ring_key.name().as_bytes());
    bytes.extend_from_slice(&nonce);
    bytes.extend_from_slice(&sealed);
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// Opens the text of [`seal`] for the same purpose, secret and context.
///
/// # Errors
/// The text does not open, for this reason. Must not be treated as absent.
pub fn open(keys: &KeyRing, purpose: Purpose, secret: &[u8], context: &str, sealed: &str) -> Result<Vec<u8>, OpenError> {
    let bytes = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| OpenError::UnknownFormat)?;
    let (name, nonce, ciphertext) = parts(&bytes).ok_or(OpenError::UnknownFormat)?;
    let ring_key = keys.find(name).ok_or(OpenError::UnknownKey)?;
    let payload = Payload { msg: ciphertext, aad: &associated_data(ring_key.name(), context) };
    let cipher = cipher(ring_key, purpose, secret).ok_or(OpenError::DoesNotOpen)?;
    cipher.decrypt(XNonce::from_slice(nonce), payload).map_err(|_| OpenError::DoesNotOpen)
}

fn parts(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (format, rest) = bytes.split_first()?;
    let (name_len, rest) = rest.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*name_len))?;
    let (nonce, ciphertext) = rest.split_at_checked(NONCE_BYTES)?;
    (*format == FORMAT).then_some((name, nonce, ciphertext))
}

fn cipher(ring_key: &RingKey, purpose: Purpose, secret: &[u8]) -> Option<XChaCha20Poly1305> {
    let info = match purpose {
        Purpose::LoginState => "edgegate/flow/1",
        Purpose::KeySet => "edgegate/key-set/1",
        Purpose::Session => "edgegate/session/1",
    };
    let material = [ring_key.expose().as_slice(), secret].concat();
    let mut key = Key::default();
    Hkdf::<Sha256>::new(None, &material).expand(info.as_bytes(), &mut key).ok()?;
    Some(XChaCha20Poly1305::new(&key))
}

/// Includes the length of the name, so that no byte can move between name and context.
fn associated_data(name: &str, context: &str) -> Vec<u8> {
    format!("{FORMAT}:{}:{name}:{context}", name.len()).into_bytes()
}

/// Grows with every incompatible change. Older formats are then read by their number, never guessed.
const FORMAT: u8 = 1;
const NONCE_BYTES: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    struct Counter(Cell<u8>);

    impl Random for Counter {
        fn random_bytes(&self, bytes: &mut [u8]) {
            bytes.fill(self.0.get());
            self.0.set(self.0.get().wrapping_add(1));
        }
    }

    fn ring(text: &str) -> KeyRing {
        KeyRing::parse(text).expect("valid ring")
    }

    const V1: &str = "v1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    const V2: &str = "v2:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

    fn sealed() -> String {
        seal(&ring(V1), Purpose::Session, b"secret", "session/a/b", b"hello", &Counter(Cell::new(0))).expect("seals")
    }

    #[test]
    fn what_was_sealed_opens_also_with_the_older_key_of_a_ring() {
        let rotated = ring(&format!("{V2},{V1}"));
        assert_eq!(open(&rotated, Purpose::Session, b"secret", "session/a/b", &sealed()).as_deref(), Ok(&b"hello"[..]));
        assert_eq!(open(&ring(V2), Purpose::Session, b"secret", "session/a/b", &sealed()), Err(OpenError::UnknownKey));
    }

    #[test]
    fn purpose_secret_and_context_are_all_needed() {
        let keys = ring(V1);
        for (purpose, secret, context) in [
            (Purpose::LoginState, &b"secret"[..], "session/a/b"),
            (Purpose::KeySet, b"secret", "session/a/b"),
            (Purpose::Session, b"Secret", "session/a/b"),
            (Purpose::Session, b"", "session/a/b"),
            (Purpose::Session, b"secret", "session/a/c"),
            (Purpose::Session, b"secret", ""),
        ] {
            assert_eq!(open(&keys, purpose, secret, context, &sealed()), Err(OpenError::DoesNotOpen));
        }
    }

    #[test]
    fn no_bit_can_be_changed() {
        let bytes = URL_SAFE_NO_PAD.decode(sealed()).expect("base64");
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            let text = URL_SAFE_NO_PAD.encode(changed);
            assert!(open(&ring(V1), Purpose::Session, b"secret", "session/a/b", &text).is_err(), "byte {index}");
        }
    }

    #[test]
    fn what_is_no_sealed_text_is_told_from_what_does_not_open() {
        let bytes = URL_SAFE_NO_PAD.decode(sealed()).expect("base64");
        // format (1), length (1), name (2), nonce (24), then the text and its tag (16)
        let cut = |length: usize| URL_SAFE_NO_PAD.encode(&bytes[..length]);
        let with = |index: usize, byte: u8| {
            let mut changed = bytes.clone();
            changed[index] = byte;
            URL_SAFE_NO_PAD.encode(changed)
        };
        for (text, error) in [
            (String::new(), OpenError::UnknownFormat),
            ("!".to_owned(), OpenError::UnknownFormat),
            (format!("{}=", sealed()), OpenError::UnknownFormat),
            (cut(1), OpenError::UnknownFormat),
            (cut(2), OpenError::UnknownFormat),
            (cut(27), OpenError::UnknownFormat),
            (cut(28), OpenError::DoesNotOpen),
            (cut(43), OpenError::DoesNotOpen),
            (cut(bytes.len() - 1), OpenError::DoesNotOpen),
            (with(0, 0), OpenError::UnknownFormat),
            (with(0, 2), OpenError::UnknownFormat),
            (with(1, 255), OpenError::UnknownFormat),
            (with(1, 0), OpenError::UnknownKey),
            (with(2, b'V'), OpenError::UnknownKey),
            (with(4, 1), OpenError::DoesNotOpen),
            (with(28, 0), OpenError::DoesNotOpen),
        ] {
            assert_eq!(open(&ring(V1), Purpose::Session, b"secret", "session/a/b", &text), Err(error), "{text}");
        }
    }

    #[test]
    fn the_format_is_the_documented_one() {
        // Computed independently of this code (HKDF, HChaCha20 and ChaCha20-Poly1305 by hand), as the head of this file describes
        // it.
        for (purpose, sealed_and_tag) in [
            (Purpose::LoginState, "FV1vP7QslCcOCCTmdNKpV7mw-o5KQ"),
            (Purpose::KeySet, "HMt1xTxve7219YAg-v61gLW0B3R9A"),
            (Purpose::Session, "BHqqOYPBgLAhJ7Ao1gEFrDYcZX30Q"),
        ] {
            let text = seal(&ring(V1), purpose, b"secret", "session/a/b", b"hello", &Counter(Cell::new(0))).expect("seals");
            assert_eq!(text, format!("AQJ2MQ{}{sealed_and_tag}", "A".repeat(31)), "{purpose:?}");
        }
        let empty = seal(&ring(V1), Purpose::Session, b"", "", b"", &Counter(Cell::new(0))).expect("seals");
        assert_eq!(open(&ring(V1), Purpose::Session, b"", "", &empty), Ok(Vec::new()));
    }

    #[test]
    fn a_nonce_is_new_each_time() {
        let random = Counter(Cell::new(0));
        let once = || seal(&ring(V1), Purpose::LoginState, b"s", "c", b"same", &random);
        assert_ne!(once(), once());
    }
}
