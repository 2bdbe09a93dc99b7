//! Login flows in their cookies: one sealed cookie each, at most five, the oldest makes room. Beside it the return path in a
//! cookie of its own, which outlives the flow: it is no secret, and is checked when it is read as any return path is.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::config::Config;
use crate::oidc::flow::{FLOW_LIFE_SECS, LoginFlow, MAX_FLOWS, SPENT_FLOW_LIFE_SECS, flow_tag};
use crate::ports::{IncomingRequest, Random};
use crate::session::seal::{self, Purpose};
use crate::web::return_path::ReturnPath;

use super::visit::Visit;
use super::words::Detail;
use super::{Failure, GateError};

/// The `Set-Cookie` lines that begin a flow.
pub(super) fn begin_flow<R: IncomingRequest>(
    config: &Config,
    visit: &Visit<'_, R>,
    flow: &LoginFlow,
    random: &impl Random,
) -> Result<Vec<String>, Failure> {
    let style = visit.cookie_style;
    let sealed =
        sealed_line(config, visit, flow, FLOW_LIFE_SECS, random).ok_or(Failure::new(GateError::Internal, "flow_not_sealed"))?;

    // Browsers send older cookies first.
    let known: Vec<&str> =
        visit.cookies().pairs().map(|(name, _)| name).filter(|name| name.starts_with(style.flow_prefix())).collect();
    let surplus = known.len().saturating_add(1).saturating_sub(MAX_FLOWS);
    let mut lines: Vec<String> = known.into_iter().take(surplus).map(|name| style.clear(name)).collect();
    lines.push(sealed);
    if flow.return_path != ReturnPath::default().as_str() {
        keep_return_path(visit, flow, &mut lines);
    }
    Ok(lines)
}

/// Adds the line of a return path's own cookie, and those that make room for it.
fn keep_return_path<R: IncomingRequest>(visit: &Visit<'_, R>, flow: &LoginFlow, lines: &mut Vec<String>) {
    let style = visit.cookie_style;
    let (name, value) = (return_name(visit, &flow.state), URL_SAFE_NO_PAD.encode(&flow.return_path));
    let bytes = |name: &str, value: &str| name.len().saturating_add(value.len());
    let known: Vec<(&str, &str)> = visit.cookies().pairs().filter(|(name, _)| name.starts_with(style.return_prefix())).collect();
    let mut count = known.len().saturating_add(1);
    let mut total = known.iter().fold(bytes(&name, &value), |sum, (name, value)| sum.saturating_add(bytes(name, value)));
    for (name, value) in known {
        if count <= MAX_RETURN_PATHS && total <= MAX_RETURN_PATHS_BYTES {
            break;
        }
        lines.push(style.clear(name));
        (count, total) = (count.saturating_sub(1), total.saturating_sub(bytes(name, value)));
    }
    lines.push(style.set(&name, &value, RETURN_PATH_LIFE_SECS));
}

/// The lines once a flow has ended well: what is left of it stays for half a minute, so that a callback that comes again is
/// known.
pub(super) fn spend_flow<R: IncomingRequest>(
    config: &Config,
    visit: &Visit<'_, R>,
    flow: &LoginFlow,
    random: &impl Random,
) -> Vec<String> {
    if flow.spent {
        return Vec::new();
    }
    let spent = sealed_line(config, visit, &flow.as_spent(visit.now), SPENT_FLOW_LIFE_SECS, random);
    let line = spent.unwrap_or_else(|| visit.cookie_style.clear(&cookie_name(visit, &flow.state)));
    [line].into_iter().chain(clear_return_path(visit, &flow.state)).collect()
}

/// The flow that a callback belongs to.
pub(super) struct FoundFlow {
    /// The flow, or why there is none.
    pub flow: Result<LoginFlow, Failure>,
    /// Where it was to return to, also when the flow itself is gone.
    pub return_path: Option<ReturnPath>,
    /// The lines that clear its cookies: a flow is used once.
    pub clear: Vec<String>,
}

/// Finds the flow of `state`.
pub(super) fn find_flow<R: IncomingRequest>(config: &Config, visit: &Visit<'_, R>, state: Option<&str>) -> FoundFlow {
    let style = visit.cookie_style;
    let any = visit.cookies().pairs().any(|(name, _)| name.starts_with(style.flow_prefix()));
    let missing = |error| Failure::new(error, "flow_missing");
    let unknown = missing(if any { GateError::StateMismatch } else { GateError::LoginExpired });
    let Some(state) = state else { return FoundFlow { flow: Err(unknown), return_path: None, clear: Vec::new() } };

    let kept = visit.cookies().one(&return_name(visit, state)).and_then(read_return_path);
    let mut clear: Vec<String> = clear_return_path(visit, state).into_iter().collect();
    let name = cookie_name(visit, state);
    let Some(sealed) = visit.cookies().one(&name) else { return FoundFlow { flow: Err(unknown), return_path: kept, clear } };
    clear.push(style.clear(&name));
    let opened = seal::open(&config.keys, Purpose::Flow, state.as_bytes(), &name, sealed).ok();
    let flow = match opened.and_then(|plain| LoginFlow::parse(&plain)) {
        Some(flow) if flow.answers(state, visit.now) => Ok(flow),
        Some(LoginFlow { spent: true, .. }) => Err(spent_flow()),
        Some(_) => Err(Failure { detail: Some(Detail::LoginTooOld), ..missing(GateError::LoginExpired) }),
        None => Err(missing(GateError::LoginExpired)),
    };
    let sealed_path = flow.as_ref().ok().and_then(|flow| ReturnPath::parse(&flow.return_path));
    FoundFlow { flow, return_path: sealed_path.or(kept), clear }
}

/// Why a flow whose code was sent before is of no more use.
pub(super) fn spent_flow() -> Failure {
    Failure { detail: Some(Detail::LoginSpent), ..Failure::new(GateError::LoginExpired, "flow_spent") }
}

/// Where the login that was begun last was to return to.
pub(super) fn last_return_path<R: IncomingRequest>(visit: &Visit<'_, R>) -> Option<ReturnPath> {
    let prefix = visit.cookie_style.return_prefix();
    let last = visit.cookies().pairs().filter(|(name, _)| name.starts_with(prefix)).last();
    last.and_then(|(_, value)| read_return_path(value))
}

fn read_return_path(value: &str) -> Option<ReturnPath> {
    let path = URL_SAFE_NO_PAD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok())?;
    ReturnPath::parse(&path)
}

fn clear_return_path<R: IncomingRequest>(visit: &Visit<'_, R>, state: &str) -> Option<String> {
    let name = return_name(visit, state);
    let there = visit.cookies().pairs().any(|(known, _)| known == name);
    there.then(|| visit.cookie_style.clear(&name))
}

fn sealed_line<R: IncomingRequest>(
    config: &Config,
    visit: &Visit<'_, R>,
    flow: &LoginFlow,
    life_secs: u64,
    random: &impl Random,
) -> Option<String> {
    let name = cookie_name(visit, &flow.state);
    let sealed = seal::seal(&config.keys, Purpose::Flow, flow.state.as_bytes(), &name, flow.encode().as_bytes(), random)?;
    Some(visit.cookie_style.set(&name, &sealed, life_secs))
}

fn cookie_name<R: IncomingRequest>(visit: &Visit<'_, R>, state: &str) -> String {
    format!("{}{}", visit.cookie_style.flow_prefix(), flow_tag(state))
}

fn return_name<R: IncomingRequest>(visit: &Visit<'_, R>, state: &str) -> String {
    format!("{}{}", visit.cookie_style.return_prefix(), flow_tag(state))
}

/// A login page that was left open overnight.
const RETURN_PATH_LIFE_SECS: u64 = 24 * 3600;
/// More than flows, so that the tab whose flow made room still finds its page.
const MAX_RETURN_PATHS: usize = 10;
/// Two of the longest; with five flows of the longest it is within the limit of a `Cookie` header.
const MAX_RETURN_PATHS_BYTES: usize = 6 * 1024;
