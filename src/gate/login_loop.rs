//! Login loops: sign-ins that succeed one after the other and open nothing. A page that sends the browser to the login again at
//! once (its clock is wrong, its API refuses the token, the browser or KV loses the session) would do so for ever, since
//! Cognito's own cookie signs in without asking.
//!
//! A sign-in counts as repeated if it began within [`IN_A_ROW_SECS`] of the last one, or with a session cookie at hand. The count
//! is in a cookie that holds nothing else; a browser that changes it only deceives itself.

use crate::ports::{IncomingRequest, UnixSecs};

use super::request::RequestContext;

/// How many repeated sign-ins this browser has just made; `None`: it has not signed in lately.
fn sign_ins<R: IncomingRequest>(request: &RequestContext<'_, R>) -> Option<u32> {
    request.cookies().one(request.cookie_style.sign_ins_name()).and_then(|value| read(value, request.now))
}

/// Whether this browser has signed in a moment ago.
pub(super) fn has_just_signed_in<R: IncomingRequest>(request: &RequestContext<'_, R>) -> bool {
    sign_ins(request).is_some()
}

/// Whether the browser has just signed in several times: one more login would only repeat them.
pub(super) fn is_login_loop<R: IncomingRequest>(request: &RequestContext<'_, R>) -> bool {
    sign_ins(request).is_some_and(|count| count >= MAX_SIGN_INS)
}

/// Whether a script sends the browser to the login again and again. A click on "Sign in" is a person's.
pub(super) fn is_script_loop<R: IncomingRequest>(request: &RequestContext<'_, R>) -> bool {
    let by_browser = request.incoming.header("sec-fetch-mode").is_some();
    let many = sign_ins(request).is_some_and(|count| count >= MAX_SIGN_INS_BY_SCRIPT);
    by_browser && many && request.incoming.header("sec-fetch-user").is_none()
}

/// The `Set-Cookie` line of a sign-in; `again`: a repeated one.
pub(super) fn count_sign_in<R: IncomingRequest>(request: &RequestContext<'_, R>, again: bool) -> String {
    let style = request.cookie_style;
    let count = if again { sign_ins(request).unwrap_or(0).saturating_add(1) } else { 0 };
    style.set(style.sign_ins_name(), &format!("{count}.{}", request.now), IN_A_ROW_SECS)
}

/// Whether the gateway has begun a login by itself a moment ago, in place of an unfinished one.
pub(super) fn has_just_retried<R: IncomingRequest>(request: &RequestContext<'_, R>) -> bool {
    request.cookies().one(request.cookie_style.retry_name()).is_some_and(|value| read(value, request.now).is_some())
}

/// The `Set-Cookie` line of a login that the gateway begins by itself.
pub(super) fn count_retry<R: IncomingRequest>(request: &RequestContext<'_, R>) -> String {
    let style = request.cookie_style;
    style.set(style.retry_name(), &format!("1.{}", request.now), IN_A_ROW_SECS)
}

/// Reads `<repeated sign-ins>.<time of the last>`; `None` once that is long ago.
fn read(value: &str, now: UnixSecs) -> Option<u32> {
    let (count, last) = value.split_once('.')?;
    let (count, last): (u32, UnixSecs) = (count.parse().ok()?, last.parse().ok()?);
    (last <= now && now < last.saturating_add(IN_A_ROW_SECS)).then_some(count)
}

/// A login takes seconds; a person who comes back later is not a loop.
const IN_A_ROW_SECS: u64 = 60;
/// One or two changes of account stay below it.
const MAX_SIGN_INS: u32 = 3;
/// More patience: the sessions may be good, and only the app's own reason to ask again is not.
const MAX_SIGN_INS_BY_SCRIPT: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_ins_count_for_a_minute() {
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
