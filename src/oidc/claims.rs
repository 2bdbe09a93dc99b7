//! Claims that a verified token must have (OIDC Core §3.1.3.7, §12.2; Cognito's `token_use` and `client_id`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::access::Claims;
use crate::config::Cognito;
use crate::jose::times::TokenTimes;
use crate::jose::verify::SignedClaims;
use crate::ports::UnixSecs;

/// Why a signed token is not for this client, or not for this purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// `iss` is not exactly the configured issuer.
    #[error("issuer does not match")]
    WrongIssuer,
    /// `aud` (ID token) or `client_id` (access token) is not exactly our client.
    #[error("audience does not match")]
    WrongAudience,
    /// `azp` names another client.
    #[error("authorized party does not match")]
    WrongAuthorizedParty,
    /// `token_use` is not the expected one.
    #[error("token use does not match")]
    WrongTokenUse,
    /// `sub` is missing or malformed.
    #[error("subject missing or malformed")]
    BadSubject,
    /// `nonce` is missing or different.
    #[error("nonce does not match")]
    WrongNonce,
    /// `at_hash` is not that of the access token.
    #[error("access token hash does not match")]
    WrongAccessTokenHash,
}

/// The nonce that an ID token must have.
#[derive(Clone, Copy, Debug)]
pub enum Nonce<'a> {
    /// At login: exactly this one.
    MustBe(&'a str),
    /// After a refresh: none, or the login's (OIDC Core §12.2).
    AbsentOr(&'a str),
    /// Unknown for a token that an API client brings.
    Unknown,
}

/// The claims about a user that leave the gateway: an allow-list. The session record keeps them in this form.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// `email`.
    pub email: Option<String>,
    /// `email_verified`, as Cognito gives it.
    pub email_verified: Option<bool>,
    /// `name`.
    pub name: Option<String>,
    /// `given_name`.
    pub given_name: Option<String>,
    /// `family_name`.
    pub family_name: Option<String>,
    /// `preferred_username`.
    pub preferred_username: Option<String>,
    /// `cognito:username`, in an access token `username`.
    pub username: Option<String>,
    /// `cognito:groups`.
    pub groups: Vec<String>,
}

impl Profile {
    fn read(claims: &Map<String, Value>, username_claim: &str) -> Self {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let groups = claims.get("cognito:groups").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        Self {
            email: text("email"),
            // A boolean in tokens, a string in some third-party mappings.
            email_verified: match claims.get("email_verified") {
                Some(Value::Bool(verified)) => Some(*verified),
                Some(Value::String(verified)) => Some(verified == "true"),
                _ => None,
            },
            name: text("name"),
            given_name: text("given_name"),
            family_name: text("family_name"),
            preferred_username: text("preferred_username"),
            username: text(username_claim),
            groups: groups.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        }
    }

    /// The name to show: `name`, then given and family name, then `preferred_username`, then the e-mail address, then the user
    /// name, which in many pools is an opaque id. A blank value counts as absent.
    #[must_use]
    pub fn display_name(&self) -> Option<String> {
        let named = |claim: &Option<String>| claim.as_deref().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
        let full_name = || {
            let parts: Vec<String> = [&self.given_name, &self.family_name].into_iter().filter_map(named).collect();
            (!parts.is_empty()).then(|| parts.join(" "))
        };
        named(&self.name)
            .or_else(full_name)
            .or_else(|| [&self.preferred_username, &self.email, &self.username].into_iter().find_map(named))
    }
}

/// An ID token that has passed every check; made by [`check_id_token`] only.
pub struct IdToken {
    /// `sub`.
    pub subject: String,
    /// `auth_time`.
    pub auth_time: Option<UnixSecs>,
    /// `iat` and `exp`.
    pub times: TokenTimes,
    /// The claims about the user.
    pub profile: Profile,
}

/// An access token that has passed every check; made by [`check_access_token`] only.
pub struct AccessToken {
    /// `sub`.
    pub subject: String,
    /// `iat` and `exp`.
    pub times: TokenTimes,
    /// User name and groups; an access token has no more.
    pub profile: Profile,
}

/// Checks an ID token's claims. `access_token` is the one of the same response, for `at_hash` (OIDC Core §3.1.3.8).
///
/// # Errors
/// The first claim that does not hold.
pub fn check_id_token(
    claims: &SignedClaims,
    cognito: &Cognito,
    nonce: Nonce<'_>,
    access_token: Option<&str>,
) -> Result<IdToken, ClaimError> {
    let members = &claims.members;
    check_issuer_and_use(members, cognito, "id")?;
    if !is_audience(members.get("aud"), &cognito.client_id) {
        return Err(ClaimError::WrongAudience);
    }
    if members.get("azp").is_some_and(|azp| azp.as_str() != Some(&cognito.client_id)) {
        return Err(ClaimError::WrongAuthorizedParty);
    }
    check_nonce(members.get("nonce"), nonce)?;
    if let (Some(hash), Some(access_token)) = (members.get("at_hash"), access_token)
        && hash.as_str() != Some(&access_token_hash(access_token))
    {
        return Err(ClaimError::WrongAccessTokenHash);
    }
    Ok(IdToken {
        subject: subject(members)?,
        auth_time: members.get("auth_time").and_then(Value::as_u64),
        times: claims.times,
        profile: Profile::read(members, "cognito:username"),
    })
}

/// Checks an access token's claims. `aud` is ignored: it is present only with resource binding, which we do not request.
///
/// # Errors
/// The first claim that does not hold.
pub fn check_access_token(claims: &SignedClaims, cognito: &Cognito) -> Result<AccessToken, ClaimError> {
    let members = &claims.members;
    check_issuer_and_use(members, cognito, "access")?;
    if members.get("client_id").and_then(Value::as_str) != Some(&cognito.client_id) {
        return Err(ClaimError::WrongAudience);
    }
    Ok(AccessToken { subject: subject(members)?, times: claims.times, profile: Profile::read(members, "username") })
}

/// The claims of a verified ID token that rules name, as texts: a text, a number or a truth value is one, and a list of texts is
/// each of its own. A claim of any other kind counts as absent, and has no text.
#[must_use]
pub fn claims_for_rules<'n>(claims: &SignedClaims, names: impl Iterator<Item = &'n str>) -> Claims {
    let texts = |claim: &Value| match claim {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Number(number) => Some(vec![number.to_string()]),
        Value::Bool(truth) => Some(vec![truth.to_string()]),
        Value::Array(list) => list.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        Value::Null | Value::Object(_) => None,
    };
    let read = |name: &str| (name.to_owned(), claims.members.get(name).and_then(texts).unwrap_or_default());
    names.map(read).collect()
}

fn check_issuer_and_use(members: &Map<String, Value>, cognito: &Cognito, token_use: &str) -> Result<(), ClaimError> {
    if members.get("iss").and_then(Value::as_str) != Some(&cognito.issuer) {
        return Err(ClaimError::WrongIssuer);
    }
    if members.get("token_use").and_then(Value::as_str) != Some(token_use) {
        return Err(ClaimError::WrongTokenUse);
    }
    Ok(())
}

/// Whether `aud` is our client alone: the string, or an array of only this string.
fn is_audience(aud: Option<&Value>, client_id: &str) -> bool {
    match aud {
        Some(Value::String(one)) => one == client_id,
        Some(Value::Array(list)) => matches!(list.as_slice(), [Value::String(one)] if one == client_id),
        _ => false,
    }
}

fn check_nonce(claim: Option<&Value>, wanted: Nonce<'_>) -> Result<(), ClaimError> {
    let matches =
        |wanted: &str| claim.and_then(Value::as_str).is_some_and(|nonce| nonce.as_bytes().ct_eq(wanted.as_bytes()).into());
    let right = match wanted {
        Nonce::MustBe(nonce) => matches(nonce),
        Nonce::AbsentOr(nonce) => claim.is_none() || matches(nonce),
        Nonce::Unknown => true,
    };
    if right { Ok(()) } else { Err(ClaimError::WrongNonce) }
}

/// `sub` has at most 255 ASCII characters (OIDC Core §2). Its form is up to Cognito.
fn subject(members: &Map<String, Value>) -> Result<String, ClaimError> {
    match members.get("sub").and_then(Value::as_str) {
        Some(sub) if (1..=255).contains(&sub.len()) && sub.is_ascii() => Ok(sub.to_owned()),
        _ => Err(ClaimError::BadSubject),
    }
}

/// The left half of SHA-256, base64url.
fn access_token_hash(access_token: &str) -> String {
    let digest = Sha256::digest(access_token);
    let (left, _) = digest.split_at(digest.len() / 2);
    URL_SAFE_NO_PAD.encode(left)
}

#[cfg(test)]
mod tests;
