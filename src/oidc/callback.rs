//! The authorization response (RFC 6749 §4.1.2). A query becomes [`CallbackParams`] before any other code sees `code`.

use crate::web::query::Query;

/// The parameters of Cognito's redirect.
#[derive(Clone, PartialEq, Eq)]
pub struct CallbackParams {
    /// `state`, if any.
    pub state: Option<String>,
    /// The outcome.
    pub answer: CallbackAnswer,
    /// Cognito's error description, cleaned for the log: a hint for the operator. Anyone can write such a link, so nothing
    /// depends on the hint. Empty if absent.
    pub hint: String,
}

/// The outcome of an authorization request.
#[derive(Clone, PartialEq, Eq)]
pub enum CallbackAnswer {
    /// A code to exchange.
    Code(String),
    /// An error; it wins over a code.
    Error(AuthorizeError),
    /// Neither: not an authorization response at all.
    Nothing,
}

/// Cognito's errors, by the user's next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorizeError {
    /// The user cancelled, or was refused (`access_denied`).
    Denied,
    /// Anything else: a Lambda trigger or an upstream provider failed or refused.
    Failed,
    /// `prompt=none` without a session at Cognito.
    LoginRequired,
    /// The app client is not allowed this request.
    Misconfigured,
    /// A failure at Cognito.
    Unavailable,
}

/// Why a query is not an authorization response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallbackError {
    /// `code`, `state`, `error` or `iss` is repeated.
    #[error("parameter repeated")]
    Repeated,
    /// `iss` names another issuer (RFC 9207 §2.4).
    #[error("issuer does not match")]
    WrongIssuer,
    /// A value is longer than Cognito makes it.
    #[error("parameter too long")]
    TooLong,
}

impl CallbackParams {
    /// Reads the query of the redirect.
    ///
    /// # Errors
    /// The query is ambiguous, or comes from another issuer.
    pub fn parse(query: Query<'_>, issuer: &str) -> Result<Self, CallbackError> {
        let one = |name| query.one(name).map_err(|_| CallbackError::Repeated);
        let (state, code, error) = (one("state")?, one("code")?, one("error")?);
        if one("iss")?.is_some_and(|iss| iss != issuer) {
            return Err(CallbackError::WrongIssuer);
        }
        // Cognito's `error_description` decides one case by its code. It is never shown, because its text can be forged.
        let description = query.one("error_description").ok().flatten();
        let answer = match (error, code.filter(|code| !code.is_empty())) {
            (Some(error), _) => CallbackAnswer::Error(AuthorizeError::read(&error, description.as_deref())),
            (None, Some(code)) => CallbackAnswer::Code(code.into_owned()),
            (None, None) => CallbackAnswer::Nothing,
        };
        let hint = description.as_deref().map(clean).unwrap_or_default();
        Ok(Self { hint, ..Self::check(state.map(std::borrow::Cow::into_owned), answer)? })
    }

    /// Reads the same parameters from the JSON that an app page posts.
    ///
    /// # Errors
    /// A value is too long.
    pub fn from_page(code: String, state: String) -> Result<Self, CallbackError> {
        let answer = if code.is_empty() { CallbackAnswer::Nothing } else { CallbackAnswer::Code(code) };
        Self::check(Some(state), answer)
    }

    fn check(state: Option<String>, answer: CallbackAnswer) -> Result<Self, CallbackError> {
        let code_bytes = if let CallbackAnswer::Code(code) = &answer { code.len() } else { 0 };
        if code_bytes > MAX_PARAMETER_BYTES || state.as_ref().is_some_and(|state| state.len() > MAX_PARAMETER_BYTES) {
            return Err(CallbackError::TooLong);
        }
        Ok(Self { state: state.filter(|state| !state.is_empty()), answer, hint: String::new() })
    }
}

impl AuthorizeError {
    fn read(error: &str, description: Option<&str>) -> Self {
        match error {
            "server_error" | "temporarily_unavailable" => Self::Unavailable,
            "unauthorized_client" | "invalid_scope" => Self::Misconfigured,
            // Cognito sends this in place of `invalid_scope`.
            "invalid_request" if description == Some("invalid_scope") => Self::Misconfigured,
            "login_required" => Self::LoginRequired,
            "access_denied" => Self::Denied,
            _ => Self::Failed,
        }
    }
}

/// Words of a description, without e-mail addresses and control characters, up to [`MAX_HINT_CHARS`].
fn clean(description: &str) -> String {
    let mut hint = String::new();
    for word in description.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty()) {
        if !hint.is_empty() {
            hint.push(' ');
        }
        let lower = word.to_ascii_lowercase();
        let address = ["@", "%40", "\u{ff20}", "\u{fe6b}"].iter().any(|sign| lower.contains(sign));
        hint.push_str(if address { "[e-mail]" } else { word });
    }
    hint.chars().take(MAX_HINT_CHARS).collect()
}

/// The hint must fit into a log line.
const MAX_HINT_CHARS: usize = 200;
/// Codes are UUIDs, our state has 43 characters; federated logins have been seen to make them longer.
const MAX_PARAMETER_BYTES: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<CallbackParams, CallbackError> {
        CallbackParams::parse(Query::new(query), "https://issuer.example/pool")
    }

    #[test]
    fn an_error_wins_over_a_code_and_is_classified() {
        for (query, error) in [
            ("error=access_denied&code=c", AuthorizeError::Denied),
            ("error=server_error", AuthorizeError::Unavailable),
            ("error=temporarily_unavailable", AuthorizeError::Unavailable),
            ("error=unauthorized_client", AuthorizeError::Misconfigured),
            ("error=invalid_scope", AuthorizeError::Misconfigured),
            ("error_description=invalid_scope&state=s&error=invalid_request", AuthorizeError::Misconfigured),
            ("error=invalid_request&error_description=PreSignUp+failed", AuthorizeError::Failed),
            ("error=invalid_request&error_description=access_denied", AuthorizeError::Failed),
            ("error=Access_Denied", AuthorizeError::Failed),
            ("error=login_required", AuthorizeError::LoginRequired),
            ("error=", AuthorizeError::Failed),
        ] {
            assert!(parse(query).is_ok_and(|params| params.answer == CallbackAnswer::Error(error)), "{query}");
        }
    }

    #[test]
    fn ambiguous_and_foreign_answers_are_refused() {
        for query in ["code=a&code=b&state=s", "code=a&state=s&state=s", "error=a&error=b", "code=a&iss=x&iss=x"] {
            assert_eq!(parse(query).err(), Some(CallbackError::Repeated), "{query}");
        }
        assert_eq!(parse("code=a&state=s&iss=https%3A%2F%2Fevil.example").err(), Some(CallbackError::WrongIssuer));
        assert!(parse("code=a&state=s&iss=https%3A%2F%2Fissuer.example%2Fpool").is_ok());
        for iss in ["", "https%3A%2F%2Fissuer.example%2Fpool%2F", "https%3A%2F%2FISSUER.example%2Fpool"] {
            assert_eq!(parse(&format!("error=a&state=s&iss={iss}")).err(), Some(CallbackError::WrongIssuer), "{iss}");
        }
    }

    #[test]
    fn a_repeated_description_is_as_none() {
        let query = "error=invalid_request&error_description=invalid_scope&error_description=invalid_scope";
        let params = parse(query);
        assert!(
            params.is_ok_and(|params| params.answer == CallbackAnswer::Error(AuthorizeError::Failed) && params.hint.is_empty())
        );
    }

    #[test]
    fn a_description_is_a_hint_without_addresses_and_control_characters() {
        for (description, hint) in [
            ("", ""),
            ("invalid_scope", "invalid_scope"),
            ("PreSignUp+failed+with+error+no.", "PreSignUp failed with error no."),
            ("user+alice%40example.com+is+new", "user [e-mail] is new"),
            ("mailto:alice%40example.com,bob%40example.com+x", "[e-mail] x"),
            ("alice%2540example.com", "[e-mail]"),
            ("alice%EF%BC%A0example.com", "[e-mail]"),
            ("a%0d%0ab%00c%C2%85d%09+e", "a b c d e"),
            ("%ED%95%9C%EA%B5%AD", "한국"),
        ] {
            let params = parse(&format!("error=x&error_description={description}"));
            assert_eq!(params.map(|params| params.hint).ok().as_deref(), Some(hint), "{description}");
        }
        let long = |letters: usize| parse(&format!("error=x&error_description={}", "ü".repeat(letters)));
        for (letters, kept) in [(200, 200), (201, 200)] {
            assert!(long(letters).is_ok_and(|params| params.hint == "ü".repeat(kept)), "{letters}");
        }
    }

    #[test]
    fn code_and_state_have_at_most_2048_bytes() {
        let (longest, longer) = ("a".repeat(2048), "a".repeat(2049));
        for (code, state, fits) in [
            (longest.as_str(), longest.as_str(), true),
            ("c", &longest, true),
            (&longest, "s", true),
            (&longer, "s", false),
            ("c", &longer, false),
            ("", &longer, false),
            (&longer, &longer, false),
        ] {
            let (from_query, from_page) =
                (parse(&format!("code={code}&state={state}")), CallbackParams::from_page(code.to_owned(), state.to_owned()));
            for params in [from_query, from_page] {
                match params {
                    Ok(params) => {
                        assert!(fits && params.state.as_deref() == Some(state));
                        assert!(params.answer == CallbackAnswer::Code(code.to_owned()));
                    }
                    Err(error) => assert!(!fits && error == CallbackError::TooLong, "{} and {}", code.len(), state.len()),
                }
            }
        }
    }

    #[test]
    fn empty_values_are_absent() {
        for params in [parse("code=&state="), parse(""), CallbackParams::from_page(String::new(), String::new())] {
            assert!(params.is_ok_and(|params| params.state.is_none() && params.answer == CallbackAnswer::Nothing));
        }
    }
}
