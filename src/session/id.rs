//! The session cookie's value, and the KV keys that follow from it.
//!
//! | KV key | value | written by | expires |
//! |---|---|---|---|
//! | `session/<user tag>/<hash>` | sealed record | login, refresh | with the session |
//! | `ended/<user tag>/<hash>` | `1` | logout, a login that replaces the session | with the session |
//! | `ended/<user tag>` | Unix seconds: sessions created up to then are refused | sign-out everywhere | with the last of them |

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::ports::Random;

/// A session id: user tag ‖ 32-byte secret. Its text is the cookie; KV sees only a hash of the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionId {
    user_tag: [u8; USER_TAG_BYTES],
    secret: [u8; SECRET_BYTES],
}

impl SessionId {
    /// A new id for a user.
    #[must_use]
    pub fn generate(random: &impl Random, issuer: &str, subject: &str) -> Self {
        let mut secret = [0; SECRET_BYTES];
        random.fill(&mut secret);
        Self { user_tag: user_tag(issuer, subject), secret }
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

    /// Where the session lives in KV.
    #[must_use]
    pub fn keys(&self) -> SessionKeys {
        let hash = Sha256::new().chain_update("edgegate/lookup/1").chain_update(self.secret).finalize();
        let tag = URL_SAFE_NO_PAD.encode(self.user_tag);
        let hash = URL_SAFE_NO_PAD.encode(hash);
        SessionKeys {
            record: format!("session/{tag}/{hash}"),
            ended: format!("ended/{tag}/{hash}"),
            user_ended: format!("ended/{tag}"),
        }
    }
}

/// A session's KV keys. The record's key also names the session in this isolate's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionKeys {
    /// The sealed record.
    pub record: String,
    /// The mark of a logout.
    pub ended: String,
    /// The mark of a sign-out everywhere.
    pub user_ended: String,
}

impl SessionKeys {
    /// A few characters of the hash, to follow a session through the log; of no use to anybody else.
    #[must_use]
    pub fn log_name(&self) -> &str {
        self.record.rsplit('/').next().and_then(|hash| hash.get(..LOG_NAME_CHARS)).unwrap_or_default()
    }
}

/// Unkeyed, so that it survives key rotation; no secret, since iss and sub are none.
fn user_tag(issuer: &str, subject: &str) -> [u8; USER_TAG_BYTES] {
    let digest =
        Sha256::new().chain_update("edgegate/user/1").chain_update(issuer).chain_update([0]).chain_update(subject).finalize();
    let mut tag = [0; USER_TAG_BYTES];
    tag.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    tag
}

const USER_TAG_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;
/// Base64url of 48 bytes.
const COOKIE_CHARS: usize = 64;
const LOG_NAME_CHARS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Random for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    #[test]
    fn a_cookie_reads_back_and_its_keys_do_not_give_it_away() {
        let id = SessionId::generate(&Fixed, "iss", "sub");
        let cookie = id.expose();
        assert!(SessionId::parse(&cookie).is_some_and(|read| read == id));
        let keys = id.keys();
        let secret = URL_SAFE_NO_PAD.encode(id.secret());
        assert!(!keys.record.contains(&secret) && keys.record.len() <= 512);
        assert_eq!(keys.record.replace("session/", "ended/"), keys.ended);
        assert!(keys.ended.starts_with(&format!("{}/", keys.user_ended)));
        assert!(id.is_of("iss", "sub") && !id.is_of("iss", "sub2") && !id.is_of("is", "ssub"));
    }

    #[test]
    fn cookie_and_keys_are_the_documented_ones() {
        let id = SessionId::generate(&Fixed, "iss", "sub");
        assert_eq!(id.secret(), [7; 32]);
        // Tag: SHA-256("edgegate/user/1", iss, 0, sub), 16 bytes. Hash: SHA-256("edgegate/lookup/1", secret).
        let (tag, hash) = ("GNpPkN_-6iCbleRhjq9A6w", "jCEsPv1J4sAAuL5sZSxdtRZ6NjX1kDDm405-6goq6oI");
        assert_eq!(id.expose(), "GNpPkN_-6iCbleRhjq9A6wcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH");
        let keys = id.keys();
        assert_eq!(keys.record, format!("session/{tag}/{hash}"));
        assert_eq!((keys.ended, keys.user_ended), (format!("ended/{tag}/{hash}"), format!("ended/{tag}")));
    }

    #[test]
    fn the_log_sees_eight_characters_of_the_hash() {
        assert_eq!(SessionId::generate(&Fixed, "iss", "sub").keys().log_name(), "jCEsPv1J");
        let named = |record: &str| SessionKeys { record: record.to_owned(), ended: String::new(), user_ended: String::new() };
        for (record, name) in [("session/a/12345678", "12345678"), ("session/a/1234567", ""), ("", ""), ("session/a/", "")] {
            assert_eq!(named(record).log_name(), name, "{record}");
        }
    }

    #[test]
    fn an_id_is_of_one_user() {
        let id = SessionId::generate(&Fixed, "iss", "sub");
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
        let cookie = SessionId::generate(&Fixed, "iss", "sub").expose();
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
