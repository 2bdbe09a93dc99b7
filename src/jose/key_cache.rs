//! Decides when to use, fetch or refuse a key: a pure function of the isolate's cache.
//!
//! The cache holds values, never pending fetches: an isolate must not share a promise between requests.

use crate::ports::{RsaPublicKey, UnixSecs};

use super::jwk::KeySet;

/// The isolate's cached key set, and the times of its fetches.
#[derive(Clone, Debug, Default)]
pub struct KeyCache {
    good: Option<(KeySet, UnixSecs)>,
    failed_at: Option<UnixSecs>,
    unknown_fetched_at: Option<UnixSecs>,
    /// A fetch by a request of this isolate is under way until then. The deadline keeps a cancelled request from blocking the
    /// others.
    fetching_until: Option<UnixSecs>,
}

/// The decision for a token's key id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Verify with this key.
    Use(RsaPublicKey),
    /// Verify with this key, and fetch the key set in the background: it is no longer fresh.
    UseAndFetch(RsaPublicKey),
    /// Fetch the key set, then decide again.
    Fetch(FetchReason),
    /// Another request is fetching: decide again in a moment.
    Wait,
    /// The current key set does not have the key.
    Unknown,
    /// Unknown for now: the last fetch of the key set failed a moment ago.
    Unavailable,
}

/// Why the key set is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchReason {
    /// No key set, or one that is no longer fresh. A fresh copy in the location's cache will do.
    Stale,
    /// The fresh set does not have the key id: only Cognito itself can answer.
    UnknownKey,
}

impl KeyCache {
    /// Decides for `key_id`. Call again after a fetch, successful or not.
    #[must_use]
    pub fn decide(&self, key_id: &str, now: UnixSecs) -> Decision {
        let fetching = self.fetching_until.is_some_and(|until| now < until);
        let failed_lately = self.failed_at.is_some_and(|at| now < at.saturating_add(RETRY_SECS));
        let usable = self.good.as_ref().filter(|(_, fetched_at)| now.saturating_sub(*fetched_at) < u64::from(MAX_STALE_SECS));
        let Some((keys, fetched_at)) = usable else {
            return match (fetching, failed_lately) {
                (true, _) => Decision::Wait,
                (false, true) => Decision::Unavailable,
                (false, false) => Decision::Fetch(FetchReason::Stale),
            };
        };
        let due = now.saturating_sub(*fetched_at) >= FRESH_SECS && !fetching && !failed_lately;
        let asked_at = self.failed_at.map_or(*fetched_at, |failed_at| failed_at.max(*fetched_at));
        let asked_lately = now.saturating_sub(asked_at) < UNASKED_SECS;
        let cooling = self.unknown_fetched_at.is_some_and(|at| now < at.saturating_add(UNKNOWN_KEY_COOLDOWN_SECS));
        match keys.find(key_id) {
            // Known keys do not wait, so that neither forged ids nor an outage lock users out.
            Some(key) if due && asked_lately => Decision::UseAndFetch(key.clone()),
            Some(key) if !due => Decision::Use(key.clone()),
            _ if due => Decision::Fetch(FetchReason::Stale),
            _ if fetching => Decision::Wait,
            // A key set that could not be refreshed proves nothing about a missing key.
            _ if failed_lately => Decision::Unavailable,
            _ if cooling => Decision::Unknown,
            _ => Decision::Fetch(FetchReason::UnknownKey),
        }
    }

    /// Notes that a fetch begins.
    pub fn begin(&mut self, now: UnixSecs) {
        self.fetching_until = Some(now.saturating_add(FETCH_LEASE_SECS));
    }

    /// Notes that the fetch failed.
    pub fn fail(&mut self, now: UnixSecs) {
        self.fetching_until = None;
        self.failed_at = Some(now);
    }

    /// Saves a key set that Cognito gave at `fetched_at`. An older set never replaces a newer one. The cooldown of unknown keys
    /// begins only here: a failed fetch does not tell whether the key exists.
    pub fn keep(&mut self, keys: KeySet, fetched_at: UnixSecs, reason: FetchReason) {
        if reason == FetchReason::UnknownKey {
            self.unknown_fetched_at = Some(fetched_at);
        }
        if self.good.as_ref().is_none_or(|(_, known)| *known <= fetched_at) {
            self.good = Some((keys, fetched_at));
        }
        self.fetching_until = None;
        self.failed_at = None;
    }

    /// Whether the key set is fresh.
    #[must_use]
    pub fn is_fresh(&self, now: UnixSecs) -> bool {
        self.good.as_ref().is_some_and(|(_, fetched_at)| now.saturating_sub(*fetched_at) < FRESH_SECS)
    }
}

/// How long a key set counts as fresh. A removed key verifies for this long where tokens are verified all the time.
pub const FRESH_SECS: u64 = 300;
/// A key set that was last requested longer ago than this, with or without success, is awaited once: a removed key must not
/// verify for a day at an idle isolate. Longer than the usual life of a token, so that a refresh at an idle site waits for no key
/// set.
const UNASKED_SECS: u64 = 2 * 3600;
/// How long a set stays usable while Cognito cannot be reached.
pub const MAX_STALE_SECS: u32 = 24 * 3600;
/// At most one fetch for unknown key ids in this time, so that forged ids cause no flood of fetches.
pub const UNKNOWN_KEY_COOLDOWN_SECS: u64 = 30;
/// No new fetch for this long after a failed one.
pub const RETRY_SECS: u64 = 10;
/// Longer than a fetch with its one retry can take.
const FETCH_LEASE_SECS: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn keys(id: &str) -> KeySet {
        use base64::Engine as _;
        let n = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode([0xff_u8; 256]);
        let set = json!({"keys":[{"kty":"RSA","kid":id,"e":"AQAB","n":n}]});
        KeySet::parse(set.to_string().as_bytes()).expect("usable")
    }

    fn uses(decision: &Decision) -> bool {
        matches!(decision, Decision::Use(_))
    }

    #[test]
    fn an_empty_cache_fetches_once_and_then_waits() {
        let mut cache = KeyCache::default();
        assert_eq!(cache.decide("a", 1000), Decision::Fetch(FetchReason::Stale));
        cache.begin(1000);
        assert_eq!(cache.decide("a", 1000), Decision::Wait);
        assert_eq!(cache.decide("a", 1010), Decision::Fetch(FetchReason::Stale), "a cancelled fetch blocks nobody");
        cache.fail(1002);
        assert_eq!(cache.decide("a", 1011), Decision::Unavailable);
        assert_eq!(cache.decide("a", 1012), Decision::Fetch(FetchReason::Stale));
    }

    fn uses_and_fetches(decision: &Decision) -> bool {
        matches!(decision, Decision::UseAndFetch(_))
    }

    #[test]
    fn a_known_key_of_a_stale_set_is_used_while_one_fetch_is_made_beside_it() {
        let mut cache = KeyCache::default();
        cache.keep(keys("a"), 1000, FetchReason::Stale);
        assert!(uses(&cache.decide("a", 1299)));
        assert!(uses_and_fetches(&cache.decide("a", 1300)));
        assert_eq!(cache.decide("new", 1300), Decision::Fetch(FetchReason::Stale), "a key that is not known waits");
        cache.begin(1300);
        assert!(uses(&cache.decide("a", 1300)), "one fetch at a time");
        assert!(uses_and_fetches(&cache.decide("a", 1310)), "a fetch that was cancelled keeps nobody from the next");
        cache.fail(1310);
        assert!(uses(&cache.decide("a", 1319)));
        assert!(uses_and_fetches(&cache.decide("a", 1320)), "in an outage nobody waits either");
    }

    #[test]
    fn a_set_that_was_not_asked_for_in_two_hours_is_waited_for() {
        let mut cache = KeyCache::default();
        cache.keep(keys("a"), 1000, FetchReason::Stale);
        assert!(uses_and_fetches(&cache.decide("a", 8199)));
        assert_eq!(cache.decide("a", 8200), Decision::Fetch(FetchReason::Stale));
        cache.begin(8200);
        assert!(uses(&cache.decide("a", 8200)), "one fetch at a time");
        cache.fail(8204);
        assert!(uses(&cache.decide("a", 8204)), "known keys verify while cognito is down");
        assert!(uses_and_fetches(&cache.decide("a", 8214)), "it was asked for");
        assert_eq!(cache.decide("a", 15_404), Decision::Fetch(FetchReason::Stale));
    }

    #[test]
    fn a_set_is_usable_for_a_day() {
        let mut cache = KeyCache::default();
        cache.keep(keys("a"), 1000, FetchReason::Stale);
        cache.fail(87_399);
        assert!(uses(&cache.decide("a", 87_399)));
        assert_eq!(cache.decide("a", 87_400), Decision::Unavailable);
        assert_eq!(cache.decide("a", 87_409), Decision::Fetch(FetchReason::Stale));
    }

    #[test]
    fn cognito_has_given_a_set_lately_or_not() {
        let mut cache = KeyCache::default();
        assert!(!cache.is_fresh(1000));
        cache.keep(keys("a"), 1000, FetchReason::Stale);
        for (now, fresh) in [(999, true), (1000, true), (1299, true), (1300, false), (1301, false)] {
            assert_eq!(cache.is_fresh(now), fresh, "{now}");
        }
    }

    #[test]
    fn an_unknown_key_waits_for_the_fetch_that_may_bring_it() {
        let mut cache = KeyCache::default();
        cache.keep(keys("a"), 1000, FetchReason::Stale);
        cache.begin(1001);
        assert_eq!(cache.decide("new", 1001), Decision::Wait);
        assert!(uses(&cache.decide("a", 1001)));
        assert_eq!(cache.decide("new", 1010), Decision::Wait);
        assert_eq!(cache.decide("new", 1011), Decision::Fetch(FetchReason::UnknownKey), "a cancelled fetch blocks nobody");
        cache.keep(keys("new"), 1012, FetchReason::UnknownKey);
        assert!(uses(&cache.decide("new", 1012)));
        assert_eq!(cache.decide("a", 1012), Decision::Unknown, "a key that was taken out is gone");
    }

    #[test]
    fn a_set_from_the_locations_cache_starts_no_cooldown() {
        let mut cache = KeyCache::default();
        cache.keep(keys("a"), 1000, FetchReason::Stale);
        assert_eq!(cache.decide("new", 1000), Decision::Fetch(FetchReason::UnknownKey));
    }

    #[test]
    fn a_fetch_that_succeeds_ends_the_waiting_and_the_failure() {
        let mut cache = KeyCache::default();
        cache.fail(1000);
        cache.begin(1001);
        cache.keep(keys("a"), 1001, FetchReason::Stale);
        assert_eq!(cache.decide("new", 1001), Decision::Fetch(FetchReason::UnknownKey), "neither waiting nor unavailable");
    }

    #[test]
    fn forged_ids_cause_one_fetch_in_thirty_seconds_and_disturb_nobody() {
        let mut cache = KeyCache::default();
        cache.keep(keys("a"), 1000, FetchReason::Stale);
        assert_eq!(cache.decide("forged", 1001), Decision::Fetch(FetchReason::UnknownKey));
        cache.begin(1001);
        cache.keep(keys("a"), 1001, FetchReason::UnknownKey);
        assert_eq!(cache.decide("forged2", 1002), Decision::Unknown);
        assert!(uses(&cache.decide("a", 1002)));
        assert_eq!(cache.decide("new", 1030), Decision::Unknown);
        assert_eq!(cache.decide("new", 1031), Decision::Fetch(FetchReason::UnknownKey));
    }

    #[test]
    fn a_fetch_that_failed_says_nothing_about_an_unknown_key() {
        let mut cache = KeyCache::default();
        cache.keep(keys("a"), 1000, FetchReason::Stale);
        cache.begin(1001);
        cache.fail(1005);
        assert_eq!(cache.decide("new", 1005), Decision::Unavailable);
        assert!(uses(&cache.decide("a", 1005)));
        assert_eq!(cache.decide("new", 1015), Decision::Fetch(FetchReason::UnknownKey));
    }

    #[test]
    fn an_older_set_never_replaces_a_newer_one() {
        let mut cache = KeyCache::default();
        cache.keep(keys("new"), 2000, FetchReason::Stale);
        cache.keep(keys("old"), 1500, FetchReason::Stale);
        assert!(uses(&cache.decide("new", 2001)));
        cache.keep(keys("same"), 2000, FetchReason::Stale);
        assert!(uses(&cache.decide("same", 2001)), "one of the same second does");
    }
}
