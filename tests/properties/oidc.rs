//! Answers of the token endpoint.

use edgegate::oidc::token_response::{TokenError, read};
use edgegate::ports::HttpResponse;
use serde_json::{Map, Value, json};

use super::oracle::{object, unique_object};
use super::{Verdict, text};

/// An answer: the status, after a space perhaps a `Retry-After`, and from the next line on the body.
pub fn token_response(data: &[u8]) -> Verdict {
    let mut lines = data.splitn(2, |byte| *byte == b'\n');
    let (Some(first), body) = (text(lines.next().unwrap_or_default()), lines.next().unwrap_or_default()) else {
        return Verdict::Refused;
    };
    let (status, retry_after) = first.split_once(' ').map_or((first, None), |(status, rest)| (status, Some(rest)));
    let Ok(status) = status.parse() else { return Verdict::Refused };
    let answer = || read(Ok(HttpResponse { status, retry_after: retry_after.map(str::to_owned), body: body.to_vec() }));

    match answer() {
        Ok(tokens) => {
            let written = object(body).expect("a JSON object");
            let token = |name: &str| written.get(name).and_then(Value::as_str);
            assert_eq!(status, 200);
            assert_eq!(token("access_token"), Some(tokens.access_token.as_str()));
            assert_eq!(
                (token("id_token"), token("refresh_token")),
                (tokens.id_token.as_deref(), tokens.refresh_token.as_deref())
            );
            assert!(is_token_set(&written), "{written:?}");
            Verdict::Accepted
        }
        Err(error) => {
            assert!(status != 200 || !unique_object(body).is_some_and(|written| is_token_set(&written)), "refused as {error}");
            let said = object(body).and_then(|body| body.get("error").and_then(Value::as_str).map(str::to_owned));
            // Only this ends a session or a login; a second reading of it must not be possible.
            let refused = status == 400 && said.as_deref() == Some("invalid_grant");
            assert!(error != TokenError::Refused || refused, "{error:?}");
            assert!(!refused || error == TokenError::Refused || unique_object(body).is_none(), "{error:?}");
            match error {
                TokenError::Throttled { retry_after_secs } => {
                    assert!(status == 429 && retry_after_secs.is_none_or(|secs| (1..=300).contains(&secs)));
                }
                TokenError::Unavailable => assert!(status == 403 || (500..600).contains(&status)),
                TokenError::Misconfigured => assert!((status == 400 || status == 401) && said.is_some()),
                TokenError::InvalidResponse | TokenError::Refused => {}
                TokenError::TimedOut => panic!("there was an answer"),
            }
            assert_eq!(answer().err(), Some(error), "the same each time");
            Verdict::Refused
        }
    }
}

/// RFC 6749 §5.1, and no empty tokens.
fn is_token_set(written: &Map<String, Value>) -> bool {
    let filled = |name: &str| written.get(name).and_then(Value::as_str).is_some_and(|token| !token.is_empty());
    let open = |name: &str| written.get(name).is_none_or(|value| *value == json!(null));
    let bearer = written.get("token_type").and_then(Value::as_str).is_some_and(|kind| kind.eq_ignore_ascii_case("Bearer"));
    let lives = open("expires_in") || written["expires_in"].as_f64().is_some_and(|secs| secs > 0.0);
    bearer
        && lives
        && filled("access_token")
        && (open("id_token") || filled("id_token"))
        && (open("refresh_token") || filled("refresh_token"))
}
