//! A Cognito that issues tokens in its shape, or makes the trouble that a test asks for.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

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
}

pub struct Cognito {
    /// For the next token requests, in order.
    pub trouble: RefCell<VecDeque<Trouble>>,
    pub rotation: Cell<bool>,
    pub keys_down: Cell<bool>,
    pub access_life_secs: Cell<u64>,
    pub groups: RefCell<Vec<&'static str>>,
    /// The nonce that the next login's ID token carries: what the authorize URL asked for.
    pub nonce: RefCell<String>,
    /// Forms that reached the token endpoint.
    pub token_forms: RefCell<Vec<String>>,
    pub revocations: Cell<u32>,
    /// The refresh tokens that were revoked.
    pub revoked: RefCell<Vec<String>>,
    pub key_fetches: Cell<u32>,
    /// The refresh token that is good now.
    pub refresh_token: RefCell<String>,
    issued: Cell<u32>,
}

impl Default for Cognito {
    fn default() -> Self {
        Self {
            trouble: RefCell::default(),
            rotation: Cell::new(false),
            keys_down: Cell::new(false),
            access_life_secs: Cell::new(3600),
            groups: RefCell::default(),
            nonce: RefCell::default(),
            token_forms: RefCell::default(),
            revocations: Cell::new(0),
            revoked: RefCell::default(),
            key_fetches: Cell::new(0),
            refresh_token: RefCell::new("refresh-0".to_owned()),
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

    pub fn answer(&self, request: &HttpRequest, now: u64) -> Result<HttpResponse, HttpError> {
        let form = request.form.as_deref();
        match request.url.as_str() {
            url if url == format!("{ISSUER}/.well-known/jwks.json") => {
                self.key_fetches.set(self.key_fetches.get() + 1);
                if self.keys_down.get() { Err(HttpError::Unreachable) } else { ok(&key_set()) }
            }
            "https://auth.example.com/oauth2/token" => self.token(form.expect("a form"), now),
            "https://auth.example.com/oauth2/revoke" => {
                self.revocations.set(self.revocations.get() + 1);
                let form = form.expect("a form");
                let token =
                    url::form_urlencoded::parse(form.as_bytes()).find(|(key, _)| key == "token").expect("a token").1.into_owned();
                self.revoked.borrow_mut().push(token);
                Ok(HttpResponse { status: 200, retry_after: None, body: Vec::new() })
            }
            other => panic!("nobody should ask {other}"),
        }
    }

    fn token(&self, form: &str, now: u64) -> Result<HttpResponse, HttpError> {
        self.token_forms.borrow_mut().push(form.to_owned());
        let field = |name: &str| {
            url::form_urlencoded::parse(form.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        let mut claims = json!({});
        let mut key_id = "key-1=";
        match self.trouble.borrow_mut().pop_front() {
            Some(Trouble::Error(error)) => return status(400, &json!({"error": error})),
            Some(Trouble::Status(code)) => return status(code, &json!({})),
            Some(Trouble::Timeout) => return Err(HttpError::Timeout),
            Some(Trouble::Claims(changed)) => claims = changed,
            Some(Trouble::KeyId(other)) => key_id = other,
            None => {}
        }
        let login = field("grant_type").as_deref() == Some("authorization_code");
        if !login && field("refresh_token").as_deref() != Some(&*self.refresh_token.borrow()) {
            return status(400, &json!({"error": "invalid_grant"}));
        }
        self.issued.set(self.issued.get() + 1);
        let rotated = login || self.rotation.get();
        if rotated {
            *self.refresh_token.borrow_mut() = format!("refresh-{}", self.issued.get());
        }
        let mut answer = json!({
            "id_token": sign(key_id, &self.id_token(login, now, &claims)),
            "access_token": sign(key_id, &self.access_token(now, &claims)),
            "expires_in": self.access_life_secs.get(),
            "token_type": "Bearer",
        });
        if rotated {
            answer["refresh_token"] = json!(*self.refresh_token.borrow());
        }
        ok(&answer)
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

fn merged(mut claims: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    claims
}

fn modulus() -> Vec<u8> {
    vec![0xff; 256]
}

fn key_set() -> Value {
    json!({"keys": [{"kty": "RSA", "kid": "key-1=", "use": "sig", "alg": "RS256", "e": "AQAB", "n": URL_SAFE_NO_PAD.encode(modulus())}]})
}

/// Stands in for RS256.
pub fn fake_signature(modulus: &[u8], message: &[u8]) -> Vec<u8> {
    Sha256::new().chain_update(modulus).chain_update(message).finalize().to_vec()
}

fn sign(key_id: &str, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&json!({"kid": key_id, "alg": "RS256"})), part(claims));
    let signature = fake_signature(&modulus(), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn ok(body: &Value) -> Result<HttpResponse, HttpError> {
    status(200, body)
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of its callers")]
fn status(status: u16, body: &Value) -> Result<HttpResponse, HttpError> {
    Ok(HttpResponse { status, retry_after: None, body: body.to_string().into_bytes() })
}
