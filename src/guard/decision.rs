//! The guard's state of each session, and its replies. Each user has one guard, a Durable Object, so that its replies are the
//! same at every location at once, where KV lags.
//!
//! The guard cannot read the records: they are sealed under a secret that only the browser has. It knows the *generation* of a
//! record, which is the record's version and grows with each save. It accepts a save only from the generation that the save was
//! made of (compare and set). A lease keeps gateways from refreshing one session at the same time. The lease is a courtesy with a
//! deadline and decides nothing: the generation does.

use serde::{Deserialize, Serialize};

use crate::jose::unique_json;
use crate::ports::UnixSecs;
use crate::session::policy::GUARD_LEASE_SECS;

use super::protocol::{GuardReply, GuardRequest, Question, encode};

/// The guard's state of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The generation of the newest record.
    pub generation: u64,
    /// The session has ended, for good.
    pub ended: bool,
    /// The holder of the refresh lease; empty if the lease is free.
    pub lease_holder: String,
    /// The end of the lease, by the guard's clock.
    pub lease_until: UnixSecs,
    /// The newest record; empty once the session has ended.
    pub sealed: String,
    /// When the row may be dropped: the session has ended by its own times.
    pub expires_at: UnixSecs,
}

impl Row {
    /// The row as JSON, for the guard's store.
    #[must_use]
    pub fn encode(&self) -> String {
        encode(self)
    }

    /// Reads the text of [`Self::encode`].
    ///
    /// # Errors
    /// The row cannot be read.
    pub fn parse(json: &str) -> Result<Self, RowError> {
        unique_json::read(json.as_bytes()).ok_or(RowError)
    }
}

/// The reply, and the new row if it changes.
#[must_use]
pub fn answer(row: Option<Row>, question: Question, now: UnixSecs) -> (GuardReply, Option<Row>) {
    let row = row.unwrap_or_default();
    match question {
        Question::End { expires_at } => {
            let ended = Row { ended: true, expires_at: expires_at.max(row.expires_at), ..Row::default() };
            let changed = !row.ended || row.expires_at < expires_at;
            (GuardReply::Accepted, changed.then_some(ended))
        }
        _ if row.ended => (GuardReply::Ended, None),
        Question::Look { generation } => (compared(row, generation), None),
        Question::Lease { generation, holder } => {
            let held_by_another = now < row.lease_until && row.lease_holder != holder;
            match compared(row.clone(), generation) {
                GuardReply::Accepted if held_by_another => (GuardReply::Held, None),
                GuardReply::Accepted => {
                    let lease_until = now.saturating_add(GUARD_LEASE_SECS);
                    (GuardReply::Accepted, Some(Row { lease_holder: holder, lease_until, ..row }))
                }
                other => (other, None),
            }
        }
        Question::Release { holder } => {
            let held = row.lease_holder == holder;
            (GuardReply::Accepted, held.then(|| Row { lease_holder: String::new(), lease_until: 0, ..row }))
        }
        Question::Save { sealed, .. } if row.sealed == sealed => (GuardReply::Accepted, None),
        Question::Save { from, generation, sealed, expires_at } => {
            // A generation that the guard has not seen is newer than its own. Of two records of one generation, the guard's own
            // counts.
            if from > row.generation || from == row.generation && generation > from {
                (GuardReply::Accepted, Some(Row { generation, sealed, expires_at, ..Row::default() }))
            } else {
                (GuardReply::Newer { sealed: row.sealed }, None)
            }
        }
    }
}

/// Compares the gateway's generation with the guard's.
fn compared(row: Row, generation: u64) -> GuardReply {
    match row.generation.cmp(&generation) {
        std::cmp::Ordering::Less => GuardReply::Unknown,
        std::cmp::Ordering::Equal if row.generation == 0 => GuardReply::Unknown,
        std::cmp::Ordering::Equal => GuardReply::Accepted,
        std::cmp::Ordering::Greater => GuardReply::Newer { sealed: row.sealed },
    }
}

/// The row is there but cannot be read, so the state of its session is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("row cannot be read")]
pub struct RowError;

/// Reads a request, answers it from its row and returns the row to save. `None`: the text is not a request, or its row cannot be
/// read.
#[must_use]
pub fn reply(request: &str, row: impl FnOnce(&str) -> Result<Option<Row>, RowError>, now: UnixSecs) -> Option<Reply> {
    let GuardRequest { session, question } = GuardRequest::parse(request)?;
    let (answer, changed) = answer(row(&session).ok()?, question, now);
    Some(Reply { text: answer.encode(), changed: changed.map(|row| (session, row)) })
}

/// The reply to the gateway, and the row to save.
pub struct Reply {
    /// The reply as JSON.
    pub text: String,
    /// The session and its new row.
    pub changed: Option<(String, Row)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSecs = 1000;

    fn row(generation: u64) -> Row {
        Row { generation, sealed: format!("sealed-{generation}"), expires_at: 5000, ..Row::default() }
    }

    fn save(from: u64, generation: u64, sealed: &str) -> Question {
        Question::Save { from, generation, sealed: sealed.to_owned(), expires_at: 6000 }
    }

    fn lease(generation: u64, holder: &str) -> Question {
        Question::Lease { generation, holder: holder.to_owned() }
    }

    fn newer(generation: u64) -> GuardReply {
        GuardReply::Newer { sealed: format!("sealed-{generation}") }
    }

    fn ended() -> Row {
        Row { ended: true, expires_at: 5000, ..Row::default() }
    }

    #[test]
    fn a_look_compares_generations() {
        for (known, asked, expected) in [
            (None, 0, GuardReply::Unknown),
            (None, 3, GuardReply::Unknown),
            (Some(row(2)), 0, newer(2)),
            (Some(row(2)), 1, newer(2)),
            (Some(row(2)), 2, GuardReply::Accepted),
            (Some(row(2)), 3, GuardReply::Unknown),
            (Some(ended()), 0, GuardReply::Ended),
            (Some(ended()), 9, GuardReply::Ended),
        ] {
            assert_eq!(answer(known.clone(), Question::Look { generation: asked }, NOW), (expected, None), "{known:?} {asked}");
        }
    }

    #[test]
    fn a_lease_is_one_holders_until_its_end() {
        let (granted, held) = answer(Some(row(2)), lease(2, "a"), NOW);
        assert_eq!(granted, GuardReply::Accepted);
        let held = held.expect("a lease is kept");
        assert_eq!((held.lease_holder.as_str(), held.lease_until), ("a", NOW + GUARD_LEASE_SECS));
        assert_eq!(Row { lease_holder: String::new(), lease_until: 0, ..held.clone() }, row(2), "and nothing else changes");
        for (holder, now, expected) in [
            ("b", NOW, GuardReply::Held),
            ("b", NOW + GUARD_LEASE_SECS - 1, GuardReply::Held),
            ("b", NOW + GUARD_LEASE_SECS, GuardReply::Accepted),
            ("a", NOW + 1, GuardReply::Accepted),
        ] {
            assert_eq!(answer(Some(held.clone()), lease(2, holder), now).0, expected, "{holder} at {now}");
        }
        assert_eq!(answer(Some(held.clone()), lease(1, "b"), NOW), (newer(2), None), "a newer record needs no lease");
        assert_eq!(answer(Some(held), lease(3, "b"), NOW).0, GuardReply::Unknown);
        assert_eq!(answer(None, lease(1, "a"), NOW), (GuardReply::Unknown, None));
        assert_eq!(answer(Some(ended()), lease(2, "a"), NOW), (GuardReply::Ended, None));
    }

    #[test]
    fn only_its_holder_gives_a_lease_back() {
        let held = Row { lease_holder: "a".to_owned(), lease_until: NOW + 5, ..row(2) };
        let release = |holder: &str| Question::Release { holder: holder.to_owned() };
        assert_eq!(answer(Some(held.clone()), release("b"), NOW), (GuardReply::Accepted, None));
        assert_eq!(answer(Some(held), release("a"), NOW), (GuardReply::Accepted, Some(row(2))));
        assert_eq!(answer(Some(ended()), release("a"), NOW), (GuardReply::Ended, None));
    }

    #[test]
    fn a_save_needs_the_generation_that_it_was_made_of() {
        let saved = |generation| Row { generation, sealed: "new".to_owned(), expires_at: 6000, ..Row::default() };
        for (name, known, from, generation, expected) in [
            ("a login", None, 0, 1, (GuardReply::Accepted, Some(saved(1)))),
            ("a refresh", Some(row(2)), 2, 3, (GuardReply::Accepted, Some(saved(3)))),
            ("a refresh that was overtaken", Some(row(3)), 2, 3, (newer(3), None)),
            ("a refresh that was overtaken twice", Some(row(4)), 2, 3, (newer(4), None)),
            ("an id that is taken", Some(row(1)), 0, 1, (newer(1), None)),
            ("a session older than strict mode", None, 5, 5, (GuardReply::Accepted, Some(saved(5)))),
            ("the same from two locations", Some(row(5)), 5, 5, (newer(5), None)),
            ("the same, and there it was older", Some(row(5)), 4, 4, (newer(5), None)),
            ("the same, and there it was newer", Some(row(5)), 6, 6, (GuardReply::Accepted, Some(saved(6)))),
            ("a refresh of what the guard has not seen", Some(row(2)), 4, 5, (GuardReply::Accepted, Some(saved(5)))),
            ("a session that was ended", Some(ended()), 2, 3, (GuardReply::Ended, None)),
            ("a session that was ended, as if it were new", Some(ended()), 0, 1, (GuardReply::Ended, None)),
        ] {
            assert_eq!(answer(known, save(from, generation, "new"), NOW), expected, "{name}");
        }
    }

    #[test]
    fn a_save_takes_the_lease_with_it_and_may_be_repeated() {
        let held = Row { lease_holder: "a".to_owned(), lease_until: NOW + 5, ..row(2) };
        let (_, saved) = answer(Some(held), save(2, 3, "new"), NOW);
        let saved = saved.expect("saved");
        assert_eq!((saved.lease_holder.as_str(), saved.lease_until), ("", 0));
        assert_eq!(answer(Some(saved), save(2, 3, "new"), NOW), (GuardReply::Accepted, None));
    }

    #[test]
    fn an_end_is_for_good_and_keeps_nothing_of_the_record() {
        let end = |expires_at| Question::End { expires_at };
        for (known, expires_at, kept_until) in [(None, 7000, 7000), (Some(row(2)), 7000, 7000), (Some(row(2)), 4000, 5000)] {
            let expected = Row { ended: true, expires_at: kept_until, ..Row::default() };
            assert_eq!(answer(known, end(expires_at), NOW), (GuardReply::Accepted, Some(expected)));
        }
        assert_eq!(answer(Some(ended()), end(5000), NOW), (GuardReply::Accepted, None), "once is enough");
        assert_eq!(answer(Some(ended()), end(5001), NOW).1, Some(Row { expires_at: 5001, ..ended() }));
    }

    #[test]
    fn a_row_reads_back_from_its_text() {
        let text =
            r#"{"generation":2,"ended":false,"lease_holder":"a","lease_until":1008,"sealed":"sealed-2","expires_at":5000}"#;
        let row = Row { lease_holder: "a".to_owned(), lease_until: 1008, ..row(2) };
        assert_eq!(row.encode(), text);
        assert_eq!(Row::parse(text), Ok(row));
        let list = r#"[2,false,"a",1008,"sealed-2",5000]"#;
        for nonsense in [
            "",
            "{}",
            "[]",
            list,
            &text.replace("false", "0"),
            &text.replace("1008", "-1"),
            &text.replace('}', r#","ended":true}"#),
        ] {
            assert_eq!(Row::parse(nonsense), Err(RowError), "{nonsense}");
        }
    }

    #[test]
    fn a_request_is_answered_from_the_row_of_its_session() {
        let request = GuardRequest { session: "hash".to_owned(), question: save(0, 1, "new") };
        let text = request.encode();
        let asked = std::cell::RefCell::new(String::new());
        let reply_of = |row: Option<Row>| {
            let row = |session: &str| {
                session.clone_into(&mut asked.borrow_mut());
                Ok(row)
            };
            reply(&text, row, NOW).expect("a request")
        };
        let first = reply_of(None);
        assert_eq!((first.text.as_str(), asked.borrow().as_str()), (r#"{"answer":"yes"}"#, "hash"));
        let (session, kept) = first.changed.expect("a row to keep");
        assert_eq!((session.as_str(), kept.generation), ("hash", 1));
        let second = reply_of(Some(row(4)));
        assert_eq!(second.text, r#"{"answer":"newer","sealed":"sealed-4"}"#);
        assert!(second.changed.is_none());
        for nonsense in [
            "",
            "{}",
            "[]",
            r#"{"session":"a","question":{"ask":"open"}}"#,
            r#"{"session":"a"}"#,
            r#"["a",{"ask":"look","generation":2}]"#,
            r#"{"session":"a","question":["look",2]}"#,
        ] {
            assert!(reply(nonsense, |_| Ok(None), NOW).is_none(), "{nonsense}");
        }
        assert!(reply(&text, |_| Err(RowError), NOW).is_none(), "a row that cannot be read is not absent");
    }
}
