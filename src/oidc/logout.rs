//! Cognito's sign-out page, which is not OIDC RP-initiated logout: `client_id` and `logout_uri` only.

use crate::config::Cognito;
use crate::web::query::encode;

/// The URL that ends Cognito's own browser session and returns to the registered sign-out URL.
#[must_use]
pub fn build_logout_url(cognito: &Cognito) -> String {
    format!("{}/logout?client_id={}&logout_uri={}", cognito.domain, encode(&cognito.client_id), encode(&cognito.logout_uri))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oidc::fixtures::cognito;

    #[test]
    fn the_url_names_the_client_and_the_encoded_return() {
        let cognito = Cognito { logout_uri: "https://app.example.com/bye?a=1&b=2".to_owned(), ..cognito() };
        assert_eq!(
            build_logout_url(&cognito),
            "https://auth.example.com/logout?client_id=1example23456789abcdefghij\
             &logout_uri=https%3A%2F%2Fapp.example.com%2Fbye%3Fa%3D1%26b%3D2"
        );
    }
}
