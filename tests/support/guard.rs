//! Strict mode's guards, of all users: the real answers, without a network.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use edgegate::guard::decision::{Row, reply};
use edgegate::ports::{GuardError, UnixSecs};

#[derive(Default)]
pub struct FakeGuard {
    /// By user and session.
    pub rows: RefCell<BTreeMap<(String, String), Row>>,
    /// Questions that reached it.
    pub asked: RefCell<Vec<String>>,
    /// How long each answer is on its way, in milliseconds.
    pub slow_ms: Cell<u32>,
    /// It cannot be reached.
    pub down: Cell<bool>,
}

impl FakeGuard {
    pub(super) fn answer(&self, user_tag: &str, inquiry: &str, now: UnixSecs) -> Result<String, GuardError> {
        if self.down.get() {
            return Err(GuardError::Unavailable);
        }
        self.asked.borrow_mut().push(inquiry.to_owned());
        let key = |session: &str| (user_tag.to_owned(), session.to_owned());
        let reply = reply(inquiry, |session| Ok(self.rows.borrow().get(&key(session)).cloned()), now).expect("an inquiry");
        if let Some((session, row)) = reply.changed {
            self.rows.borrow_mut().insert(key(&session), row);
        }
        Ok(reply.text)
    }
}
