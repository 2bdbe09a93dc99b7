//! The value of the session cookie, and the KV keys derived from it.
//!
//! | KV key | value | written by | expires |
//! |---|---|---|---|
//! | `session/<user tag>/<hash>` | sealed record | login, refresh | with the session |
//! | `ended/<user tag>/<hash>` | `1` | logout, a login that replaces the session | with the session |
//! | `ended/<user tag>` | Unix seconds: sessions created up to then are refused | sign-out everywhere | with the last of them |

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::config::{KeyRing, RingKey};
use crate::ports::Random;

/// A session id: user tag ‖ 32-byte secret. Its text is the cookie's value; KV sees only a hash of the secret.
///
/// The secret is 24 random bytes and 8 bytes that only a holder of the key ring can compute from them and the tag. A forged id is
/// therefore detected without any look-up, and never costs a write.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionId {
    user_tag: [u8; USER_TAG_BYTES],
    secret: [u8; SECRET_BYTES],
}

impl SessionId {
    /// A new id for a user.
    #[must_use]
    pub fn generate(random: &impl Random, keys: &KeyRing, issuer: &str, subject: &str) -> Self {
        let (mut drawn, user_tag) = ([0; RANDOM_BYTES], user_tag(issuer, subject));
        random.random_bytes(&mut drawn);
        let mut secret = [0; SECRET_BYTES];
        let mac = mac(keys.newest(), user_tag, drawn);
        secret.iter_mut().zip(drawn.into_iter().chain(mac)).for_each(|(to, from)| *to = from);
        Self { user_tag, secret }
    }

    /// Whether a gateway with a key of this ring made the id. It says nothing about the session: a refreshed session outlives the
    /// key of its id.
    #[must_use]
    pub fn is_from(&self, keys: &KeyRing) -> bool {
        let Some((drawn, sent)) = self.secret.split_first_chunk::<RANDOM_BYTES>() else { return false };
        keys.all().any(|key| mac(key, self.user_tag, *drawn).as_slice().ct_eq(sent).into())
    }

    /// Reads a cookie's value: exactly 64 characters of base64url, checked before any look-up.
    #[must_use]
    pub fn parse(cookie: &str) -> Option<Self> {
        if cookie.len() != COOKIE_CHARS {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(cookie).ok()?;
        let (user_tag, secret) = bytes.split_at_checked(USER_TAG_BYTES)?;
        Some(Self { user_tag: user_tag.try_into().ok()?, secret: secret.try_into().ok()? })
    }

    /// The cookie's value.
    #[must_use]
    pub fn expose(&self) -> String {
        URL_SAFE_NO_PAD.encode([self.user_tag.as_slice(), &self.secret].concat())
    }

    /// The part that opens the record.
    #[must_use]
    pub fn secret(&self) -> &[u8] {
        &self.secret
    }

    /// Whether the id was made for this user.
    #[must_use]
    pub fn is_of(&self, issuer: &str, subject: &str) -> bool {
        self.user_tag == user_tag(issuer, subject)
    }

    /// The names of the session.
    #[must_use]
    pub fn names(&self) -> SessionNames {
        let hash = Sha256::new().chain_update("edgegate/lookup/1").chain_update(self.secret).finalize();
        let mut bytes = [0; KEY_BYTES];
        bytes.iter_mut().zip(self.user_tag.into_iter().chain(hash)).for_each(|(to, from)| *to = from);
        SessionNames(bytes)
    }
}

/// The names of a session: in KV, at its guard, in this isolate and in the log. Kept as bytes, user tag ‖ hash of the secret,
/// because most requests need none of the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionNames([u8; KEY_BYTES]);

impl SessionNames {
    /// The session's name in this isolate's caches.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The KV key of the sealed record.
    #[must_use]
    pub fn record_key(&self) -> String {
        ["session/", &self.user_tag(), "/", &self.hash()].concat()
    }

    /// The KV key of a logout's marker.
    #[must_use]
    pub fn marker_key(&self) -> String {
        ["ended/", &self.user_tag(), "/", &self.hash()].concat()
    }

    /// The KV key of the marker of a sign-out everywhere.
    #[must_use]
    pub fn user_marker_key(&self) -> String {
        ["ended/", &self.user_tag()].concat()
    }

    /// The hash of the secret: the session's name at its user's guard.
    #[must_use]
    pub fn hash(&self) -> String {
        self.encoded(USER_TAG_BYTES..KEY_BYTES)
    }

    /// The tag of the user: the name of the user's guard.
    #[must_use]
    pub fn user_tag(&self) -> String {
        self.encoded(0..USER_TAG_BYTES)
    }

    /// Eight characters of the hash, to follow a session through the log. They give no access.
    #[must_use]
    pub fn log_name(&self) -> String {
        self.encoded(USER_TAG_BYTES..USER_TAG_BYTES + LOG_NAME_BYTES)
    }

    fn encoded(&self, part: Range<usize>) -> String {
        URL_SAFE_NO_PAD.encode(self.0.get(part).unwrap_or_default())
    }
}

/// The KV key of the marker of a sign-out everywhere, for a user without a session at hand.
pub(super) fn user_marker_key(issuer: &str, subject: &str) -> String {
    ["ended/", &URL_SAFE_NO_PAD.encode(user_tag(issuer, subject))].concat()
}

/// Unkeyed, so that it survives a key rotation. No secret, because issuer and subject are none.
fn user_tag(issuer: &str, subject: &str) -> [u8; USER_TAG_BYTES] {
    let digest =
        Sha256::new().chain_update("edgegate/user/1").chain_update(issuer).chain_update([0]).chain_update(subject).finalize();
    let mut tag = [0; USER_TAG_BYTES];
    tag.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    tag
}

/// A pseudo-random function of tag and random bytes under a ring key (RFC 5869 §2.3).
fn mac(key: &RingKey, user_tag: [u8; USER_TAG_BYTES], drawn: [u8; RANDOM_BYTES]) -> [u8; MAC_BYTES] {
    let mut mac = [0; MAC_BYTES];
    let expanded = Hkdf::<Sha256>::new(None, key.expose()).expand_multi_info(&[MAC_LABEL, &user_tag, &drawn], &mut mac);
    debug_assert!(expanded.is_ok(), "eight bytes are within HKDF's limit");
    mac
}

const USER_TAG_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;
/// 192 bits cannot be guessed.
const RANDOM_BYTES: usize = 24;
/// 64 bits: a lucky guess costs a write, and opens nothing.
const MAC_BYTES: usize = 8;
const MAC_LABEL: &[u8] = b"edgegate/session-id/1";
/// Base64url of 48 bytes.
const COOKIE_CHARS: usize = 64;
const KEY_BYTES: usize = USER_TAG_BYTES + 32;
/// Eight characters.
const LOG_NAME_BYTES: usize = 6;

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    struct Fixed;

    impl Random for Fixed {
        fn random_bytes(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    /// Rings of one to three keys, newest first.
    fn ring(names: &str) -> KeyRing {
        let key = |name: &str| format!("{name}:{}", STANDARD.encode(format!("{name:0>32}")));
        KeyRing::parse(&names.split(',').map(key).collect::<Vec<_>>().join(",")).expect("a ring")
    }

    #[test]
    fn an_id_is_told_from_a_made_up_one_without_asking_anybody() {
        let id = SessionId::generate(&Fixed, &ring("v2,v1"), "iss", "sub");
        for (names, ours) in [("v2,v1", true), ("v2", true), ("v3,v2", true), ("v1,v2", true), ("v1", false), ("v3,v1", false)] {
            assert_eq!(id.is_from(&ring(names)), ours, "{names}");
        }
        let bytes = URL_SAFE_NO_PAD.decode(id.expose()).expect("base64url");
        assert_eq!(bytes[16..40], [7; 24]);
        for bit in 0..8 * bytes.len() {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let changed = SessionId::parse(&URL_SAFE_NO_PAD.encode(changed)).expect("of the right shape");
            assert!(!changed.is_from(&ring("v2,v1")), "bit {bit}");
        }
    }

    #[test]
    fn a_cookie_reads_back_and_its_keys_do_not_give_it_away() {
        let id = SessionId::generate(&Fixed, &ring("v1"), "iss", "sub");
        let cookie = id.expose();
        assert!(SessionId::parse(&cookie).is_some_and(|read| read == id));
        let names = id.names();
        let secret = URL_SAFE_NO_PAD.encode(id.secret());
        assert!(!names.record_key().contains(&secret) && names.record_key().len() <= 512);
        assert_eq!(names.record_key().replace("session/", "ended/"), names.marker_key());
        assert!(names.marker_key().starts_with(&format!("{}/", names.user_marker_key())));
        assert!(id.is_of("iss", "sub") && !id.is_of("iss", "sub2") && !id.is_of("is", "ssub"));
    }

    #[test]
    fn cookie_and_keys_are_the_documented_ones() {
        let id = SessionId { user_tag: user_tag("iss", "sub"), secret: [7; SECRET_BYTES] };
        assert_eq!(id.secret(), [7; SECRET_BYTES]);
        // Tag: SHA-256("edgegate/user/1", iss, 0, sub), 16 bytes. Hash: SHA-256("edgegate/lookup/1", secret).
        let (tag, hash) = ("GNpPkN_-6iCbleRhjq9A6w", "jCEsPv1J4sAAuL5sZSxdtRZ6NjX1kDDm405-6goq6oI");
        assert_eq!(id.expose(), "GNpPkN_-6iCbleRhjq9A6wcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH");
        let names = id.names();
        assert_eq!(names.record_key(), format!("session/{tag}/{hash}"));
        assert_eq!((names.user_tag(), names.hash()), (tag.to_owned(), hash.to_owned()));
        assert_eq!((names.marker_key(), names.user_marker_key()), (format!("ended/{tag}/{hash}"), format!("ended/{tag}")));
    }

    #[test]
    fn the_log_sees_eight_characters_of_the_hash() {
        assert_eq!(SessionId { user_tag: user_tag("iss", "sub"), secret: [7; SECRET_BYTES] }.names().log_name(), "jCEsPv1J");
    }

    #[test]
    fn an_id_is_of_one_user() {
        let id = SessionId::generate(&Fixed, &ring("v1"), "iss", "sub");
        for (issuer, subject, same) in [
            ("iss", "sub", true),
            ("iss", "Sub", false),
            ("iss", "", false),
            ("", "sub", false),
            ("", "iss\0sub", false),
            ("iss\0", "sub", false),
            ("iss", "\0sub", false),
            ("issub", "s", false),
        ] {
            assert_eq!(id.is_of(issuer, subject), same, "{issuer:?} {subject:?}");
        }
    }

    #[test]
    fn anything_but_sixty_four_characters_of_base64url_is_refused() {
        let cookie = SessionId::generate(&Fixed, &ring("v1"), "iss", "sub").expose();
        let with = |last: &str| format!("{}{last}", &cookie[..63]);
        assert!(SessionId::parse(&with("_")).is_some() && SessionId::parse(&with("-")).is_some());
        for bad in [
            String::new(),
            cookie[1..].to_owned(),
            cookie[..60].to_owned(),
            format!("{cookie}A"),
            format!("{cookie}AAAA"),
            format!("{cookie}="),
            format!("\"{cookie}\""),
            with("="),
            with("+"),
            with("/"),
            with("%"),
            with(" "),
            with("\0"),
            with("\n"),
            format!("{}==", &cookie[..62]),
            format!("{}é", &cookie[..62]),
            "é".repeat(32),
            "é".repeat(64),
        ] {
            assert!(SessionId::parse(&bad).is_none(), "{bad:?}");
        }
    }
}
