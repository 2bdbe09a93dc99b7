//! The policy of a session's life: fresh, due for a refresh, ended. Pure functions of a record and the time.

use crate::config::SessionLife;
use crate::jose::times::FUTURE_LEEWAY_SECS;
use crate::ports::UnixSecs;

use super::record::Record;

/// The state of a session's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Past its absolute or idle end.
    Ended,
    /// The access token is valid; nothing to do.
    Fresh,
    /// The access token is valid but near its end: answer now, refresh in the background.
    RenewSoon,
    /// The access token has expired: refresh before anything is opened.
    RenewNow,
}

/// The state of `record` at `now`.
#[must_use]
pub fn standing(record: &Record, life: &SessionLife, now: UnixSecs) -> Standing {
    if now >= record.ends_at(life) {
        Standing::Ended
    } else if now >= record.access_expires_at {
        Standing::RenewNow
    } else if now >= renew_at(record) {
        Standing::RenewSoon
    } else {
        Standing::Fresh
    }
}

/// When the access token should be refreshed: a margin before its end. The margin is at most 300 s and at most half of the
/// token's life. Each session takes three quarters to the whole of it, so that sessions of one time are not refreshed at one
/// time.
#[must_use]
pub fn renew_at(record: &Record) -> UnixSecs {
    let life_secs = record.access_expires_at.saturating_sub(record.access_issued_at);
    let margin_secs = (life_secs / 2).min(MAX_MARGIN_SECS);
    let spread =
        record.access_token.bytes().rev().take(8).fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let margin_secs = margin_secs.saturating_sub((margin_secs / 4).saturating_mul(spread % 256) / 256);
    record.access_expires_at.saturating_sub(margin_secs)
}

/// Whether a plain page (no token, no rule with groups) stays open although the token has expired. Only asked after a refresh has
/// failed.
#[must_use]
pub fn grace_holds(record: &Record, life: &SessionLife, now: UnixSecs) -> bool {
    now < record.access_expires_at.saturating_add(life.outage_grace_secs)
}

/// Whether the clock is certainly slow: earlier than Cognito's time in the last access token. Another gateway's time would prove
/// nothing, because its clock may be wrong. With a slow clock, no session would ever expire.
#[must_use]
pub fn runs_behind(record: &Record, now: UnixSecs) -> bool {
    now.saturating_add(FUTURE_LEEWAY_SECS) < record.access_issued_at
}

/// Whether the marker of a sign-out everywhere ends this session: it ends sessions created up to its time.
#[must_use]
pub fn ended_everywhere(record: &Record, marker: UnixSecs) -> bool {
    record.created_at <= marker
}

/// A longer margin would refresh one-hour tokens more often than needed.
const MAX_MARGIN_SECS: u64 = 300;

/// The lease on a session's refresh. It is longer than the token request can take, so that a refresh never runs twice. It is no
/// longer than that, so that a cancelled leader does not block the others.
pub const LEASE_SECS: u64 = crate::oidc::token_request::TOKEN_TIMEOUT_MS as u64 / 1000 + 2;
/// The lease is extended to this long before each further step of a refresh, and the refreshed record is cached for this long before
/// each step of its save. Longer than any one step: KV has 8 s, a guard call with its one retry 8.2 s, the key set with its one
/// retry 8.4 s.
pub const STEP_SECS: u64 = 10;
/// The lease that the guard grants (strict mode). The guard's reply can take 4 s before the token request begins.
pub const GUARD_LEASE_SECS: u64 = LEASE_SECS + 4;
/// How long a request waits for another request's refresh: slightly longer than the lease of a dead holder.
pub const PATIENCE_SECS: u64 = GUARD_LEASE_SECS + 2;
/// How long one request may ask the guard while the others wait for its reply: two guard calls that are answered at the last
/// moment. A call that must also register a record may take longer; then the next request asks too, which does no harm.
pub const LOOK_SECS: u64 = 8;
/// How long a callback waits for another callback of the same login state that has sent its code: the token request 6 s, the key
/// set with its one retry 8.4 s, a guard call with its one retry 8.2 s, the session's first write 8 s; 30.6 s together.
pub const EXCHANGE_SECS: u64 = 32;
/// After a temporary failure, the session is not refreshed for this long, so that no page waits for a time-out again.
pub const RETRY_SECS: u64 = 10;
/// A refused refresh token is not sent again for this long.
pub const REFUSED_SECS: u64 = 600;
/// At most one forced refresh in this time.
pub const FORCE_INTERVAL_SECS: u64 = 30;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::fixtures::{LIFE, record};

    #[test]
    fn a_session_passes_through_its_standings_at_the_exact_seconds() {
        let record = record();
        let soon = renew_at(&record);
        assert!((13_300..=13_375).contains(&soon), "{soon}");
        for (now, expected) in [
            (soon - 1, Standing::Fresh),
            (soon, Standing::RenewSoon),
            (13_599, Standing::RenewSoon),
            (13_600, Standing::RenewNow),
            (441_999, Standing::RenewNow),
            (442_000, Standing::Ended),
        ] {
            assert_eq!(standing(&record, &LIFE, now), expected, "{now}");
        }
    }

    #[test]
    fn an_idle_limit_ends_a_session_that_was_not_renewed() {
        let life = SessionLife { idle_secs: Some(7200), ..LIFE };
        assert_eq!(standing(&record(), &life, 17_199), Standing::RenewNow);
        assert_eq!(standing(&record(), &life, 17_200), Standing::Ended);
        let renewed = Record { renewed_at: 17_000, ..record() };
        assert_eq!(standing(&renewed, &life, 17_200), Standing::RenewNow);
    }

    #[test]
    fn a_short_token_has_a_margin_of_at_most_half_its_life() {
        let short = Record { access_expires_at: 10_010, ..record() };
        assert!((10_005..=10_006).contains(&renew_at(&short)));
    }

    #[test]
    fn renewals_are_spread_by_the_end_of_the_token() {
        for (token, renewed_at) in [
            ("", 13_300),
            ("a", 13_328),
            ("bg", 13_364),
            ("ab", 13_318),
            ("\u{7f}", 13_337),
            ("a.12345678", 13_373),
            ("b.12345678", 13_373),
            ("wx", 13_374),
        ] {
            let record = Record { access_token: token.to_owned(), ..record() };
            assert_eq!(renew_at(&record), renewed_at, "{token:?}");
        }
    }

    #[test]
    fn times_without_sense_do_not_overflow() {
        let issued_later = Record { access_issued_at: 20_000, ..record() };
        assert_eq!(renew_at(&issued_later), 13_600);
        let endless = Record { access_expires_at: u64::MAX, ..record() };
        assert!(grace_holds(&endless, &LIFE, u64::MAX - 1));
        let idle = SessionLife { idle_secs: Some(u64::MAX), ..LIFE };
        assert_eq!(standing(&record(), &idle, 441_999), Standing::RenewNow);
    }

    #[test]
    fn a_clock_before_what_has_happened_is_not_believed() {
        assert!(runs_behind(&record(), 0) && runs_behind(&record(), 9_939));
        assert!(!runs_behind(&record(), 9_940) && !runs_behind(&record(), u64::MAX));
    }

    #[test]
    fn the_grace_has_an_end() {
        assert!(grace_holds(&record(), &LIFE, 14_199));
        assert!(!grace_holds(&record(), &LIFE, 14_200));
        let none = SessionLife { outage_grace_secs: 0, ..LIFE };
        assert!(!grace_holds(&record(), &none, 13_600));
    }

    #[test]
    fn signing_out_everywhere_ends_what_was_created_up_to_then() {
        assert!(ended_everywhere(&record(), 10_000));
        assert!(!ended_everywhere(&record(), 9_999));
    }
}
