//! `POST /auth/token`: the same end of a login for an app page that is the redirect URI.

use serde::Deserialize;

use crate::auth::Gateway;
use crate::auth::error::ErrorCode;
use crate::gate::request::RequestContext;
use crate::gate::response::token_response;
use crate::gate::sign_in::{SignedIn, finish};
use crate::gate::{Failure, Response};
use crate::jose::unique_json;
use crate::oidc::callback::CallbackParams;
use crate::ports::{IncomingRequest, Ports};

/// The steps of the callback; the return path is in `Location`, since the 200 is the page's.
pub(in crate::gate) async fn answer<P: Ports, R: IncomingRequest>(
    gateway: &Gateway<P>,
    request: &RequestContext<'_, R>,
) -> Result<Response, Failure> {
    request.limit(gateway, "token", &request.client_network()).await?;
    let bad = |reason| Failure::new(ErrorCode::InvalidRequest, reason);
    let kind = request.incoming.header("content-type").unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(bad("token_content_type"));
    }
    let body = request.body().await?;
    let params = page_params(&body).ok_or_else(|| bad("token_body"))?;
    let SignedIn { session, return_path, set_cookies } = finish(gateway, request, params).await?;
    let response = token_response(&gateway.config, &session.record, gateway.runtime.now());
    Ok(response.with("location", return_path.as_str()).with_cookies(set_cookies))
}

/// The body of the page: `{"code","state"}`.
fn page_params(body: &[u8]) -> Option<CallbackParams> {
    #[derive(Deserialize)]
    struct Written {
        code: String,
        state: String,
    }
    let Written { code, state } = unique_json::read(body)?;
    CallbackParams::from_page(code, state).ok()
}
