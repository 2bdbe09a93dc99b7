use super::*;
use crate::session::fixtures::record;

fn version(number: u64) -> Rc<Record> {
    Rc::new(Record { version: number, ..record() })
}

/// The version of the cached record; 0 for an ended session.
fn version_of(cache: &RecordCache, key: &[u8], now: UnixSecs) -> Option<u64> {
    cache.get(key, now).map(|cached| number(&cached))
}

fn number(cached: &Cached) -> u64 {
    match cached {
        Cached::Record(record) => record.version,
        Cached::Ended => 0,
    }
}

#[test]
fn a_record_is_remembered_for_thirty_seconds() {
    let mut cache = RecordCache::default();
    assert_eq!(version_of(&cache, b"a", 1000), None);
    assert_eq!(number(&cache.put(b"a", version(1), 1000)), 1);
    for (key, now, expected) in [(b"a", 1000, Some(1)), (b"a", 1029, Some(1)), (b"a", 1030, None), (b"b", 1000, None)] {
        assert_eq!(version_of(&cache, key, now), expected, "{key:?} at {now}");
    }
}

#[test]
fn of_two_copies_the_newer_is_remembered() {
    for (known, read, holds) in [(1, 2, 2), (2, 1, 2)] {
        let mut cache = RecordCache::default();
        cache.put(b"a", version(known), 1000);
        assert_eq!(number(&cache.put(b"a", version(read), 1010)), holds, "{known} then {read}");
        assert_eq!(version_of(&cache, b"a", 1010), Some(holds), "{known} then {read}");
    }
    let mut cache = RecordCache::default();
    cache.put(b"a", version(2), 1000);
    assert_eq!(number(&cache.put(b"a", version(1), 1030)), 1, "what is forgotten replaces nothing");
}

#[test]
fn the_same_version_read_again_is_remembered_from_then_on() {
    let mut cache = RecordCache::default();
    cache.put(b"a", version(1), 1000);
    cache.put(b"a", version(1), 1020);
    assert_eq!(version_of(&cache, b"a", 1049), Some(1));
    cache.put(b"a", version(2), 1020);
    cache.put(b"a", version(1), 1040);
    assert_eq!(version_of(&cache, b"a", 1050), None, "an older one does not prolong a newer one");
}

#[test]
fn a_record_that_is_about_to_be_saved_is_remembered_no_longer_than_what_it_replaces() {
    for (read_at, saved_at, until) in [(1000, 1001, 1030), (1000, 1020, 1030), (1000, 1025, 1035), (1000, 1040, 1050)] {
        let mut cache = RecordCache::default();
        cache.put(b"a", version(1), read_at);
        assert_eq!(number(&cache.put_unconfirmed(b"a", version(2), saved_at)), 2);
        assert_eq!(version_of(&cache, b"a", until - 1), Some(2), "saved at {saved_at}");
        assert_eq!(version_of(&cache, b"a", until), None, "saved at {saved_at}");
    }
    let mut cache = RecordCache::default();
    cache.put(b"a", version(3), 1000);
    assert_eq!(number(&cache.put_unconfirmed(b"a", version(2), 1029)), 3, "a newer one stays, as long as it would have");
    assert_eq!(version_of(&cache, b"a", 1030), None);
    cache.end(b"a", 1030);
    assert_eq!(number(&cache.put_unconfirmed(b"a", version(4), 1031)), 0);
}

#[test]
fn an_ended_session_stays_so_for_five_minutes() {
    let mut cache = RecordCache::default();
    cache.put(b"a", version(1), 1000);
    cache.put(b"b", version(1), 1000);
    cache.end(b"a", 1000);
    assert_eq!(number(&cache.put(b"a", version(9), 1010)), 0, "a late read brings nothing back");
    for (key, now, expected) in [(b"a", 1000, Some(0)), (b"a", 1299, Some(0)), (b"a", 1300, None), (b"b", 1029, Some(1))] {
        assert_eq!(version_of(&cache, key, now), expected, "{key:?} at {now}");
    }
    assert!(cache.records.live(b"a", 0).is_none(), "its tokens are gone at once");
}

#[test]
fn a_failure_is_remembered_for_the_time_given() {
    let mut state = RefreshState::<&str>::default();
    assert_eq!(state.recent_failure(b"a", 1000), None);
    state.note_failure(b"a", "throttled", 12, 1000);
    for (key, now, expected) in [(b"a", 1011, Some(("throttled", 1012))), (b"a", 1012, None), (b"b", 1000, None)] {
        assert_eq!(state.recent_failure(key, now), expected, "{key:?} at {now}");
    }
}

#[test]
fn a_forced_refresh_is_honoured_once_in_thirty_seconds() {
    let mut state = RefreshState::<&str>::default();
    for (key, now, honoured) in
        [(b"a", 1000, true), (b"a", 1000, false), (b"b", 1001, true), (b"a", 1029, false), (b"a", 1030, true)]
    {
        assert_eq!(state.may_force(key, now), honoured, "{key:?} at {now}");
    }
}

#[test]
fn a_refused_refresh_token_is_remembered_for_ten_minutes_as_a_hash() {
    let mut state = RefreshState::<&str>::default();
    state.refuse("spent", 1000);
    for (token, now, refused) in [("spent", 1000, true), ("spent", 1599, true), ("spent", 1600, false), ("good", 1000, false)] {
        assert_eq!(state.is_refused(token, now), refused, "{token} at {now}");
    }
}

#[test]
fn an_entry_that_has_ended_is_dropped_at_the_next_change() {
    let mut map = Markers::default();
    for (key, until) in [(b"a", 1010), (b"b", 1005), (b"c", 1020)] {
        map.put(key, 0, until, 1000);
    }
    map.put(b"d", 0, 2000, 1004);
    assert_eq!(map.len(), 4);
    map.put(b"e", 0, 2000, 1010);
    assert_eq!(map.len(), 3, "those that end at 1005 and 1010 are gone");
    map.drop_expired(1999);
    assert_eq!(map.len(), 2);
    map.drop_expired(2000);
    assert_eq!(map.len(), 0);
}

#[test]
fn an_entry_that_was_put_again_or_removed_does_not_end_at_its_old_end() {
    let mut map = Markers::default();
    map.put(b"a", 1, 1005, 1000);
    map.put(b"a", 2, 1010, 1000);
    map.put(b"b", 1, 1005, 1000);
    map.remove(b"b");
    map.put(b"b", 2, 1010, 1000);
    map.drop_expired(1009);
    assert_eq!((map.live(b"a", 1009), map.live(b"b", 1009), map.len()), (Some(&2), Some(&2), 2));
    map.put(b"a", 3, 1007, 1006);
    map.drop_expired(1007);
    assert_eq!((map.live(b"a", 1006), map.len()), (None, 1));
}

#[test]
fn a_full_map_forgets_the_entry_that_would_end_first_and_no_other() {
    let mut map = Markers::default();
    // Not in the order of their keys.
    (0..4096).for_each(|number: u32| map.put(&number.to_le_bytes(), 0, 2000 + u64::from(number.reverse_bits() >> 20), 1000));
    for (round, first) in [0_u32, 2048, 1024].into_iter().enumerate() {
        assert!(map.live(&first.to_le_bytes(), 1000).is_some(), "{first}");
        map.put(&(9000 + u32::try_from(round).unwrap()).to_le_bytes(), 0, 9999, 1000);
        assert!(map.live(&first.to_le_bytes(), 1000).is_none(), "{first} was to end first");
        assert_eq!(map.len(), 4096);
    }
    map.put(&9000_u32.to_le_bytes(), 0, 9999, 1000);
    assert_eq!(map.len(), 4096, "a key that is there needs no room");
    assert!(map.live(&3072_u32.to_le_bytes(), 1000).is_some());
    map.put(b"other", 0, 9999, 2000);
    assert_eq!(map.len(), 4096);
}

/// A session's entries are gone at its end, whatever other requests do meanwhile.
#[test]
fn no_expired_entry_stays_in_memory() {
    let mut cache = RecordCache::default();
    cache.put(b"a", version(1), 1000);
    cache.end(b"b", 1000);
    cache.settle_end(b"b", 1000);
    cache.drop_expired(1029);
    assert_eq!(cache.len(), 1);
    cache.drop_expired(1030);
    assert_eq!(cache.len(), 0, "the tokens of a record are gone with it");
    cache.drop_expired(5000);
    assert_eq!([cache.ended.len(), cache.settled.len()], [0; 2]);

    let mut state = RefreshState::<&str>::default();
    state.note_failure(b"c", "down", 10, 1000);
    state.refuse("spent", 1000);
    assert!(state.may_force(b"d", 1000));
    state.drop_expired(5000);
    assert_eq!([state.failures.len(), state.trouble.len(), state.forced.len(), state.refused.len()], [0; 4]);

    let mut state = GuardState::<&str>::default();
    state.confirm(b"a", 1, 10, 1000);
    state.note_failure(b"b", "down", 2, 1000);
    state.drop_expired(5000);
    assert_eq!([state.confirmed.len(), state.failures.len()], [0; 2]);

    let mut states = SpentStates::<&str>::default();
    states.end_exchange("e", "code", Ok("sealed".into()), 1000);
    states.drop_expired(5000);
    assert_eq!(states.exchanges.len(), 0);
}

#[test]
fn a_map_finds_what_it_was_given_last_under_each_key() {
    let mut map = Bounded::default();
    let mut expected = std::collections::BTreeMap::new();
    for step in 0..5000_u32 {
        let key = (step.wrapping_mul(2_654_435_761) % 700).to_string();
        if step % 3 == 0 {
            map.remove(key.as_bytes());
            expected.remove(&key);
        } else {
            map.put(key.as_bytes(), step, 2000, 1000);
            expected.insert(key, step);
        }
    }
    assert_eq!(map.len(), expected.len());
    for key in (0..700).map(|number| number.to_string()) {
        assert_eq!(map.live(key.as_bytes(), 1000), expected.get(&key), "{key}");
    }
}

/// The callback's turn, in a word.
fn turn(states: &mut SpentStates<&str>, tag: &str, code: &str, now: UnixSecs) -> String {
    match states.begin_exchange(tag, code, now) {
        Turn::Yours => "yours".to_owned(),
        Turn::Wait => "wait".to_owned(),
        Turn::SignedIn(id) => id.to_string(),
        Turn::Failed(failure) => failure.to_owned(),
        Turn::Spent => "spent".to_owned(),
    }
}

#[test]
fn a_login_flow_sends_one_code_in_its_life() {
    let mut states = SpentStates::default();
    for (flow, code, now, expected) in [
        ("a", "c", 1000, "yours"),
        ("a", "c", 1000, "wait"),
        ("a", "d", 1000, "spent"),
        ("b", "c", 1001, "yours"),
        ("a", "c", 1031, "wait"),
        ("a", "c", 1032, "spent"),
        ("a", "c", 4599, "spent"),
        ("a", "c", 4600, "yours"),
    ] {
        assert_eq!(turn(&mut states, flow, code, now), expected, "{flow} with {code} at {now}");
    }
}

#[test]
fn the_same_code_hears_for_half_a_minute_what_became_of_it() {
    for (outcome, word) in [(Ok("the id".into()), "the id"), (Err("down"), "down")] {
        let mut states = SpentStates::default();
        turn(&mut states, "a", "c", 1000);
        states.end_exchange("a", "c", outcome, 1100);
        for (code, now, expected) in
            [("c", 1100, word), ("c", 1129, word), ("d", 1100, "spent"), ("c", 1130, "spent"), ("c", 4699, "spent")]
        {
            assert_eq!(turn(&mut states, "a", code, now), expected, "{code} at {now}");
        }
    }
}

#[test]
fn a_failure_is_trouble_for_a_minute() {
    let mut state = RefreshState::<&str>::default();
    assert_eq!(state.last_trouble(b"a", 1000), None);
    state.note_failure(b"a", "down", 10, 1000);
    for (key, now, expected) in [(b"a", 1000, Some(&"down")), (b"a", 1059, Some(&"down")), (b"a", 1060, None), (b"b", 1000, None)]
    {
        assert_eq!(state.last_trouble(key, now), expected, "{key:?} at {now}");
    }
    state.end_trouble(b"a");
    assert_eq!(state.last_trouble(b"a", 1010), None, "renewed");
}

#[test]
fn an_end_is_settled_once_it_was_written_down() {
    let mut cache = RecordCache::default();
    cache.end(b"a", 1000);
    assert!(!cache.is_end_settled(b"a", 1000));
    cache.settle_end(b"a", 1000);
    assert!(cache.is_end_settled(b"a", 1299) && !cache.is_end_settled(b"a", 1300) && !cache.is_end_settled(b"b", 1000));
}

#[test]
fn the_guards_word_holds_for_its_time_and_for_that_generation() {
    let mut state = GuardState::<&str>::default();
    state.confirm(b"a", 2, 10, 1000);
    for (key, generation, now, expected) in [
        (b"a", 2, 1000, true),
        (b"a", 2, 1009, true),
        (b"a", 2, 1010, false),
        (b"a", 1, 1000, false),
        (b"a", 3, 1000, false),
        (b"b", 2, 1000, false),
    ] {
        assert_eq!(state.is_confirmed(key, generation, now), expected, "{key:?} {generation} at {now}");
    }
    state.confirm(b"a", 3, 10, 1005);
    assert!(state.is_confirmed(b"a", 3, 1014) && !state.is_confirmed(b"a", 2, 1005));
}
