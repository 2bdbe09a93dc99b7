//! Cognito's sign-out page, which is not OIDC RP-initiated logout: `client_id` and `logout_uri` only.

use crate::config::Cognito;
use crate::web::query::encode;

/// The URL that ends Cognito's own browser session and returns to the registered sign-out URL.
#[must_use]
pub fn build_logout_url(cognito: &Cognito) -> String {
    format!("{}/logout?client_id={}&logout_uri={}", cognito.domain, encode(&cognito.client_id), encode(&cognito.logout_uri))
}
