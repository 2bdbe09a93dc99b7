//! Responses of the token endpoint (RFC 6749 §5; OIDC Core §3.1.3.3): tokens, a refusal, or a failure.

use serde::Deserialize;

use crate::jose::unique_json;
use crate::ports::{HttpError, HttpResponse};

/// The tokens of a successful response; nothing is verified yet.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenSet {
    /// Absent without the `openid` scope.
    pub id_token: Option<String>,
    /// The access token.
    pub access_token: String,
    /// Absent on a refresh without rotation: the old token stays valid.
    pub refresh_token: Option<String>,
}

/// Why there are no tokens. Only [`Self::Refused`] is about the grant; the other errors are temporary or need an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// `invalid_grant`: code or refresh token spent, revoked, expired or not ours.
    #[error("grant refused")]
    Refused,
    /// `invalid_client` and the like: our configuration is wrong, never the user's action.
    #[error("client configuration refused")]
    Misconfigured,
    /// 429.
    #[error("throttled")]
    Throttled {
        /// `Retry-After` in seconds, bounded.
        retry_after_secs: Option<u32>,
    },
    /// 5xx, a firewall's 403, or no connection.
    #[error("unavailable")]
    Unavailable,
    /// No complete answer in time. The grant may be spent.
    #[error("timed out")]
    TimedOut,
    /// A redirect, HTML, broken JSON, missing members.
    #[error("answer not understood")]
    InvalidResponse,
}

/// Whether Cognito may have carried out a request although its answer did not arrive, or arrived broken.
#[must_use]
pub fn may_be_lost(answer: &Result<HttpResponse, HttpError>) -> bool {
    match answer {
        Err(HttpError::Timeout | HttpError::Unreachable) => true,
        Err(HttpError::TooLarge) => false,
        Ok(response) => response.status == 200 && read_tokens(&response.body).is_none(),
    }
}

/// Reads the result of a request to the token endpoint.
///
/// # Errors
/// There are no tokens, for this reason.
pub fn read(answer: Result<HttpResponse, HttpError>) -> Result<TokenSet, TokenError> {
    let response = answer.map_err(|error| match error {
        HttpError::Timeout => TokenError::TimedOut,
        HttpError::TooLarge => TokenError::InvalidResponse,
        HttpError::Unreachable => TokenError::Unavailable,
    })?;
    match response.status {
        200 => read_tokens(&response.body).ok_or(TokenError::InvalidResponse),
        status @ (400 | 401) => Err(read_error(status, &response.body)),
        429 => Err(TokenError::Throttled { retry_after_secs: response.retry_after.as_deref().and_then(retry_after) }),
        403 | 500..=599 => Err(TokenError::Unavailable),
        _ => Err(TokenError::InvalidResponse),
    }
}

fn read_tokens(body: &[u8]) -> Option<TokenSet> {
    #[derive(Deserialize)]
    struct Written {
        id_token: Option<String>,
        access_token: String,
        refresh_token: Option<String>,
        token_type: String,
        expires_in: Option<f64>,
    }
    let written: Written = unique_json::read(body)?;
    let bearer = written.token_type.eq_ignore_ascii_case("Bearer");
    let in_future = written.expires_in.is_none_or(|secs| secs > 0.0);
    let empty = |token: &Option<String>| token.as_deref() == Some("");
    let whole = !written.access_token.is_empty() && !empty(&written.id_token) && !empty(&written.refresh_token);
    (bearer && in_future && whole).then_some(TokenSet {
        id_token: written.id_token,
        access_token: written.access_token,
        refresh_token: written.refresh_token,
    })
}

/// Cognito answers a wrong client with 400, and at times with 401, as other servers do.
fn read_error(status: u16, body: &[u8]) -> TokenError {
    #[derive(Deserialize)]
    struct Written {
        error: String,
    }
    let Some(Written { error }) = unique_json::read(body) else { return TokenError::InvalidResponse };
    match error.as_str() {
        "invalid_grant" if status == 400 => TokenError::Refused,
        "invalid_client" | "unauthorized_client" | "unsupported_grant_type" | "invalid_request" | "invalid_scope" => {
            TokenError::Misconfigured
        }
        _ => TokenError::InvalidResponse,
    }
}

/// `Retry-After` in seconds (RFC 9110 §10.2.3). Dates are ignored.
fn retry_after(value: &str) -> Option<u32> {
    value.trim().parse().ok().map(|secs: u32| secs.clamp(1, MAX_RETRY_AFTER_SECS))
}

/// No user should be told to come back tomorrow.
const MAX_RETRY_AFTER_SECS: u32 = 300;

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Result<TokenSet, TokenError> {
        read(Ok(HttpResponse { status, retry_after: Some("7".to_owned()), body: body.as_bytes().to_vec() }))
    }

    #[test]
    fn whole_answers_are_read() {
        let tokens = answer(
            200,
            r#"{"id_token":"i","access_token":"a","refresh_token":"r","expires_in":3600,"token_type":"bearer","x":1}"#,
        );
        let Ok(tokens) = tokens else { panic!("refused") };
        assert_eq!(
            (tokens.id_token.as_deref(), tokens.access_token.as_str(), tokens.refresh_token.as_deref()),
            (Some("i"), "a", Some("r"))
        );
        for rest in
            ["", r#","expires_in":1"#, r#","expires_in":0.5"#, r#","expires_in":null,"id_token":null,"refresh_token":null"#]
        {
            let tokens = answer(200, &format!(r#"{{"access_token":"a","token_type":"BEARER"{rest}}}"#));
            assert!(tokens.is_ok_and(|tokens| tokens.id_token.is_none() && tokens.refresh_token.is_none()), "{rest}");
        }
    }

    #[test]
    fn broken_answers_are_not_tokens() {
        for body in [
            "",
            "<html>",
            "[]",
            r#"["i","a","r","Bearer",3600]"#,
            "{",
            r#"{"access_token":"a"}"#,
            r#"{"token_type":"Bearer"}"#,
            r#"{"access_token":"a","token_type":"MAC"}"#,
            r#"{"access_token":"","token_type":"Bearer"}"#,
            r#"{"access_token":7,"token_type":"Bearer"}"#,
            r#"{"access_token":"a","access_token":"b","token_type":"Bearer"}"#,
            r#"{"access_token":"a","token_type":"Bearer","expires_in":0}"#,
            r#"{"access_token":"a","token_type":"Bearer","expires_in":-1}"#,
            r#"{"access_token":"a","token_type":"Bearer","expires_in":"3600"}"#,
            r#"{"access_token":"a","token_type":"Bearer","id_token":""}"#,
            r#"{"access_token":"a","token_type":"Bearer","id_token":7}"#,
            r#"{"access_token":"a","token_type":"Bearer","refresh_token":["r"]}"#,
            r#"{"access_token":null,"token_type":"Bearer"}"#,
            r#"{"access_token":"a","token_type":"Bearer "}"#,
            r#"{"access_token":"a","token_type":["Bearer"]}"#,
            r#"{"access_token":"a","token_type":"Bearer"} {}"#,
            r#"{"Access_token":"a","token_type":"Bearer"}"#,
            "\u{feff}{\"access_token\":\"a\",\"token_type\":\"Bearer\"}",
            r#"{"access_token":"a","token_type":"Bearer","refresh_token":""}"#,
        ] {
            assert_eq!(answer(200, body).err(), Some(TokenError::InvalidResponse), "{body}");
        }
    }

    #[test]
    fn only_invalid_grant_with_400_is_a_refusal() {
        for (status, body, error) in [
            (400, r#"{"error":"invalid_grant"}"#, TokenError::Refused),
            (401, r#"{"error":"invalid_grant"}"#, TokenError::InvalidResponse),
            (400, r#"{"error":"invalid_client"}"#, TokenError::Misconfigured),
            (401, r#"{"error":"invalid_client"}"#, TokenError::Misconfigured),
            (400, r#"{"error":"unauthorized_client"}"#, TokenError::Misconfigured),
            (401, r#"{"error":"unauthorized_client"}"#, TokenError::Misconfigured),
            (400, r#"{"error":"unsupported_grant_type"}"#, TokenError::Misconfigured),
            (400, r#"{"error":"invalid_request"}"#, TokenError::Misconfigured),
            (400, r#"{"error":"invalid_scope"}"#, TokenError::Misconfigured),
            (400, r#"{"error":"something_new"}"#, TokenError::InvalidResponse),
            (400, r#"{"error":"Invalid_grant"}"#, TokenError::InvalidResponse),
            (400, r#"{"error":["invalid_grant"]}"#, TokenError::InvalidResponse),
            (400, r#"{"error":"invalid_grant","error":"x"}"#, TokenError::InvalidResponse),
            (400, r#"{"access_token":"a","token_type":"Bearer"}"#, TokenError::InvalidResponse),
            (400, "<html>", TokenError::InvalidResponse),
            (403, "", TokenError::Unavailable),
            (429, "", TokenError::Throttled { retry_after_secs: Some(7) }),
            (500, r#"{"error":"invalid_grant"}"#, TokenError::Unavailable),
            (599, "", TokenError::Unavailable),
            (600, "", TokenError::InvalidResponse),
            (499, "", TokenError::InvalidResponse),
            (402, r#"{"error":"invalid_grant"}"#, TokenError::InvalidResponse),
            (201, r#"{"access_token":"a","token_type":"Bearer"}"#, TokenError::InvalidResponse),
            (204, "", TokenError::InvalidResponse),
            (301, "", TokenError::InvalidResponse),
            (404, "", TokenError::InvalidResponse),
        ] {
            assert_eq!(answer(status, body).err(), Some(error), "{status} {body}");
        }
        for (error, read_as) in [
            (HttpError::Timeout, TokenError::TimedOut),
            (HttpError::TooLarge, TokenError::InvalidResponse),
            (HttpError::Unreachable, TokenError::Unavailable),
        ] {
            assert_eq!(read(Err(error)).err(), Some(read_as), "{error:?}");
        }
        let throttled = read(Ok(HttpResponse { status: 429, retry_after: None, body: Vec::new() }));
        assert_eq!(throttled.err(), Some(TokenError::Throttled { retry_after_secs: None }));
    }

    #[test]
    fn retry_after_is_bounded() {
        for (value, secs) in [
            ("0", Some(1)),
            ("1", Some(1)),
            (" 90 ", Some(90)),
            ("300", Some(300)),
            ("301", Some(300)),
            ("4294967295", Some(300)),
            ("4294967296", None),
            ("-1", None),
            ("1.5", None),
            ("", None),
            ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ] {
            assert_eq!(retry_after(value), secs, "{value:?}");
        }
    }
}
