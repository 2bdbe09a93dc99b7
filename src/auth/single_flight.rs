//! Single flight: of the requests of an isolate that need the same answer, one fetches it and the others wait. It is a lease with
//! a deadline and not a shared future: the runtime cancels a future with the request that made it, and a holder that was
//! cancelled must block nobody.

use crate::ports::UnixSecs;
use crate::session::bounded::Bounded;

/// Leases by key.
#[derive(Default)]
pub(crate) struct SingleFlight {
    /// With the number of the lease.
    held: Bounded<u64>,
    last: u64,
}

/// A request's hold on a key. Each taking has a number of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease(u64);

impl SingleFlight {
    /// Takes the lease of `key` for `for_secs`; `None` while another request holds it.
    pub(crate) fn take(&mut self, key: &[u8], for_secs: u64, now: UnixSecs) -> Option<Lease> {
        if self.is_held(key, now) {
            return None;
        }
        self.last = self.last.wrapping_add(1);
        self.held.put(key, self.last, now.saturating_add(for_secs), now);
        Some(Lease(self.last))
    }

    /// Whether a request holds the lease of `key`.
    pub(crate) fn is_held(&self, key: &[u8], now: UnixSecs) -> bool {
        self.held.live(key, now).is_some()
    }

    /// Prolongs a lease to `for_secs` from now, unless another request has taken it over.
    pub(crate) fn extend(&mut self, key: &[u8], lease: Lease, for_secs: u64, now: UnixSecs) {
        let until = now.saturating_add(for_secs);
        if self.held.live_until(key, now).is_none_or(|(holder, held_until)| *holder == lease.0 && held_until < until) {
            self.held.put(key, lease.0, until, now);
        }
    }

    /// Gives a lease back; one that another request took over stays theirs.
    pub(crate) fn release(&mut self, key: &[u8], lease: Lease) {
        if self.held.live(key, 0) == Some(&lease.0) {
            self.held.remove(key);
        }
    }

    /// Ends any lease of `key`: its answer is known, or could not be had.
    pub(crate) fn end(&mut self, key: &[u8]) {
        self.held.remove(key);
    }

    /// Drops the expired leases.
    pub(crate) fn drop_expired(&mut self, now: UnixSecs) {
        self.held.drop_expired(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_holds_the_lease_until_its_deadline() {
        let mut flight = SingleFlight::default();
        assert!(!flight.is_held(b"a", 1000));
        assert!(flight.take(b"a", 8, 1000).is_some());
        assert!(flight.take(b"a", 8, 1007).is_none());
        assert!(flight.is_held(b"a", 1007) && !flight.is_held(b"a", 1008) && !flight.is_held(b"b", 1000));
        assert!(flight.take(b"b", 8, 1007).is_some(), "each key has its own");
        assert!(flight.take(b"a", 8, 1008).is_some(), "a request that was cancelled blocks nobody");
    }

    #[test]
    fn a_lease_is_given_back_by_its_holder_only() {
        let mut flight = SingleFlight::default();
        let first = flight.take(b"a", 8, 1000).unwrap();
        flight.release(b"b", first);
        assert!(flight.is_held(b"a", 1000), "not that key's");
        flight.release(b"a", first);
        assert!(!flight.is_held(b"a", 1000));
        let second = flight.take(b"a", 8, 1000).unwrap();
        flight.release(b"a", first);
        assert!(flight.is_held(b"a", 1000), "taken by another request in the same second");
        flight.release(b"a", second);
        assert!(!flight.is_held(b"a", 1000));
    }

    #[test]
    fn a_lease_is_prolonged_by_its_holder_or_when_it_is_free() {
        let mut flight = SingleFlight::default();
        let first = flight.take(b"a", 8, 1000).unwrap();
        flight.extend(b"a", first, 10, 1005);
        assert!(flight.is_held(b"a", 1014) && !flight.is_held(b"a", 1015));
        let second = flight.take(b"a", 8, 1015).unwrap();
        flight.extend(b"a", first, 10, 1020);
        assert!(
            flight.is_held(b"a", 1022) && !flight.is_held(b"a", 1023),
            "the other request holds it for as long as it took it"
        );
        flight.release(b"a", first);
        assert!(flight.is_held(b"a", 1022));
        flight.extend(b"a", first, 10, 1023);
        assert!(flight.is_held(b"a", 1032), "it was free again");
        flight.release(b"a", second);
        assert!(flight.is_held(b"a", 1032));
        flight.extend(b"a", first, 10, 1020);
        assert!(flight.is_held(b"a", 1032), "a clock that went back shortens nothing");
        flight.release(b"a", first);
        assert!(!flight.is_held(b"a", 1024));
    }

    #[test]
    fn an_answer_ends_the_lease_whoever_holds_it() {
        let mut flight = SingleFlight::default();
        assert!(flight.take(b"a", 8, 1000).is_some() && flight.take(b"b", 8, 1000).is_some());
        flight.end(b"a");
        assert!(!flight.is_held(b"a", 1000) && flight.is_held(b"b", 1000));
    }

    #[test]
    fn no_expired_lease_stays_in_memory() {
        let mut flight = SingleFlight::default();
        assert!(flight.take(b"a", 8, 1000).is_some());
        flight.drop_expired(1007);
        assert_eq!(flight.held.len(), 1);
        flight.drop_expired(1008);
        assert_eq!(flight.held.len(), 0);
    }
}
