//! Requests to the token and revocation endpoints (RFC 6749 §4.1.3, §6; RFC 7009): server to server, in a POST body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::config::Cognito;
use crate::ports::HttpRequest;
use crate::web::query::encode;

/// Exchanges a code, with the redirect URI of the authorization request and the verifier.
#[must_use]
pub fn build_code_exchange(cognito: &Cognito, code: &str, verifier: &str) -> HttpRequest {
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", cognito.redirect_uri.as_str()),
        ("code_verifier", verifier),
    ];
    post(cognito, "token", &form, TOKEN_TIMEOUT_MS, MAX_TOKEN_RESPONSE_BYTES)
}

/// Refreshes with a refresh token.
#[must_use]
pub fn build_refresh(cognito: &Cognito, refresh_token: &str) -> HttpRequest {
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
    post(cognito, "token", &form, TOKEN_TIMEOUT_MS, MAX_TOKEN_RESPONSE_BYTES)
}

/// Revokes a refresh token (RFC 7009 §2.1).
#[must_use]
pub fn build_revocation(cognito: &Cognito, refresh_token: &str) -> HttpRequest {
    post(cognito, "revoke", &[("token", refresh_token)], REVOKE_TIMEOUT_MS, MAX_REVOKE_RESPONSE_BYTES)
}

/// A confidential client authenticates with Basic; a public client names itself in the body. Cognito takes the raw base64 of
/// `id:secret`. Both match `[\w+]`, so that the form-encoding of RFC 6749 §2.3.1 would differ only for `+`, which Cognito does
/// not decode.
fn post(cognito: &Cognito, endpoint: &str, form: &[(&str, &str)], timeout_ms: u32, max_body_bytes: usize) -> HttpRequest {
    let mut headers = vec![("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")]
        .into_iter()
        .map(|(name, value)| (name, value.to_owned()))
        .collect::<Vec<_>>();
    let mut body: Vec<String> = form.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    match &cognito.client_secret {
        Some(secret) => {
            let credentials = STANDARD.encode(format!("{}:{}", cognito.client_id, secret.expose()));
            headers.push(("authorization", format!("Basic {credentials}")));
        }
        None => body.push(format!("client_id={}", encode(&cognito.client_id))),
    }
    HttpRequest {
        url: format!("{}/oauth2/{endpoint}", cognito.domain),
        headers,
        form: Some(body.join("&")),
        timeout_ms,
        max_body_bytes,
    }
}

/// A token response takes about 100 ms, and a user waits for it. The refresh lease is longer than this.
pub const TOKEN_TIMEOUT_MS: u32 = 6000;
/// Signing out does not wait for the revocation, which must end within the runtime's 30 s after the answer.
const REVOKE_TIMEOUT_MS: u32 = 5000;
/// Three tokens of a user with many groups; see `jose::jws::MAX_TOKEN_BYTES`.
const MAX_TOKEN_RESPONSE_BYTES: usize = 256 * 1024;
/// The body is empty or a short error.
const MAX_REVOKE_RESPONSE_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oidc::fixtures::{cognito, confidential};

    type Case = (&'static str, HttpRequest, &'static str, &'static str, u32, usize);

    fn requests(cognito: &Cognito) -> [Case; 3] {
        let token = "https://auth.example.com/oauth2/token";
        let exchange = "grant_type=authorization_code&code=c%2F1&redirect_uri=https%3A%2F%2Fapp.example.com%2Fauth%2Fcallback\
                        &code_verifier=v-1";
        let (refresh, revoke) = ("grant_type=refresh_token&refresh_token=r%2B1%26client_id%3Dx", "token=r%2B1%26client_id%3Dx");
        [
            ("exchange", build_code_exchange(cognito, "c/1", "v-1"), token, exchange, 6000, 262_144),
            ("refresh", build_refresh(cognito, "r+1&client_id=x"), token, refresh, 6000, 262_144),
            (
                "revocation",
                build_revocation(cognito, "r+1&client_id=x"),
                "https://auth.example.com/oauth2/revoke",
                revoke,
                5000,
                16_384,
            ),
        ]
    }

    #[test]
    fn a_public_client_names_itself_in_the_body() {
        for (name, request, url, form, timeout_ms, max_body_bytes) in requests(&cognito()) {
            assert_eq!(request.url, url, "{name}");
            assert_eq!(request.form, Some(format!("{form}&client_id=1example23456789abcdefghij")), "{name}");
            assert_eq!((request.timeout_ms, request.max_body_bytes), (timeout_ms, max_body_bytes), "{name}");
            let headers = [("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")];
            assert_eq!(request.headers, headers.map(|(header, value)| (header, value.to_owned())), "{name}");
        }
    }

    #[test]
    fn a_confidential_client_authenticates_in_the_header_only() {
        for (name, request, url, form, ..) in requests(&confidential()) {
            assert_eq!((request.url.as_str(), request.form.as_deref()), (url, Some(form)), "{name}");
            let basic = STANDARD.encode("1example23456789abcdefghij:TESTONLYTESTONLYTESTONLY");
            assert_eq!(request.headers.last(), Some(&("authorization", format!("Basic {basic}"))), "{name}");
        }
    }
}
