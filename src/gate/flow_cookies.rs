//! Login flows in their cookies: one sealed cookie each, at most five, the oldest makes room.

use crate::config::Config;
use crate::oidc::flow::{FLOW_LIFE_SECS, LoginFlow, MAX_FLOWS, flow_tag};
use crate::ports::{IncomingRequest, Random};
use crate::session::seal::{self, Purpose};

use super::visit::Visit;
use super::{Failure, GateError};

/// The `Set-Cookie` lines that begin a flow.
pub(super) fn begin_flow<R: IncomingRequest>(
    config: &Config,
    visit: &Visit<'_, R>,
    flow: &LoginFlow,
    random: &impl Random,
) -> Result<Vec<String>, Failure> {
    let style = visit.cookie_style;
    let name = cookie_name(visit, &flow.state);
    let plain = flow.encode();
    let sealed = seal::seal(&config.keys, Purpose::Flow, flow.state.as_bytes(), &name, plain.as_bytes(), random)
        .ok_or(Failure::new(GateError::Internal, "flow_not_sealed"))?;

    // Browsers send older cookies first.
    let known: Vec<&str> =
        visit.cookies().pairs().map(|(name, _)| name).filter(|name| name.starts_with(style.flow_prefix())).collect();
    let surplus = known.len().saturating_add(1).saturating_sub(MAX_FLOWS);
    let mut lines: Vec<String> = known.into_iter().take(surplus).map(|name| style.clear(name)).collect();
    lines.push(style.set(&name, &sealed, FLOW_LIFE_SECS));
    Ok(lines)
}

/// The flow that a callback belongs to.
pub(super) struct FoundFlow {
    /// The flow, or why there is none.
    pub flow: Result<LoginFlow, GateError>,
    /// The line that clears its cookie: whatever comes of it, a flow is used once.
    pub clear: Vec<String>,
}

/// Finds the flow of `state`.
pub(super) fn find_flow<R: IncomingRequest>(config: &Config, visit: &Visit<'_, R>, state: Option<&str>) -> FoundFlow {
    let style = visit.cookie_style;
    let any = visit.cookies().pairs().any(|(name, _)| name.starts_with(style.flow_prefix()));
    let missing = if any { GateError::StateMismatch } else { GateError::LoginExpired };
    let Some(state) = state else { return FoundFlow { flow: Err(missing), clear: Vec::new() } };

    let name = cookie_name(visit, state);
    let Some(sealed) = visit.cookies().one(&name) else { return FoundFlow { flow: Err(missing), clear: Vec::new() } };
    let flow = seal::open(&config.keys, Purpose::Flow, state.as_bytes(), &name, sealed)
        .ok()
        .and_then(|plain| LoginFlow::parse(&plain))
        .filter(|flow| flow.answers(state, visit.now))
        .ok_or(GateError::LoginExpired);
    FoundFlow { flow, clear: vec![style.clear(&name)] }
}

fn cookie_name<R: IncomingRequest>(visit: &Visit<'_, R>, state: &str) -> String {
    format!("{}{}", visit.cookie_style.flow_prefix(), flow_tag(state))
}
