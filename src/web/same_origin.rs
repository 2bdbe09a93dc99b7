//! The origin of the calling page: the CSRF check and CORS.

use crate::config::{Config, Origin};

/// The request did not come from a page that may make it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the page's own request")]
pub struct NotOwnPage;

/// Checks that a POST or DELETE comes from the site's own page (OWASP ASVS 3.5.1).
///
/// `Origin` must be `PUBLIC_URL` or an allowed origin, `Sec-Fetch-Site` must agree with it, and one of the two headers must be
/// present. `Origin: null` counts as absent. Without `Origin`, only `same-origin` proves that the page is the site's own.
///
/// # Errors
/// The page is another site's, or its origin is unknown.
pub fn check_own_page(config: &Config, origin: Option<&str>, fetch_site: Option<&str>) -> Result<(), NotOwnPage> {
    let own = match (origin.filter(|value| *value != "null"), fetch_site) {
        (Some(origin), site) if origin == config.public_url.as_str() => matches!(site, None | Some("same-origin")),
        (Some(origin), site) if is_sibling(config, origin) => matches!(site, None | Some("same-site")),
        (Some(_), _) => false,
        (None, site) => site == Some("same-origin"),
    };
    if own { Ok(()) } else { Err(NotOwnPage) }
}

/// The origin that may read a JSON answer: ours or an allowed one, compared exactly, never `null` or `*`.
#[must_use]
pub fn readable_by<'a>(config: &Config, origin: Option<&'a str>) -> Option<&'a str> {
    origin.filter(|origin| *origin == config.public_url.as_str() || is_sibling(config, origin))
}

fn is_sibling(config: &Config, origin: &str) -> bool {
    config.allowed_origins.iter().map(Origin::as_str).any(|allowed| allowed == origin)
}
