//! The session record, which KV holds sealed.

use serde::{Deserialize, Serialize};

use crate::access::Claims;
use crate::config::{Cognito, KeyRing, SessionLife};
use crate::jose::unique_json;
use crate::oidc::claims::Profile;
use crate::ports::{Random, UnixSecs};

use super::id::SessionId;
use super::seal::{self, OpenError, Purpose};

/// A session record. Its own times decide; KV's expiry only cleans up.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// `iss` of the tokens.
    pub issuer: String,
    /// `sub`: with the issuer, the user.
    pub subject: String,
    /// The app client of the login.
    pub client_id: String,
    /// Allow-listed claims.
    #[serde(deserialize_with = "unique_json::object")]
    pub profile: Profile,
    /// The claims of the newest ID token that rules named when it came. A record of an older version has none.
    #[serde(default, skip_serializing_if = "Claims::is_empty")]
    pub rule_claims: Claims,
    /// `auth_time` of the login.
    pub auth_time: Option<UnixSecs>,
    /// The login's nonce, which a refreshed ID token may repeat.
    pub nonce: String,
    /// The access token.
    pub access_token: String,
    /// The ID token, kept only where a route of `ROUTES` asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
    /// `exp` of the ID token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_expires_at: Option<UnixSecs>,
    /// The refresh token, which never leaves the gateway.
    pub refresh_token: Option<String>,
    /// The time of the login.
    pub created_at: UnixSecs,
    /// The time of the last refresh.
    pub renewed_at: UnixSecs,
    /// `iat` of the access token.
    pub access_issued_at: UnixSecs,
    /// `exp` of the access token.
    pub access_expires_at: UnixSecs,
    /// The absolute end of the session.
    pub expires_at: UnixSecs,
    /// Grows with each save. Of two copies, the one with the higher version is newer.
    pub version: u64,
}

impl Record {
    /// The moment the session ends unless it is refreshed before.
    #[must_use]
    pub fn ends_at(&self, life: &SessionLife) -> UnixSecs {
        life.idle_secs.map_or(self.expires_at, |idle_secs| self.expires_at.min(self.renewed_at.saturating_add(idle_secs)))
    }

    /// When KV may drop the record: at the session's end, but at least [`MIN_KV_LIFE_SECS`] ahead.
    #[must_use]
    pub fn kv_expires_at(&self, life: &SessionLife, now: UnixSecs) -> UnixSecs {
        self.ends_at(life).max(now.saturating_add(MIN_KV_LIFE_SECS))
    }

    /// Whether the record is of this user pool and app client.
    #[must_use]
    pub fn belongs_to(&self, cognito: &Cognito) -> bool {
        self.issuer == cognito.issuer && self.client_id == cognito.client_id
    }

    /// Seals the record for its place in KV.
    #[must_use]
    pub fn seal(&self, keys: &KeyRing, id: &SessionId, random: &impl Random) -> Option<String> {
        seal::seal(keys, Purpose::Session, id.secret(), &id.names().record_key(), self.encode().as_bytes(), random)
    }

    /// Opens a record.
    ///
    /// # Errors
    /// The text does not open, is not a record, or is not of this id.
    pub fn open(sealed: &str, keys: &KeyRing, id: &SessionId) -> Result<Self, OpenError> {
        let plain = seal::open(keys, Purpose::Session, id.secret(), &id.names().record_key(), sealed)?;
        let record = Self::parse(&plain).ok_or(OpenError::UnknownFormat)?;
        if id.is_of(&record.issuer, &record.subject) { Ok(record) } else { Err(OpenError::DoesNotOpen) }
    }

    /// The record as JSON. It must be readable for as long as a session lives: see [`Self::parse`].
    #[must_use]
    pub fn encode(&self) -> String {
        // Texts, numbers and truth values are always written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads the text of [`Self::encode`]. Members that a later version added are ignored.
    #[must_use]
    pub fn parse(json: &[u8]) -> Option<Self> {
        unique_json::read(json)
    }
}

/// Workers KV refuses expirations less than 60 s ahead *when the write arrives*; the rest covers the way there. The record's own
/// times decide when the session ends.
pub const MIN_KV_LIFE_SECS: u64 = 90;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oidc::fixtures::{CLIENT, Counting, ISSUER, cognito};
    use crate::session::fixtures::{LIFE, record};

    fn ring() -> KeyRing {
        KeyRing::parse("v1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").expect("valid ring")
    }

    fn id() -> SessionId {
        SessionId::generate(&Counting::default(), &ring(), "iss", "sub")
    }

    #[test]
    fn a_session_belongs_to_one_pool_and_one_client() {
        for (issuer, client_id, ours) in
            [(ISSUER, CLIENT, true), (ISSUER, "other", false), ("https://other.example", CLIENT, false), ("", "", false)]
        {
            let record = Record { issuer: issuer.to_owned(), client_id: client_id.to_owned(), ..record() };
            assert_eq!(record.belongs_to(&cognito()), ours, "{issuer} {client_id}");
        }
    }

    #[test]
    fn a_sealed_record_opens_with_its_own_id_only() {
        let random = Counting::default();
        let id = SessionId::generate(&random, &ring(), "iss", "sub");
        let sealed = record().seal(&ring(), &id, &random).expect("seals");
        assert!(Record::open(&sealed, &ring(), &id).is_ok_and(|opened| opened == record()));
        for (name, other) in [
            ("another secret", SessionId::generate(&random, &ring(), "iss", "sub")),
            ("another user's tag", SessionId::generate(&Counting::default(), &ring(), "iss", "sub2")),
        ] {
            assert_eq!(Record::open(&sealed, &ring(), &other).err(), Some(OpenError::DoesNotOpen), "{name}");
        }
    }

    #[test]
    fn a_record_of_another_user_does_not_open_under_an_id() {
        for (issuer, subject) in [("iss", "sub2"), ("iss2", "sub"), ("is", "ssub")] {
            let theirs = Record { issuer: issuer.to_owned(), subject: subject.to_owned(), ..record() };
            let sealed = theirs.seal(&ring(), &id(), &Counting::default()).expect("seals");
            assert_eq!(Record::open(&sealed, &ring(), &id()).err(), Some(OpenError::DoesNotOpen), "{issuer} {subject}");
        }
    }

    #[test]
    fn what_opens_and_is_no_record_is_of_an_unknown_format() {
        let written = record().encode();
        let profile = r#"{"email":null,"email_verified":null,"name":null,"given_name":null,"family_name":null,"preferred_username":null,"username":null,"groups":[]}"#;
        let changed = |part: &str, other: &str| {
            assert!(written.contains(part), "{part}");
            written.replace(part, other)
        };
        let lists = [
            r#"["iss","sub","client",{"groups":[]},null,"","token",null,10000,10000,10000,13600,442000,1]"#.to_owned(),
            changed(profile, "[null,null,null,null,null,null,null,[]]"),
        ];
        let others = [
            changed(r#""groups":[]"#, r#""groups":null"#),
            changed(r#""version":1"#, r#""version":1,"version":2"#),
            changed(r#""version":1"#, r#""version":1.0"#),
            changed(r#""subject":"sub","#, ""),
        ];
        let small = ["", "{}", "[]", "null", r#"{"version":1}"#].map(str::to_owned);
        for plain in small.into_iter().chain(lists).chain(others) {
            let (id, random) = (id(), Counting::default());
            let sealed = seal::seal(&ring(), Purpose::Session, id.secret(), &id.names().record_key(), plain.as_bytes(), &random);
            assert_eq!(Record::open(&sealed.expect("seals"), &ring(), &id).err(), Some(OpenError::UnknownFormat), "{plain}");
        }
    }

    #[test]
    fn claims_for_rules_are_kept_and_a_record_without_them_opens() {
        let without = record().encode();
        assert!(!without.contains("rule_claims"), "{without}");
        assert!(Record::parse(without.as_bytes()).is_some_and(|read| read == record()));
        let claims = Claims::from([("custom:plan".to_owned(), vec!["pro".to_owned()]), ("x".to_owned(), Vec::new())]);
        let with = Record { rule_claims: claims, ..record() };
        assert!(Record::parse(with.encode().as_bytes()).is_some_and(|read| read == with));
    }

    #[test]
    fn a_session_ends_at_the_first_of_its_two_ends() {
        for (idle_secs, renewed_at, ends_at) in [
            (None, 10_000, 442_000),
            (Some(7200), 10_000, 17_200),
            (Some(7200), 440_000, 442_000),
            (Some(u64::MAX), 10_000, 442_000),
        ] {
            let record = Record { renewed_at, ..record() };
            assert_eq!(record.ends_at(&SessionLife { idle_secs, ..LIFE }), ends_at, "{idle_secs:?} from {renewed_at}");
        }
    }

    #[test]
    fn kv_keeps_a_record_as_long_as_the_session_but_ninety_seconds_at_least() {
        for (now, expires_at) in
            [(10_000, 442_000), (441_909, 442_000), (441_910, 442_000), (441_911, 442_001), (442_000, 442_090)]
        {
            assert_eq!(record().kv_expires_at(&LIFE, now), expires_at, "{now}");
        }
    }
}
