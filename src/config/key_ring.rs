//! The key ring that seals sessions and login states (`SESSION_KEYS`).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A named 256-bit key.
#[derive(Clone, PartialEq, Eq)]
pub struct RingKey {
    name: String,
    key: [u8; 32],
}

impl RingKey {
    /// The key's name, written in clear into each sealed text.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key itself.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.key
    }
}

impl fmt::Debug for RingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:[redacted]", self.name)
    }
}

/// The first key seals, all keys open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRing {
    newest: RingKey,
    older: Vec<RingKey>,
}

impl KeyRing {
    /// Parses `v2:<base64>,v1:<base64>`. A repeated name, a key that is not 32 bytes, and a key of one repeated byte (above all
    /// zeros) are refused: such a key is not random.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut keys = text.split(',').map(|item| parse_key(item.trim())).collect::<Option<Vec<_>>>()?;
        let repeated = keys.iter().enumerate().any(|(index, key)| keys.iter().take(index).any(|other| other.name == key.name));
        if repeated || keys.len() > MAX_KEYS {
            return None;
        }
        let newest = keys.remove(0);
        Some(Self { newest, older: keys })
    }

    /// The key that seals.
    #[must_use]
    pub fn newest(&self) -> &RingKey {
        &self.newest
    }

    /// The key of that name.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<&RingKey> {
        self.all().find(|key| key.name.as_bytes() == name)
    }

    /// All keys, the newest first.
    pub fn all(&self) -> impl Iterator<Item = &RingKey> {
        std::iter::once(&self.newest).chain(&self.older)
    }
}

fn parse_key(item: &str) -> Option<RingKey> {
    let (name, encoded) = item.split_once(':')?;
    let named = (1..=MAX_NAME_CHARS).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let key: [u8; 32] = STANDARD.decode(encoded).ok()?.try_into().ok()?;
    let [first, ..] = key;
    let repeated_byte = key.iter().all(|byte| *byte == first);
    (named && !repeated_byte).then(|| RingKey { name: name.to_owned(), key })
}

/// A rotation needs two keys. More than a few means that old keys were never dropped.
const MAX_KEYS: usize = 8;
/// Each sealed text contains a name.
const MAX_NAME_CHARS: usize = 16;
