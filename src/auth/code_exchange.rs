//! The exchange of a code for a session (RFC 6749 §4.1.3, OIDC Core §3.1.3): once for each login state, however often the
//! callback comes.

use std::rc::Rc;

use crate::oidc::claims::Nonce;
use crate::oidc::login_state::{LoginState, state_tag};
use crate::oidc::token_request::build_code_exchange;
use crate::oidc::token_response;
use crate::ports::Ports;
use crate::session::cache::Turn;
use crate::session::id::SessionId;
use crate::session::record::Record;
use crate::session::seal::{self, Purpose};

use super::error::{Error, ErrorCode};
use super::refresh::{self, Need};
use super::session::Session;
use super::tokens::{self, VerifiedTokens};
use super::{Gateway, sessions, store};

/// What became of a code.
pub(crate) enum Exchanged {
    /// A new session.
    New(Session),
    /// The same callback has made a session a moment ago, of this sealed id.
    Before(Rc<str>),
    /// Another code of the same login state was sent, or this one too long ago.
    Spent,
}

/// Sends the code of a login state, unless another request here has: then it waits for the outcome of that one.
///
/// # Errors
/// `code_rejected`, `token_rejected`, or Cognito or KV could not be asked.
pub(crate) async fn exchange<P: Ports>(gateway: &Gateway<P>, login: &LoginState, code: &str) -> Result<Exchanged, Error> {
    let tag = state_tag(&login.state);
    loop {
        let turn = gateway.isolate.spent_states.borrow_mut().begin_exchange(&tag, code, gateway.runtime.now());
        match turn {
            Turn::Yours => break,
            Turn::Wait => gateway.runtime.sleep(POLL_MS).await,
            Turn::SignedIn(sealed_id) => return Ok(Exchanged::Before(sealed_id)),
            Turn::Failed(error) => return Err(error),
            Turn::Spent => return Ok(Exchanged::Spent),
        }
    }
    let session = create_session(gateway, login, code).await;
    let outcome = match &session {
        Ok(session) => seal_id(gateway, login, &session.id).ok_or(Error::new(ErrorCode::LoginExpired, "flow_spent")),
        Err(error) => Err(*error),
    };
    gateway.isolate.spent_states.borrow_mut().end_exchange(&tag, code, outcome, gateway.runtime.now());
    session.map(Exchanged::New)
}

async fn create_session<P: Ports>(gateway: &Gateway<P>, login: &LoginState, code: &str) -> Result<Session, Error> {
    let request = build_code_exchange(&gateway.config.cognito, code, &login.verifier);
    let tokens = token_response::read(gateway.runtime.cognito_send(request).await)
        .map_err(|error| Error::of_token_endpoint(error, ErrorCode::CodeRejected))?;
    if tokens.id_token.is_none() {
        return Err(Error::new(ErrorCode::IdpInvalidResponse, "no_id_token"));
    }
    let tokens = tokens::verify(gateway, tokens, Nonce::MustBe(&login.nonce))
        .await
        .map_err(|error| error.into_error(ErrorCode::TokenRejected))?;
    let session = new_session(gateway, tokens, &login.nonce);
    store::create(gateway, &session).await?;
    Ok(session)
}

/// A session under a new secret; a value that a client brought is never adopted.
fn new_session<P: Ports>(gateway: &Gateway<P>, tokens: VerifiedTokens, nonce: &str) -> Session {
    let (id_token, id_expires_at) = tokens.id_token_to_keep(&gateway.config);
    let VerifiedTokens { id, rule_claims, access, set } = tokens;
    let now = gateway.runtime.now();
    let cognito = &gateway.config.cognito;
    let (auth_time, profile) = id.map_or((None, access.profile), |id| (id.auth_time, id.profile));
    let session_id = SessionId::generate(&gateway.runtime, &gateway.config.sealing_keys, &cognito.issuer, &access.subject);
    let record = Record {
        issuer: cognito.issuer.clone(),
        subject: access.subject,
        client_id: cognito.client_id.clone(),
        profile,
        rule_claims,
        auth_time,
        nonce: nonce.to_owned(),
        id_token,
        id_expires_at,
        access_token: set.access_token,
        refresh_token: set.refresh_token,
        created_at: now,
        renewed_at: now,
        access_issued_at: access.times.issued_at,
        access_expires_at: access.times.expires_at,
        expires_at: now.saturating_add(gateway.config.session.ttl_secs),
        version: 1,
    };
    Session { names: session_id.names(), id: session_id, record: Rc::new(record) }
}

/// The session of an exchange a moment ago. `None`: it has ended.
///
/// # Errors
/// KV, the guard or Cognito could not answer, or the session could not be refreshed.
pub(crate) async fn session_before<P: Ports>(
    gateway: &Gateway<P>,
    login: &LoginState,
    sealed_id: &str,
) -> Result<Option<Session>, Error> {
    let Some(id) = open_id(gateway, login, sealed_id) else { return Ok(None) };
    let names = id.names();
    let Some(record) = sessions::newest_record(gateway, &id, &names, gateway.runtime.now()).await? else { return Ok(None) };
    refresh::live(gateway, Session { id, names, record }, Need::Identity).await.map(Some)
}

/// The id of the new session, sealed under the verifier, which only the login state's cookie holds.
fn seal_id<P: Ports>(gateway: &Gateway<P>, login: &LoginState, id: &SessionId) -> Option<Rc<str>> {
    let (keys, verifier) = (&gateway.config.sealing_keys, login.verifier.as_bytes());
    let id = id.expose();
    seal::seal(keys, Purpose::LoginState, verifier, &context(login), id.as_bytes(), &gateway.runtime).map(Rc::from)
}

fn open_id<P: Ports>(gateway: &Gateway<P>, login: &LoginState, sealed_id: &str) -> Option<SessionId> {
    let (keys, verifier) = (&gateway.config.sealing_keys, login.verifier.as_bytes());
    let id = seal::open(keys, Purpose::LoginState, verifier, &context(login), sealed_id).ok()?;
    SessionId::parse(&String::from_utf8(id).ok()?)
}

fn context(login: &LoginState) -> String {
    format!("session-of/{}", state_tag(&login.state))
}

/// Between looks at an exchange that another request makes.
const POLL_MS: u32 = 50;
