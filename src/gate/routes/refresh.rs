//! `POST /auth/refresh`: the page's access token, refreshed when its end is near.

use serde::Deserialize;

use crate::auth::Gateway;
use crate::auth::error::ErrorCode;
use crate::auth::refresh::{Need, live, refreshed_or_stored};
use crate::gate::request::RequestContext;
use crate::gate::response::token_response;
use crate::gate::{Failure, Response};
use crate::jose::unique_json;
use crate::ports::{IncomingRequest, Ports};
use crate::session::policy::{Standing, standing};

/// 1. Read the optional body (nonsense → 400).  2. Find the session (none → 401).
/// 3. Fresh and not forced: the stored token. Near its end, or forced: refresh, and if that fails while the stored token lives,
///    that one. Expired: refresh or say why not.
pub(in crate::gate) async fn answer<P: Ports, R: IncomingRequest>(
    gateway: &Gateway<P>,
    request: &RequestContext<'_, R>,
) -> Result<Response, Failure> {
    let body = request.body().await?;
    let force = read_force(&body).ok_or(Failure::new(ErrorCode::InvalidRequest, "refresh_body"))?;
    let session = request.find_session(gateway).await?.required()?;
    request.limit(gateway, "refresh", &session.names.log_name()).await?;

    let name = session.names.as_bytes();
    let forced = force && gateway.isolate.refresh_state.borrow_mut().may_force(name, request.now);
    let near = standing(&session.record, &gateway.config.session, request.now) == Standing::RenewSoon;
    let session = if forced || near {
        refreshed_or_stored(gateway, session).await?
    } else {
        live(gateway, session, Need::Identity).await?
    };
    Ok(token_response(&gateway.config, &session.record, gateway.runtime.now()))
}

/// `force` of the body, both of which may be left out.
fn read_force(body: &[u8]) -> Option<bool> {
    #[derive(Deserialize)]
    struct Written {
        #[serde(default)]
        force: bool,
    }
    if body.is_empty() { Some(false) } else { unique_json::read(body).map(|Written { force }| force) }
}
