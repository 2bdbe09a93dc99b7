//! The two cookies of the gateway, and what is sealed in them or behind them.

use std::collections::BTreeMap;

use edgegate::config::KeyRing;
use edgegate::oidc::claims::Profile;
use edgegate::oidc::login_state::{LOGIN_LIFE_SECS, LoginState, state_tag};
use edgegate::ports::Random;
use edgegate::session::id::SessionId;
use edgegate::session::record::Record;
use edgegate::session::seal::{OpenError, Purpose, open, seal};
use sha2::{Digest, Sha256};

use super::jose::encoded;
use super::oracle::{BASE64URL, base64};
use super::support::{CLIENT, ISSUER, START};
use super::{Verdict, text};

/// TEST ONLY: the ring that seals, the same after a rotation, and another with a key of the same name.
pub const RING: &str = "v1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const ROTATED: &str = "v2:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=,v1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const FOREIGN: &str = "v1:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

/// The login that is under way here.
pub const STATE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

pub fn flow() -> LoginState {
    LoginState {
        state: STATE.to_owned(),
        nonce: "nonce".to_owned(),
        verifier: "verifier".to_owned(),
        return_path: "/app/?view=reports".to_owned(),
        expires_at: START + LOGIN_LIFE_SECS,
        again: false,
        spent: false,
    }
}

/// A login's cookie: opens only as it was sealed, in its place and for its state. Also takes `data` for what was sealed.
pub fn flow_cookie(data: &[u8]) -> Verdict {
    let name = format!("__Host-login-{}", state_tag(STATE));
    let place = Place { purpose: Purpose::LoginState, secret: STATE.as_bytes(), context: &name };
    place.keeps(data);
    if let Some(read) = LoginState::parse(data) {
        assert!(LoginState::parse(read.encode().as_bytes()).is_some_and(|again| again == read), "printed and read again");
        assert_eq!(read.answers(STATE, START), read.state == STATE && START < read.expires_at);
    }
    let Some(opened) = place.opens(data) else { return Verdict::Refused };
    let Some(read) = LoginState::parse(&opened) else { return Verdict::Refused };
    if read == flow() {
        assert!(read.answers(STATE, START) && !read.answers(STATE, START + LOGIN_LIFE_SECS));
    }
    Verdict::Accepted
}

pub fn id() -> SessionId {
    let tag = Sha256::digest([b"edgegate/user/1", ISSUER.as_bytes(), &[0], b"subject"].concat());
    SessionId::parse(&encoded(&[&tag[..16], &[9; 32]].concat())).expect("48 bytes")
}

pub fn record() -> Record {
    Record {
        issuer: ISSUER.to_owned(),
        subject: "subject".to_owned(),
        client_id: CLIENT.to_owned(),
        profile: Profile::default(),
        rule_claims: BTreeMap::new(),
        auth_time: None,
        nonce: "nonce".to_owned(),
        access_token: "access".to_owned(),
        id_token: None,
        id_expires_at: None,
        refresh_token: Some("refresh".to_owned()),
        created_at: START,
        renewed_at: START,
        access_issued_at: START,
        access_expires_at: START + 3600,
        expires_at: START + 432_000,
        version: 1,
    }
}

/// A session's cookie: 48 bytes in one spelling, whose places in KV do not give it away. Also takes `data` for the sealed
/// record in KV, and for what was sealed.
pub fn session_cookie(data: &[u8]) -> Verdict {
    let (id, keys) = (id(), KeyRing::parse(RING).expect("a ring"));
    let place = Place { purpose: Purpose::Session, secret: id.secret(), context: &id.names().record_key() };
    place.keeps(data);
    let behind = Record::open(&place.seal(data), &keys, &id);
    if let Ok(record) = &behind {
        assert!(id.is_of(&record.issuer, &record.subject), "somebody else's record");
        let again = Record::open(&record.seal(&keys, &id, &Fixed(1)).expect("seals"), &keys, &id);
        assert!(again.is_ok_and(|again| again == *record), "sealed and opened again");
    }
    let stored = text(data).is_some_and(|sealed| Record::open(sealed, &keys, &id).is_ok());
    assert!(place.opens(data).is_some() || !stored, "opened and not sealed here");
    let cookie = text(data).is_some_and(is_session_id);
    Verdict::of(behind.is_ok() || stored || cookie)
}

fn is_session_id(cookie: &str) -> bool {
    let wanted = base64(cookie, BASE64URL).filter(|bytes| bytes.len() == 48);
    let Some(id) = SessionId::parse(cookie) else {
        assert!(wanted.is_none(), "{cookie} was refused");
        return false;
    };
    let bytes = wanted.expect("48 bytes of base64url");
    assert_eq!((id.expose().as_str(), id.secret()), (cookie, &bytes[16..]));
    let names = id.names();
    let hash = Sha256::digest([b"edgegate/lookup/1", &bytes[16..]].concat());
    let (tag, hash) = (encoded(&bytes[..16]), encoded(&hash));
    assert_eq!(names.record_key(), format!("session/{tag}/{hash}"));
    assert_eq!((names.marker_key(), names.user_marker_key()), (format!("ended/{tag}/{hash}"), format!("ended/{tag}")));
    assert_eq!(names.record_key().len(), "session/".len() + 22 + 1 + 43);
    true
}

/// Where something sealed belongs.
struct Place<'a> {
    purpose: Purpose,
    secret: &'a [u8],
    context: &'a str,
}

impl Place<'_> {
    fn seal(&self, plain: &[u8]) -> String {
        let ring = KeyRing::parse(RING).expect("a ring");
        seal(&ring, self.purpose, self.secret, self.context, plain, &Fixed(1)).expect("seals")
    }

    fn open(&self, ring: &str, sealed: &str) -> Result<Vec<u8>, OpenError> {
        open(&KeyRing::parse(ring).expect("a ring"), self.purpose, self.secret, self.context, sealed)
    }

    /// What opens has been sealed here, in exactly this spelling: all nonces here are the same.
    fn opens(&self, data: &[u8]) -> Option<Vec<u8>> {
        let plain = self.open(RING, text(data)?).ok()?;
        assert_eq!(data, self.seal(&plain).as_bytes(), "opened and not sealed here");
        Some(plain)
    }

    /// What is sealed here opens here, also after a rotation, and nowhere else, and not with another byte.
    fn keeps(&self, plain: &[u8]) {
        let sealed = self.seal(plain);
        for ring in [RING, ROTATED] {
            assert_eq!(self.open(ring, &sealed).as_deref(), Ok(plain));
        }
        assert!(self.open(FOREIGN, &sealed).is_err(), "under another key of that name");
        // What else is tried is drawn by the input: one place, one byte, one cut, one character.
        let digest = Sha256::digest(plain);
        let drawn = |index: usize, below: usize| usize::from(u16::from_be_bytes([digest[index], digest[index + 1]])) % below;
        let other_context = format!("x{}", &self.context[1..]);
        let other_secret = [self.secret, b"x"].concat();
        let other_purpose = if self.purpose == Purpose::LoginState { Purpose::Session } else { Purpose::LoginState };
        let places = [
            Place { context: &other_context, ..*self },
            Place { secret: &other_secret, ..*self },
            Place { purpose: other_purpose, ..*self },
            Place { purpose: Purpose::KeySet, ..*self },
        ];
        assert_eq!(places[drawn(0, 4)].open(RING, &sealed), Err(OpenError::DoesNotOpen), "in another place");

        let mut changed = base64(&sealed, BASE64URL).expect("base64url");
        let cut = drawn(2, changed.len());
        assert!(self.open(RING, &encoded(&changed[..cut])).is_err(), "cut at {cut}");
        // Half of them in format, name and nonce, before what is authenticated.
        let at = drawn(4, if digest[6] % 2 == 0 { 28 } else { changed.len() });
        changed[at] ^= digest[7] | 1;
        assert!(self.open(RING, &encoded(&changed)).is_err(), "byte {at}");
        let at = drawn(8, sealed.len());
        let other = char::from(BASE64URL.as_bytes()[usize::from(digest[10]) % 64]);
        let respelt = format!("{}{other}{}", &sealed[..at], &sealed[at + 1..]);
        assert!(respelt == sealed || self.open(RING, &respelt).is_err(), "character {at}");
        let framed = if digest[11] % 2 == 0 { format!("{sealed}=") } else { format!(" {sealed}") };
        assert!(self.open(RING, &framed).is_err(), "{framed}");
    }
}

/// No randomness at all, so that what is sealed can be a committed seed.
pub struct Fixed(pub u8);

impl Random for Fixed {
    fn random_bytes(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}
