use super::*;
use crate::session::fixtures::record;

type Memory = SessionMemory<&'static str>;

fn version(number: u64) -> Rc<Record> {
    Rc::new(Record { version: number, ..record() })
}

/// The version of the record that is remembered; 0 for an ended session.
fn recalled(memory: &Memory, key: &[u8], now: UnixSecs) -> Option<u64> {
    memory.recall(key, now).map(|remembered| number(&remembered))
}

fn number(remembered: &Remembered) -> u64 {
    match remembered {
        Remembered::Record(record) => record.version,
        Remembered::Ended => 0,
    }
}

#[test]
fn a_record_is_remembered_for_thirty_seconds() {
    let mut memory = Memory::default();
    assert_eq!(recalled(&memory, b"a", 1000), None);
    assert_eq!(number(&memory.remember(b"a", version(1), 1000)), 1);
    for (key, now, expected) in [(b"a", 1000, Some(1)), (b"a", 1029, Some(1)), (b"a", 1030, None), (b"b", 1000, None)] {
        assert_eq!(recalled(&memory, key, now), expected, "{key:?} at {now}");
    }
}

#[test]
fn of_two_copies_the_newer_is_remembered() {
    for (known, read, holds) in [(1, 2, 2), (2, 1, 2)] {
        let mut memory = Memory::default();
        memory.remember(b"a", version(known), 1000);
        assert_eq!(number(&memory.remember(b"a", version(read), 1010)), holds, "{known} then {read}");
        assert_eq!(recalled(&memory, b"a", 1010), Some(holds), "{known} then {read}");
    }
    let mut memory = Memory::default();
    memory.remember(b"a", version(2), 1000);
    assert_eq!(number(&memory.remember(b"a", version(1), 1030)), 1, "what is forgotten replaces nothing");
}

#[test]
fn the_same_version_read_again_is_remembered_from_then_on() {
    let mut memory = Memory::default();
    memory.remember(b"a", version(1), 1000);
    memory.remember(b"a", version(1), 1020);
    assert_eq!(recalled(&memory, b"a", 1049), Some(1));
    memory.remember(b"a", version(2), 1020);
    memory.remember(b"a", version(1), 1040);
    assert_eq!(recalled(&memory, b"a", 1050), None, "an older one does not prolong a newer one");
}

#[test]
fn a_record_that_is_about_to_be_saved_is_remembered_no_longer_than_what_it_replaces() {
    for (read_at, saved_at, until) in [(1000, 1001, 1030), (1000, 1022, 1030), (1000, 1025, 1033), (1000, 1040, 1048)] {
        let mut memory = Memory::default();
        memory.remember(b"a", version(1), read_at);
        assert_eq!(number(&memory.replace(b"a", version(2), saved_at)), 2);
        assert_eq!(recalled(&memory, b"a", until - 1), Some(2), "saved at {saved_at}");
        assert_eq!(recalled(&memory, b"a", until), None, "saved at {saved_at}");
    }
    let mut memory = Memory::default();
    memory.remember(b"a", version(3), 1000);
    assert_eq!(number(&memory.replace(b"a", version(2), 1029)), 3, "a newer one stays, as long as it would have");
    assert_eq!(recalled(&memory, b"a", 1030), None);
    memory.end(b"a", 1030);
    assert_eq!(number(&memory.replace(b"a", version(4), 1031)), 0);
}

#[test]
fn an_ended_session_stays_so_for_five_minutes() {
    let mut memory = Memory::default();
    memory.remember(b"a", version(1), 1000);
    memory.remember(b"b", version(1), 1000);
    memory.end(b"a", 1000);
    assert_eq!(number(&memory.remember(b"a", version(9), 1010)), 0, "a late read brings nothing back");
    for (key, now, expected) in [(b"a", 1000, Some(0)), (b"a", 1299, Some(0)), (b"a", 1300, None), (b"b", 1029, Some(1))] {
        assert_eq!(recalled(&memory, key, now), expected, "{key:?} at {now}");
    }
    assert!(memory.records.live(b"a", 0).is_none(), "its tokens are gone at once");
}

#[test]
fn one_request_holds_the_lease_for_eight_seconds() {
    let mut memory = Memory::default();
    assert!(!memory.is_leased(b"a", 1000));
    assert_eq!(memory.take_lease(b"a", 1000), Some(1008));
    assert_eq!(memory.take_lease(b"a", 1007), None);
    assert!(memory.is_leased(b"a", 1007) && !memory.is_leased(b"a", 1008) && !memory.is_leased(b"b", 1000));
    assert_eq!(memory.take_lease(b"b", 1007), Some(1015), "each session has its own");
    assert_eq!(memory.take_lease(b"a", 1008), Some(1016), "a request that was cancelled blocks nobody");
}

#[test]
fn a_lease_is_given_back_by_its_holder_only() {
    let mut memory = Memory::default();
    memory.take_lease(b"a", 1000);
    memory.release_lease(b"b", 1008);
    memory.release_lease(b"a", 1007);
    assert!(memory.is_leased(b"a", 1000), "not that one");
    memory.release_lease(b"a", 1008);
    assert_eq!(memory.take_lease(b"a", 1001), Some(1009));
    memory.release_lease(b"a", 1008);
    assert!(memory.is_leased(b"a", 1001), "taken over");
}

#[test]
fn a_lease_is_prolonged_by_its_holder_or_when_it_is_free() {
    let mut memory = Memory::default();
    memory.take_lease(b"a", 1000);
    assert_eq!(memory.extend_lease(b"a", 1008, 1005), 1013, "by its holder");
    assert!(memory.is_leased(b"a", 1012) && !memory.is_leased(b"a", 1013));
    assert_eq!(memory.extend_lease(b"a", 1008, 1006), 1008, "somebody took it over");
    assert!(memory.is_leased(b"a", 1012) && !memory.is_leased(b"a", 1013));
    assert_eq!(memory.extend_lease(b"a", 1008, 1013), 1021, "it is free again");
    assert!(memory.is_leased(b"a", 1020) && !memory.is_leased(b"a", 1021));
    assert_eq!(memory.extend_lease(b"b", 1008, 1009), 1017, "nobody has it");
    assert!(memory.is_leased(b"b", 1016));
}

#[test]
fn a_failure_is_remembered_for_the_time_given() {
    let mut memory = Memory::default();
    assert_eq!(memory.recent_failure(b"a", 1000), None);
    memory.note_failure(b"a", "throttled", 12, 1000);
    for (key, now, expected) in [(b"a", 1011, Some(("throttled", 1012))), (b"a", 1012, None), (b"b", 1000, None)] {
        assert_eq!(memory.recent_failure(key, now), expected, "{key:?} at {now}");
    }
}

#[test]
fn a_forced_refresh_is_honoured_once_in_thirty_seconds() {
    let mut memory = Memory::default();
    for (key, now, honoured) in
        [(b"a", 1000, true), (b"a", 1000, false), (b"b", 1001, true), (b"a", 1029, false), (b"a", 1030, true)]
    {
        assert_eq!(memory.may_force(key, now), honoured, "{key:?} at {now}");
    }
}

#[test]
fn a_refused_refresh_token_is_remembered_for_ten_minutes_as_a_hash() {
    let mut memory = Memory::default();
    memory.refuse("spent", 1000);
    for (token, now, refused) in [("spent", 1000, true), ("spent", 1599, true), ("spent", 1600, false), ("good", 1000, false)] {
        assert_eq!(memory.is_refused(token, now), refused, "{token} at {now}");
    }
}

#[test]
fn a_full_map_forgets_the_dead_and_only_then_the_living() {
    let filled = |living: u32| {
        let mut map = Marks::default();
        // Not in the order of their keys.
        (0..4096).for_each(|number: u32| map.put(&number.to_le_bytes(), 0, if number < living { 1001 } else { 1000 }, 0));
        map
    };
    for (living, kept) in [(0, 0), (1, 1), (4095, 4095), (4096, 0)] {
        let mut map = filled(living);
        assert_eq!(map.entries.len(), 4096);
        map.put(b"9999", 0, 2000, 1000);
        assert!(map.live(b"9999", 1000).is_some(), "{living} living");
        assert_eq!(map.entries.len(), kept + 1, "{living} living");
    }
    let mut map = filled(1);
    map.remove(&4095_u32.to_le_bytes());
    map.put(b"9999", 0, 2000, 1000);
    assert_eq!(map.entries.len(), 4096, "one that is not full is not searched");
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
    assert_eq!(map.entries.len(), expected.len());
    for key in (0..700).map(|number| number.to_string()) {
        assert_eq!(map.live(key.as_bytes(), 1000), expected.get(&key), "{key}");
    }
}

/// What a callback hears, in a word.
fn turn(memory: &mut Memory, flow: &str, code: &str, now: UnixSecs) -> String {
    match memory.begin_exchange(flow, code, now) {
        Turn::Yours => "yours".to_owned(),
        Turn::Wait => "wait".to_owned(),
        Turn::SignedIn(id) => id.to_string(),
        Turn::Failed(failure) => failure.to_owned(),
        Turn::Spent => "spent".to_owned(),
    }
}

#[test]
fn a_login_flow_sends_one_code_in_its_life() {
    let mut memory = Memory::default();
    for (flow, code, now, expected) in [
        ("a", "c", 1000, "yours"),
        ("a", "c", 1000, "wait"),
        ("a", "d", 1000, "spent"),
        ("b", "c", 1001, "yours"),
        ("a", "c", 1019, "wait"),
        ("a", "c", 1020, "spent"),
        ("a", "c", 4599, "spent"),
        ("a", "c", 4600, "yours"),
    ] {
        assert_eq!(turn(&mut memory, flow, code, now), expected, "{flow} with {code} at {now}");
    }
}

#[test]
fn the_same_code_hears_for_half_a_minute_what_became_of_it() {
    for (outcome, word) in [(Ok("the id".into()), "the id"), (Err("down"), "down")] {
        let mut memory = Memory::default();
        turn(&mut memory, "a", "c", 1000);
        memory.end_exchange("a", "c", outcome, 1100);
        for (code, now, expected) in
            [("c", 1100, word), ("c", 1129, word), ("d", 1100, "spent"), ("c", 1130, "spent"), ("c", 4699, "spent")]
        {
            assert_eq!(turn(&mut memory, "a", code, now), expected, "{code} at {now}");
        }
    }
}

#[test]
fn a_failure_is_trouble_for_a_minute() {
    let mut memory = Memory::default();
    assert_eq!(memory.last_trouble(b"a", 1000), None);
    memory.note_failure(b"a", "down", 10, 1000);
    for (key, now, expected) in [(b"a", 1000, Some(&"down")), (b"a", 1059, Some(&"down")), (b"a", 1060, None), (b"b", 1000, None)]
    {
        assert_eq!(memory.last_trouble(key, now), expected, "{key:?} at {now}");
    }
    memory.replace(b"a", version(2), 1010);
    assert_eq!(memory.last_trouble(b"a", 1010), None, "renewed");
}

#[test]
fn an_end_is_settled_once_it_was_written_down() {
    let mut memory = Memory::default();
    memory.end(b"a", 1000);
    assert!(!memory.is_end_settled(b"a", 1000));
    memory.settle_end(b"a", 1000);
    assert!(memory.is_end_settled(b"a", 1299) && !memory.is_end_settled(b"a", 1300) && !memory.is_end_settled(b"b", 1000));
}

#[test]
fn the_guards_word_holds_for_its_time_and_for_that_generation() {
    let mut memory = Memory::default();
    memory.confirm(b"a", 2, 10, 1000);
    for (key, generation, now, expected) in [
        (b"a", 2, 1000, true),
        (b"a", 2, 1009, true),
        (b"a", 2, 1010, false),
        (b"a", 1, 1000, false),
        (b"a", 3, 1000, false),
        (b"b", 2, 1000, false),
    ] {
        assert_eq!(memory.is_confirmed(key, generation, now), expected, "{key:?} {generation} at {now}");
    }
    memory.confirm(b"a", 3, 10, 1005);
    assert!(memory.is_confirmed(b"a", 3, 1014) && !memory.is_confirmed(b"a", 2, 1005));
}

#[test]
fn one_request_at_a_time_asks_the_guard_about_a_session() {
    let mut memory = Memory::default();
    assert!(memory.may_look(b"a", 1000) && memory.may_look(b"b", 1000));
    assert!(!memory.may_look(b"a", 1007), "while it may still hear");
    assert!(memory.may_look(b"a", 1008), "one that was cancelled blocks nobody for longer");
    memory.give_up_look(b"a");
    assert!(memory.may_look(b"a", 1008));
    memory.confirm(b"a", 1, 10, 1009);
    assert!(memory.may_look(b"a", 1009) && !memory.may_look(b"b", 1007));
}
