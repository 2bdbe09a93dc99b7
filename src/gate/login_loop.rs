//! The loop breaker: sign-ins that succeed one after the other and open nothing. A page that is sent to the login again at
//! once (its clock is wrong, its API refuses the token, the browser or KV loses the session) would go round for ever, since
//! Cognito's own cookie signs in without asking.
//!
//! A sign-in that was begun within [`ROUND_SECS`] of the last one, or with a session cookie at hand, is a round. The browser
//! counts, in a cookie of its own that says nothing else; who changes it deceives themselves.

use crate::ports::{IncomingRequest, UnixSecs};

use super::visit::Visit;

/// How many rounds this browser has just been through; `None`: it has not signed in lately.
fn rounds<R: IncomingRequest>(visit: &Visit<'_, R>) -> Option<u32> {
    visit.cookies().one(visit.cookie_style.rounds_name()).and_then(|value| read(value, visit.now))
}

/// Whether this browser has signed in a moment ago.
pub(super) fn has_just_signed_in<R: IncomingRequest>(visit: &Visit<'_, R>) -> bool {
    rounds(visit).is_some()
}

/// Whether a page that asks for a sign-in has just been through several: another one would go round once more.
pub(super) fn is_loop<R: IncomingRequest>(visit: &Visit<'_, R>) -> bool {
    rounds(visit).is_some_and(|rounds| rounds >= MAX_ROUNDS)
}

/// Whether a script sends the browser to the login again and again. A click on "Sign in" is a person's.
pub(super) fn is_script_loop<R: IncomingRequest>(visit: &Visit<'_, R>) -> bool {
    let by_browser = visit.request.header("sec-fetch-mode").is_some();
    let many = rounds(visit).is_some_and(|rounds| rounds >= MAX_ROUNDS_BY_SCRIPT);
    by_browser && many && visit.request.header("sec-fetch-user").is_none()
}

/// The `Set-Cookie` line of a sign-in; `again`: it is a round.
pub(super) fn count_round<R: IncomingRequest>(visit: &Visit<'_, R>, again: bool) -> String {
    let style = visit.cookie_style;
    let count = if again { rounds(visit).unwrap_or(0).saturating_add(1) } else { 0 };
    style.set(style.rounds_name(), &format!("{count}.{}", visit.now), ROUND_SECS)
}

/// Whether the gateway has begun a login by itself a moment ago, in place of one that could not be finished.
pub(super) fn has_just_retried<R: IncomingRequest>(visit: &Visit<'_, R>) -> bool {
    visit.cookies().one(visit.cookie_style.retry_name()).is_some_and(|value| read(value, visit.now).is_some())
}

/// The `Set-Cookie` line of a login that the gateway begins by itself.
pub(super) fn count_retry<R: IncomingRequest>(visit: &Visit<'_, R>) -> String {
    let style = visit.cookie_style;
    style.set(style.retry_name(), &format!("1.{}", visit.now), ROUND_SECS)
}

/// `<rounds>.<time of the last>`, while that is not long ago.
fn read(value: &str, now: UnixSecs) -> Option<u32> {
    let (count, last) = value.split_once('.')?;
    let (count, last): (u32, UnixSecs) = (count.parse().ok()?, last.parse().ok()?);
    (last <= now && now < last.saturating_add(ROUND_SECS)).then_some(count)
}

/// A login takes seconds; a person who comes back later is not a loop.
const ROUND_SECS: u64 = 60;
/// A change of account or two stay below it.
const MAX_ROUNDS: u32 = 3;
/// The sessions may be good, and only the app's own reason to ask again is not: there is more patience with it.
const MAX_ROUNDS_BY_SCRIPT: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_count_for_a_minute() {
        for (value, now, expected) in [
            ("2.1000", 1000, Some(2)),
            ("2.1000", 1059, Some(2)),
            ("2.1000", 1060, None),
            ("2.1000", 999, None),
            ("4294967296.1000", 1000, None),
            ("-1.1000", 1000, None),
            ("2", 1000, None),
            ("2.1000.1", 1000, None),
            ("2.18446744073709551615", 1000, None),
            ("", 1000, None),
        ] {
            assert_eq!(read(value, now), expected, "{value} at {now}");
        }
    }
}
