//! The authorization request (RFC 6749 §4.1.1, OIDC Core §3.1.2.1, RFC 7636 §4.3).

use std::borrow::Cow;

use crate::config::Cognito;
use crate::web::query::{Query, encode};

use super::login_state::LoginState;
use super::pkce;

/// The parameters that `/auth/login` passes through to Cognito's page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassThrough(Vec<(&'static str, String)>);

/// A pass-through parameter is repeated, too long, or has a value that Cognito does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("login parameter not acceptable")]
pub struct BadParameter;

impl PassThrough {
    /// Picks `identity_provider`, `idp_identifier`, `login_hint`, `lang` and `prompt` from the query of `/auth/login`.
    ///
    /// # Errors
    /// One of the parameters is unacceptable.
    pub fn parse(query: Query<'_>) -> Result<Self, BadParameter> {
        let mut picked = Vec::new();
        for name in ["identity_provider", "idp_identifier", "login_hint", "lang", "prompt"] {
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

/// The URL of Cognito's login page. Everything but the login state and the pass-through is configuration, so that no parameter
/// can widen the scopes or change the redirect URI.
#[must_use]
pub fn build_authorize_url(cognito: &Cognito, flow: &LoginState, pass_through: &PassThrough) -> String {
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

/// E-mail addresses and provider names are far shorter.
const MAX_VALUE_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oidc::fixtures::{Counting, cognito};

    fn parse(query: &str) -> Result<PassThrough, BadParameter> {
        PassThrough::parse(Query::new(query))
    }

    #[test]
    fn five_parameters_pass_and_no_other() {
        let query = "prompt=login&lang=ko&login_hint=a%40example.com&identity_provider=Google&idp_identifier=example.com\
                     &scope=admin&redirect_uri=https%3A%2F%2Fevil.example&client_id=x&state=x&return_to=%2F";
        let picked = [
            ("identity_provider", "Google"),
            ("idp_identifier", "example.com"),
            ("login_hint", "a@example.com"),
            ("lang", "ko"),
            ("prompt", "login"),
        ];
        assert_eq!(parse(query), Ok(PassThrough(picked.map(|(name, value)| (name, value.to_owned())).to_vec())));
        assert_eq!(parse(""), Ok(PassThrough::default()));
        for prompt in ["none", "login", "select_account", "consent"] {
            assert!(
                parse(&format!("prompt={prompt}")).is_ok_and(|passed| passed.0 == [("prompt", prompt.to_owned())]),
                "{prompt}"
            );
        }
    }

    #[test]
    fn a_parameter_that_cognito_would_not_know_is_refused() {
        for query in [
            "login_hint=",
            "lang",
            "lang=ko&lang=en",
            "lang=ko&l%61ng=ko",
            "login_hint=a%0d%0aSet-Cookie%3Ax",
            "identity_provider=a%00",
            "login_hint=%7f",
            "prompt=",
            "prompt=Login",
            "prompt=login+consent",
            "prompt=create",
        ] {
            assert_eq!(parse(query), Err(BadParameter), "{query}");
        }
    }

    #[test]
    fn a_value_has_at_most_256_bytes() {
        for (value, passes) in
            [("a".repeat(256), true), ("a".repeat(257), false), ("ü".repeat(128), true), ("ü".repeat(129), false)]
        {
            assert_eq!(parse(&format!("login_hint={value}")).is_ok(), passes, "{}", value.len());
        }
    }

    #[test]
    fn the_url_is_made_of_configuration_flow_and_pass_through() {
        let flow = LoginState::generate(&Counting::default(), "/app/".to_owned(), 1000);
        let fixed = "https://auth.example.com/oauth2/authorize?response_type=code&client_id=1example23456789abcdefghij\
                     &redirect_uri=https%3A%2F%2Fapp.example.com%2Fauth%2Fcallback&scope=openid+email+profile\
                     &state=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA&nonce=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\
                     &code_challenge_method=S256&code_challenge=";
        let challenge = pkce::challenge("AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI");
        assert_eq!(build_authorize_url(&cognito(), &flow, &PassThrough::default()), format!("{fixed}{challenge}"));
        let passed = parse("login_hint=a%26scope%3Dadmin%40example.com&lang=ko").expect("acceptable");
        assert_eq!(
            build_authorize_url(&cognito(), &flow, &passed),
            format!("{fixed}{challenge}&login_hint=a%26scope%3Dadmin%40example.com&lang=ko")
        );
    }
}
