//! A Cognito that issues tokens in its shape, or makes the trouble that a test asks for.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edgegate::ports::{HttpError, HttpRequest, HttpResponse};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{CLIENT, ISSUER};

/// What a token request meets instead of tokens.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// `{"error": …}` with 400.
    Error(&'static str),
    /// A bare status.
    Status(u16),
    /// No answer in time.
    Timeout,
    /// Claims of all tokens changed so.
    Claims(Value),
    /// Tokens by a key of this id.
    KeyId(&'static str),
    /// It is carried out, and the answer is lost.
    Lost(HttpError),
    /// It is carried out, and the answer breaks off in the middle.
    Truncated,
    /// A page of somebody in between, with this status.
    Html(u16),
    /// A status with `Retry-After`.
    RetryAfter(u16, &'static str),
}

/// What a refresh does to the refresh token that it was asked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// Nothing: it stays good, and there is no other.
    Off,
    /// It gives a new one; the used one stays good for so many seconds more, and each use gives another new one.
    Grace(u64),
}

impl Rotation {
    /// Those that are worth a test.
    pub const ALL: [Self; 3] = [Self::Off, Self::Grace(0), Self::Grace(10)];
}

/// One refresh token: which login it goes back to, and until when it is good.
struct RefreshToken {
    login: u32,
    good_until: u64,
}

pub struct Cognito {
    /// For the next token requests, in order.
    pub trouble: RefCell<VecDeque<Trouble>>,
    pub rotation: Cell<Rotation>,
    /// How long each answer is on its way, in milliseconds.
    pub slow_ms: Cell<u32>,
    pub keys_down: Cell<bool>,
    /// The key set is answered with this status and no keys.
    pub keys_status: Cell<Option<u16>>,
    pub access_life_secs: Cell<u64>,
    pub groups: RefCell<Vec<&'static str>>,
    /// The nonce that the next login's ID token carries: what the authorize URL asked for.
    pub nonce: RefCell<String>,
    /// Forms that reached the token endpoint.
    pub token_forms: RefCell<Vec<String>>,
    pub revocations: Cell<u32>,
    /// The refresh tokens that were to be revoked.
    pub revoked: RefCell<Vec<String>>,
    /// The next revocations are answered so.
    pub revocation_trouble: RefCell<VecDeque<Result<u16, HttpError>>>,
    pub key_fetches: Cell<u32>,
    /// The ids of the keys that are published, and of the one that signs.
    pub published_keys: RefCell<Vec<&'static str>>,
    pub signing_key: Cell<&'static str>,
    /// The published keys have the same ids, but other moduli.
    pub keys_replaced: Cell<bool>,
    other_issuers: RefCell<Vec<String>>,
    refresh_tokens: RefCell<BTreeMap<String, RefreshToken>>,
    issued: Cell<u32>,
}

impl Default for Cognito {
    fn default() -> Self {
        Self {
            trouble: RefCell::default(),
            rotation: Cell::new(Rotation::Off),
            slow_ms: Cell::new(0),
            keys_down: Cell::new(false),
            keys_status: Cell::new(None),
            access_life_secs: Cell::new(3600),
            groups: RefCell::default(),
            nonce: RefCell::default(),
            token_forms: RefCell::default(),
            revocations: Cell::new(0),
            revoked: RefCell::default(),
            revocation_trouble: RefCell::default(),
            key_fetches: Cell::new(0),
            published_keys: RefCell::new(vec!["key-1="]),
            signing_key: Cell::new("key-1="),
            keys_replaced: Cell::new(false),
            other_issuers: RefCell::default(),
            refresh_tokens: RefCell::default(),
            issued: Cell::new(0),
        }
    }
}

impl Cognito {
    pub fn will(&self, trouble: Trouble) {
        self.trouble.borrow_mut().push_back(trouble);
    }

    pub fn token_requests(&self) -> usize {
        self.token_forms.borrow().len()
    }

    /// Another pool with the same keys, if it is one: nobody else may be asked.
    pub fn also_publish_keys_for(&self, issuer: &str) {
        self.other_issuers.borrow_mut().push(issuer.to_owned());
    }

    fn is_issuer(&self, url: &str) -> bool {
        url == ISSUER || self.other_issuers.borrow().iter().any(|issuer| issuer == url)
    }

    /// Whether a refresh with this token would be granted.
    pub fn is_good(&self, refresh_token: &str, now: u64) -> bool {
        self.refresh_tokens.borrow().get(refresh_token).is_some_and(|token| now < token.good_until)
    }

    /// How many refresh tokens would be granted.
    pub fn good_tokens(&self, now: u64) -> usize {
        self.refresh_tokens.borrow().values().filter(|token| now < token.good_until).count()
    }

    pub fn answer(&self, request: &HttpRequest, now: u64) -> Result<HttpResponse, HttpError> {
        let form = request.form.as_deref();
        match request.url.as_str() {
            url if url.strip_suffix("/.well-known/jwks.json").is_some_and(|issuer| self.is_issuer(issuer)) => {
                self.key_fetches.set(self.key_fetches.get() + 1);
                if self.keys_down.get() {
                    Err(HttpError::Unreachable)
                } else if let Some(code) = self.keys_status.get() {
                    status(code, &json!({"message": "User pool does not exist."}))
                } else {
                    ok(&key_set(&self.published_keys.borrow(), self.keys_replaced.get()))
                }
            }
            "https://auth.example.com/oauth2/token" => self.token(form.expect("a form"), now),
            "https://auth.example.com/oauth2/revoke" => {
                self.revocations.set(self.revocations.get() + 1);
                let token = field(form.expect("a form"), "token").expect("a token");
                self.revoked.borrow_mut().push(token.clone());
                let status = self.revocation_trouble.borrow_mut().pop_front().unwrap_or(Ok(200))?;
                if status == 200 {
                    self.revoke(&token);
                }
                Ok(HttpResponse { status, retry_after: None, body: Vec::new() })
            }
            other => panic!("nobody should ask {other}"),
        }
    }

    fn token(&self, form: &str, now: u64) -> Result<HttpResponse, HttpError> {
        self.token_forms.borrow_mut().push(form.to_owned());
        let trouble = self.trouble.borrow_mut().pop_front();
        let mut claims = json!({});
        let mut key_id = self.signing_key.get();
        match &trouble {
            Some(Trouble::Error(error)) => return status(400, &json!({"error": error})),
            Some(Trouble::Status(code)) => return status(*code, &json!({})),
            Some(Trouble::RetryAfter(code, wait)) => {
                return status(*code, &json!({})).map(|answer| HttpResponse { retry_after: Some((*wait).to_owned()), ..answer });
            }
            Some(Trouble::Html(code)) => {
                let body = b"<!doctype html><title>Request blocked</title>".to_vec();
                return Ok(HttpResponse { status: *code, retry_after: None, body });
            }
            Some(Trouble::Timeout) => return Err(HttpError::Timeout),
            Some(Trouble::Claims(changed)) => claims = changed.clone(),
            Some(Trouble::KeyId(other)) => key_id = other,
            Some(Trouble::Lost(_) | Trouble::Truncated) | None => {}
        }
        let login = field(form, "grant_type").as_deref() == Some("authorization_code");
        let Ok(refresh_token) = self.grant(field(form, "refresh_token").filter(|_| !login), now) else {
            return status(400, &json!({"error": "invalid_grant"}));
        };
        let mut answer = json!({
            "id_token": sign(key_id, &self.id_token(login, now, &claims)),
            "access_token": sign(key_id, &self.access_token(now, &claims)),
            "expires_in": self.access_life_secs.get(),
            "token_type": "Bearer",
        });
        if let Some(refresh_token) = refresh_token {
            answer["refresh_token"] = json!(refresh_token);
        }
        match trouble {
            Some(Trouble::Lost(error)) => Err(error),
            Some(Trouble::Truncated) => ok(&answer).map(|mut answer| {
                answer.body.truncate(answer.body.len() / 2);
                answer
            }),
            _ => ok(&answer),
        }
    }

    /// What a grant (`None`: a code) does to the refresh tokens: the new one, if there is one.
    fn grant(&self, used: Option<String>, now: u64) -> Result<Option<String>, Refused> {
        let number = self.issued.get() + 1;
        let login = match used {
            None => number,
            Some(used) => {
                let mut tokens = self.refresh_tokens.borrow_mut();
                let used = tokens.get_mut(&used).filter(|token| now < token.good_until).ok_or(Refused)?;
                if let Rotation::Grace(secs) = self.rotation.get() {
                    used.good_until = used.good_until.min(now + secs);
                } else {
                    self.issued.set(number);
                    return Ok(None);
                }
                used.login
            }
        };
        self.issued.set(number);
        let name = format!("refresh-{number}");
        self.refresh_tokens.borrow_mut().insert(name.clone(), RefreshToken { login, good_until: u64::MAX });
        Ok(Some(name))
    }

    /// Ends every refresh token of the same login.
    fn revoke(&self, refresh_token: &str) {
        let mut tokens = self.refresh_tokens.borrow_mut();
        if let Some(login) = tokens.get(refresh_token).map(|token| token.login) {
            tokens.retain(|_, token| token.login != login);
        }
    }

    fn id_token(&self, login: bool, now: u64, changes: &Value) -> Value {
        let mut claims = json!({"iss": ISSUER, "aud": CLIENT, "sub": "user-1", "token_use": "id", "auth_time": 1_759_999_999_u64,
            "iat": now, "exp": now + self.access_life_secs.get(), "email": "alice@example.com", "email_verified": true,
            "cognito:username": "alice", "cognito:groups": *self.groups.borrow()});
        if login {
            claims["nonce"] = json!(*self.nonce.borrow());
        }
        merged(claims, changes)
    }

    fn access_token(&self, now: u64, changes: &Value) -> Value {
        let claims = json!({"iss": ISSUER, "client_id": CLIENT, "sub": "user-1", "token_use": "access", "username": "alice",
            "iat": now, "exp": now + self.access_life_secs.get(), "jti": self.issued.get(), "cognito:groups": *self.groups.borrow()});
        merged(claims, changes)
    }
}

/// The grant is not good.
struct Refused;

fn merged(mut claims: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    claims
}

fn field(form: &str, name: &str) -> Option<String> {
    url::form_urlencoded::parse(form.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Another for each id.
fn modulus(key_id: &str) -> Vec<u8> {
    let mut modulus = vec![0xff; 256];
    modulus.iter_mut().skip(1).zip(key_id.bytes()).for_each(|(byte, of_id)| *byte = of_id);
    modulus
}

fn key_set(key_ids: &[&str], replaced: bool) -> Value {
    let modulus = |id: &str| if replaced { modulus(&format!("{id}-replaced")) } else { modulus(id) };
    let key = |id: &&str| json!({"kty": "RSA", "kid": id, "use": "sig", "alg": "RS256", "e": "AQAB", "n": URL_SAFE_NO_PAD.encode(modulus(id))});
    json!({"keys": key_ids.iter().map(key).collect::<Vec<_>>()})
}

/// Stands in for RS256.
pub fn fake_signature(modulus: &[u8], message: &[u8]) -> Vec<u8> {
    Sha256::new().chain_update(modulus).chain_update(message).finalize().to_vec()
}

fn sign(key_id: &str, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&json!({"kid": key_id, "alg": "RS256"})), part(claims));
    let signature = fake_signature(&modulus(key_id), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn ok(body: &Value) -> Result<HttpResponse, HttpError> {
    status(200, body)
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of its callers")]
fn status(status: u16, body: &Value) -> Result<HttpResponse, HttpError> {
    Ok(HttpResponse { status, retry_after: None, body: body.to_string().into_bytes() })
}
