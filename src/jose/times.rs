//! `exp`, `iat` and `nbf` (RFC 7519 §4.1), checked by jwt-compact within our bounds.

use chrono::{DateTime, Duration, Utc};
use jwt_compact::{Claims, TimeOptions};

use crate::ports::UnixSecs;

/// The times of a token that is valid now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenTimes {
    /// `iat`.
    pub issued_at: UnixSecs,
    /// `exp`.
    pub expires_at: UnixSecs,
}

/// Why a token is not valid now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// `exp` or `iat` is missing, or a time is negative or absurdly far ahead (milliseconds, for example).
    #[error("times missing or out of range")]
    OutOfRange,
    /// `exp` has passed.
    #[error("token expired")]
    Expired,
    /// `iat` or `nbf` is in the future.
    #[error("token from the future")]
    FromTheFuture,
}

/// Checks that the token is valid at `now`.
///
/// # Errors
/// The token is not valid, or its times make no sense.
pub fn check_times<T>(claims: &Claims<T>, now: UnixSecs) -> Result<TokenTimes, TimeError> {
    let expires_at = unix_secs(claims.expiration.ok_or(TimeError::OutOfRange)?)?;
    let issued_at = unix_secs(claims.issued_at.ok_or(TimeError::OutOfRange)?)?;
    let present = i64::try_from(now).ok().and_then(|secs| DateTime::from_timestamp(secs, 0)).ok_or(TimeError::OutOfRange)?;

    // jwt-compact still accepts the very second of `exp`; the token has expired "on or after" it (RFC 7519 §4.1.4).
    let next = present.checked_add_signed(Duration::seconds(1)).ok_or(TimeError::OutOfRange)?;
    let strictly_before = TimeOptions::new(Duration::zero(), || next);
    claims.validate_expiration(&strictly_before).map_err(|_| TimeError::Expired)?;
    if issued_at > now.saturating_add(FUTURE_LEEWAY_SECS) {
        return Err(TimeError::FromTheFuture);
    }
    if let Some(not_before) = claims.not_before {
        unix_secs(not_before)?;
        let leeway = Duration::seconds(FUTURE_LEEWAY_SECS.cast_signed());
        claims.validate_maturity(&TimeOptions::new(leeway, || present)).map_err(|_| TimeError::FromTheFuture)?;
    }
    Ok(TokenTimes { issued_at, expires_at })
}

fn unix_secs(time: DateTime<Utc>) -> Result<UnixSecs, TimeError> {
    UnixSecs::try_from(time.timestamp()).ok().filter(|secs| *secs <= YEAR_9999).ok_or(TimeError::OutOfRange)
}

/// The clocks of Cognito and the edge are synchronised; a minute covers the rest. `exp` gets no leeway: a token lives at least
/// five minutes, and its last seconds are worth nothing.
pub const FUTURE_LEEWAY_SECS: u64 = 60;
/// 9999-12-31T23:59:59Z: a later time was not meant in seconds.
const YEAR_9999: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;
    use jwt_compact::Empty;
    use serde_json::{Value, json};

    const NOW: u64 = 1_760_000_000;

    /// Reads times as jwt-compact does: numbers of seconds, with fractions cut off. `None`: a time is not a number, or is outside
    /// the calendar.
    fn read(claims: &Value) -> Option<Claims<Empty>> {
        serde_json::from_value(claims.clone()).ok()
    }

    fn check(claims: &Value) -> Option<Result<TokenTimes, TimeError>> {
        read(claims).map(|read| check_times(&read, NOW))
    }

    #[test]
    fn times_hold_up_to_their_limits() {
        let good = TokenTimes { issued_at: NOW, expires_at: NOW + 1 };
        assert_eq!(check(&json!({"iat":NOW,"exp":NOW + 1})), Some(Ok(good)));
        for (iat, exp, nbf, error) in [
            (0, NOW + 1, None, None),
            (NOW, 253_402_300_799, None, None),
            (NOW, 253_402_300_800, None, Some(TimeError::OutOfRange)),
            (253_402_300_800, NOW + 1, None, Some(TimeError::OutOfRange)),
            (NOW - 1, NOW, None, Some(TimeError::Expired)),
            (NOW - 1, NOW - 1, None, Some(TimeError::Expired)),
            (0, 0, None, Some(TimeError::Expired)),
            (NOW + 59, NOW + 99, None, None),
            (NOW + 60, NOW + 99, None, None),
            (NOW + 61, NOW + 99, None, Some(TimeError::FromTheFuture)),
            (253_402_300_799, NOW + 99, None, Some(TimeError::FromTheFuture)),
            (NOW, NOW + 99, Some(0), None),
            (NOW, NOW + 99, Some(NOW), None),
            (NOW, NOW + 99, Some(NOW + 60), None),
            (NOW, NOW + 99, Some(NOW + 61), Some(TimeError::FromTheFuture)),
            (NOW, NOW + 99, Some(253_402_300_800), Some(TimeError::OutOfRange)),
        ] {
            let mut claims = json!({"iat": iat, "exp": exp});
            if let Some(nbf) = nbf {
                claims["nbf"] = json!(nbf);
            }
            assert_eq!(check(&claims).map(Result::err), Some(error), "{claims}");
        }
    }

    #[test]
    fn fractions_of_a_second_are_cut_off() {
        for (exp, error) in
            [(1_760_000_000.9, Some(TimeError::Expired)), (1_760_000_001.5, None), (1.7e12, Some(TimeError::OutOfRange))]
        {
            assert_eq!(check(&json!({"iat": 1.5, "exp": exp})).map(Result::err), Some(error), "{exp}");
        }
    }

    #[test]
    fn a_clock_without_sense_opens_nothing() {
        let claims = read(&json!({"iat":NOW,"exp":NOW + 1})).expect("claims");
        for now in [u64::MAX, i64::MAX.unsigned_abs()] {
            assert_eq!(check_times(&claims, now), Err(TimeError::OutOfRange), "{now}");
        }
    }

    #[test]
    fn missing_and_absurd_times_are_refused() {
        for claims in [
            json!({"iat":NOW}),
            json!({"exp":NOW + 1}),
            json!({"iat":-1,"exp":NOW + 1}),
            json!({"iat":NOW,"exp":-1}),
            json!({"iat":NOW,"exp":(NOW + 1) * 1000}),
            json!({"iat":NOW,"exp":NOW + 1,"nbf":-1}),
            json!({"iat":NOW,"exp":NOW + 1,"nbf":-8_334_601_228_800_i64}),
            json!({}),
        ] {
            assert_eq!(check(&claims), Some(Err(TimeError::OutOfRange)), "{claims}");
        }
        for claims in [
            json!({"iat":NOW,"exp":"9999999999"}),
            json!({"iat":NOW,"exp":null}),
            json!({"iat":null,"exp":NOW + 1}),
            json!({"iat":NOW,"exp":NOW + 1,"nbf":null}),
            json!({"iat":NOW,"exp":[NOW + 1]}),
            json!({"iat":NOW,"exp":{}}),
            json!({"iat":NOW,"exp":i64::MAX}),
            json!({"iat":NOW,"exp":-1e300}),
            json!({"iat":NOW,"exp":u64::MAX}),
            json!({"iat":NOW,"exp":1e300}),
            json!({"iat":[],"exp":NOW + 1}),
            json!({"iat":NOW,"exp":NOW + 1,"nbf":true}),
        ] {
            assert_eq!(check(&claims), None, "{claims}");
        }
    }
}
