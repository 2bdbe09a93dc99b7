//! `GET /config`: public values for the page.

use serde::Serialize;

use crate::config::Config;
use crate::gate::Response;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConfigBody<'a> {
    api_url: Option<&'a str>,
    ws_url: Option<&'a str>,
    cognito_domain: &'a str,
    redirect_uri: &'a str,
    client_id: &'a str,
}

/// All five are always there. Nothing in it changes between deployments, so a browser may keep it for a while.
pub(in crate::gate) fn answer(config: &Config) -> Response {
    let body = ConfigBody {
        api_url: config.api_url.as_deref(),
        ws_url: config.ws_url.as_deref(),
        cognito_domain: config.cognito.domain.as_str(),
        redirect_uri: config.cognito.redirect_uri.as_str(),
        client_id: &config.cognito.client_id,
    };
    Response::json(200, &body).with("cache-control", "public, max-age=300")
}
