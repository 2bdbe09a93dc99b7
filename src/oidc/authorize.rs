//! The authorization request (RFC 6749 §4.1.1, OIDC Core §3.1.2.1, RFC 7636 §4.3).

use std::borrow::Cow;

use crate::config::Cognito;
use crate::web::query::{Query, encode};

use super::flow::LoginFlow;
use super::pkce;

/// What `/auth/login` passes through to Cognito's page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassThrough(Vec<(&'static str, String)>);

/// A pass-through parameter is repeated, too long, or no value that Cognito knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("login parameter not acceptable")]
pub struct BadParameter;

impl PassThrough {
    /// Picks `identity_provider`, `login_hint`, `lang` and `prompt` from the query of `/auth/login`.
    ///
    /// # Errors
    /// One of them is unacceptable.
    pub fn parse(query: Query<'_>) -> Result<Self, BadParameter> {
        let mut picked = Vec::new();
        for name in ["identity_provider", "login_hint", "lang", "prompt"] {
            let Some(value) = query.one(name).map_err(|_| BadParameter)? else { continue };
            if !acceptable(name, &value) {
                return Err(BadParameter);
            }
            picked.push((name, Cow::into_owned(value)));
        }
        Ok(Self(picked))
    }
}

fn acceptable(name: &str, value: &str) -> bool {
    let plain = !value.is_empty() && value.len() <= MAX_VALUE_BYTES && !value.contains(char::is_control);
    plain && (name != "prompt" || matches!(value, "none" | "login" | "select_account" | "consent"))
}

/// The URL to send the browser to. Everything but the flow and the pass-through is configuration, so no parameter can
/// widen the scopes or change the redirect URI.
#[must_use]
pub fn build_authorize_url(cognito: &Cognito, flow: &LoginFlow, pass_through: &PassThrough) -> String {
    let challenge = pkce::challenge(&flow.verifier);
    let fixed = [
        ("response_type", "code"),
        ("client_id", &cognito.client_id),
        ("redirect_uri", cognito.redirect_uri.as_str()),
        ("scope", &cognito.scopes),
        ("state", &flow.state),
        ("nonce", &flow.nonce),
        ("code_challenge_method", "S256"),
        ("code_challenge", &challenge),
    ];
    let extra = pass_through.0.iter().map(|(name, value)| (*name, value.as_str()));
    let query: Vec<String> = fixed.into_iter().chain(extra).map(|(name, value)| format!("{name}={}", encode(value))).collect();
    format!("{}/oauth2/authorize?{}", cognito.domain, query.join("&"))
}

/// An e-mail address or a provider's name is far shorter.
const MAX_VALUE_BYTES: usize = 256;
