//! `GET /config`: public values for the page.

use crate::ports::Ports;

use super::{Answer, Gate};

impl<P: Ports> Gate<P> {
    /// All five are always there. Nothing in it changes between deployments, so a browser may keep it for a while.
    pub(super) fn config_route(&self) -> Answer {
        let config = &self.config;
        let body = [
            ("apiUrl", config.api_url.as_deref().into()),
            ("wsUrl", config.ws_url.as_deref().into()),
            ("cognitoDomain", config.cognito.domain.as_str().into()),
            ("redirectUri", config.cognito.redirect_uri.as_str().into()),
            ("clientId", config.cognito.client_id.as_str().into()),
        ];
        Answer::json(200, &body).with("cache-control", "public, max-age=300")
    }
}
