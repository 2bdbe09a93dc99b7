//! Strict mode: asking the guard of a user's sessions, where one is bound. Without one nothing here does anything.
//!
//! A guard that cannot be reached is an answer of its own, 503 `store_unavailable`: KV alone is then not believed.

use std::rc::Rc;

use crate::guard::protocol::{GuardReply, GuardRequest, Question};
use crate::ports::{GuardError, Ports, UnixSecs};
use crate::session::cache::Cached;
use crate::session::id::{SessionId, SessionNames};
use crate::session::policy::{LOOK_SECS, STEP_SECS};
use crate::session::record::Record;

use super::error::{Error, ErrorCode};
use super::retry::{Pause, once_more};
use super::session::{Session, open_record};
use super::single_flight::Lease;
use super::{Gateway, boxed};

/// The guard's answer to a refresh.
pub(crate) enum LeaseGrant {
    /// Go ahead; the name of the lease, none without a guard.
    Granted(Option<String>),
    /// Another location refreshes.
    Held,
    /// Another location has refreshed.
    Newer(Rc<Record>),
    /// The session has ended.
    Ended,
}

/// The guard's answer to a new record.
pub(crate) enum SaveVerdict {
    /// It is the newest.
    Saved,
    /// Another location was faster.
    Newer(Rc<Record>),
    /// The session has ended.
    Ended,
}

/// The newest record of a session, of which KV or this isolate gave `known`. The guard is asked at most once in `GUARD_SECS`, by
/// one request at a time; the others wait for its answer. `None`: the session has ended.
///
/// # Errors
/// The guard could not be asked.
pub(crate) async fn confirm_newest<P: Ports>(
    gateway: &Gateway<P>,
    id: &SessionId,
    names: &SessionNames,
    known: Option<Rc<Record>>,
) -> Result<Option<Rc<Record>>, Error> {
    if !gateway.runtime.guard_is_bound() {
        return Ok(known);
    }
    let name = names.as_bytes();
    let isolate = &gateway.isolate;
    let give_up_at = gateway.runtime.now().saturating_add(LOOK_SECS);
    loop {
        let now = gateway.runtime.now();
        let known = match isolate.cached(names, now) {
            Some(Cached::Ended) => return Ok(None),
            Some(Cached::Record(record)) => Some(record),
            None => known.clone(),
        };
        let generation = known.as_ref().map_or(0, |record| record.version);
        if isolate.guard_state.borrow().is_confirmed(name, generation, now) {
            return Ok(known);
        }
        if let Some((error, until)) = isolate.guard_state.borrow().recent_failure(name, now) {
            return Err(error.retry_in(until.saturating_sub(now)));
        }
        let lease = isolate.guard_questions.borrow_mut().take(name, LOOK_SECS, now);
        if lease.is_some() {
            return boxed(ask_newest(gateway, id, names, known)).await;
        }
        if now >= give_up_at {
            return Err(unanswered(GuardError::Timeout));
        }
        gateway.runtime.sleep(POLL_MS).await;
    }
}

/// Asks the guard for anything newer than `known`, and remembers its answer. `None`: the session has ended.
///
/// # Errors
/// It could not be asked; that is remembered for a moment.
pub(crate) async fn ask_newest<P: Ports>(
    gateway: &Gateway<P>,
    id: &SessionId,
    names: &SessionNames,
    known: Option<Rc<Record>>,
) -> Result<Option<Rc<Record>>, Error> {
    let generation = known.as_ref().map_or(0, |record| record.version);
    let asked_at = gateway.runtime.now();
    let reply = match ask(gateway, names, Question::Look { generation }).await {
        // Older than strict mode, or a guard that has lost its memory: it takes over the record that is known here.
        Ok(GuardReply::Unknown) => match &known {
            Some(record) => match register(gateway, id, names, record).await {
                Ok(SaveVerdict::Saved) => Ok(known),
                Ok(SaveVerdict::Newer(record)) => Ok(Some(record)),
                Ok(SaveVerdict::Ended) => Ok(None),
                Err(error) => Err(error),
            },
            None => Ok(None),
        },
        Ok(GuardReply::Newer { sealed }) => open_newer(gateway, &sealed, id, names).map(Some),
        Ok(GuardReply::Ended) => {
            gateway.isolate.end(names, gateway.runtime.now());
            Ok(None)
        }
        Ok(GuardReply::Held | GuardReply::Accepted) => Ok(known),
        Err(error) => Err(error),
    };
    let now = gateway.runtime.now();
    match reply {
        Ok(newest) => {
            // Remembered for no longer than the record before: the markers of a sign-out in KV must be read as ever.
            let changed = newest.as_ref().filter(|record| record.version != generation);
            if let Some(record) = changed
                && let Cached::Ended = gateway.isolate.put_unconfirmed(names, record.clone(), now)
            {
                return Ok(None);
            }
            // From the time of the question: the reply may have been long on its way.
            confirm(gateway, names, newest.as_ref().map_or(0, |record| record.version), asked_at);
            Ok(newest)
        }
        Err(error) => {
            let error = unanswered(error);
            gateway.isolate.guard_state.borrow_mut().note_failure(names.as_bytes(), error, FAILED_SECS, now);
            gateway.isolate.guard_questions.borrow_mut().end(names.as_bytes());
            Err(error)
        }
    }
}

/// Remembers that the guard knows no newer generation; the requests that wait for its answer go on.
fn confirm<P: Ports>(gateway: &Gateway<P>, names: &SessionNames, generation: u64, asked_at: UnixSecs) {
    gateway.isolate.guard_questions.borrow_mut().end(names.as_bytes());
    let mut state = gateway.isolate.guard_state.borrow_mut();
    state.confirm(names.as_bytes(), generation, gateway.config.guard_secs, asked_at);
}

/// Asks for leave to refresh a session, for the holder of this isolate's lease: each question prolongs it.
///
/// # Errors
/// The guard could not be asked.
pub(crate) async fn lease_refresh<P: Ports>(gateway: &Gateway<P>, session: &Session, lease: Lease) -> Result<LeaseGrant, Error> {
    if !gateway.runtime.guard_is_bound() {
        return Ok(LeaseGrant::Granted(None));
    }
    let Session { id, names, record } = session;
    let holder = gateway.runtime.random_name();
    let question = || Question::Lease { generation: record.version, holder: holder.clone() };
    extend_refresh(gateway, names, lease);
    let mut reply = ask(gateway, names, question()).await.map_err(unanswered)?;
    extend_refresh(gateway, names, lease);
    if reply == GuardReply::Unknown {
        match register(gateway, id, names, record).await.map_err(unanswered)? {
            SaveVerdict::Saved => {
                extend_refresh(gateway, names, lease);
                reply = ask(gateway, names, question()).await.map_err(unanswered)?;
                extend_refresh(gateway, names, lease);
            }
            SaveVerdict::Newer(record) => return Ok(LeaseGrant::Newer(record)),
            SaveVerdict::Ended => return Ok(LeaseGrant::Ended),
        }
    }
    Ok(match reply {
        GuardReply::Accepted => LeaseGrant::Granted(Some(holder)),
        GuardReply::Held | GuardReply::Unknown => LeaseGrant::Held,
        GuardReply::Ended => LeaseGrant::Ended,
        GuardReply::Newer { sealed } => LeaseGrant::Newer(open_newer(gateway, &sealed, id, names).map_err(unanswered)?),
    })
}

/// Prolongs this isolate's lease of a refresh for its next step: the other requests of the isolate go on waiting.
pub(crate) fn extend_refresh<P: Ports>(gateway: &Gateway<P>, names: &SessionNames, lease: Lease) {
    gateway.isolate.refreshes.borrow_mut().extend(names.as_bytes(), lease, STEP_SECS, gateway.runtime.now());
}

/// Gives the guard's lease back in the background: the refresh came to nothing, and the next location may try.
pub(crate) fn release_refresh<P: Ports>(gateway: &Gateway<P>, session: &Session, holder: Option<String>) {
    let Some(holder) = holder else { return };
    let (beside, names) = (gateway.clone(), session.names);
    gateway.runtime.wait_until(Box::pin(async move {
        // Without it the lease ends by itself.
        drop(ask(&beside, &names, Question::Release { holder }).await);
    }));
}

/// Tells the guard of a new record, made of generation `from`. Without a guard it is the newest.
///
/// # Errors
/// The guard could not be told; it may have heard.
pub(crate) async fn propose<P: Ports>(gateway: &Gateway<P>, session: &Session, from: u64) -> Result<SaveVerdict, Error> {
    if !gateway.runtime.guard_is_bound() {
        return Ok(SaveVerdict::Saved);
    }
    save(gateway, &session.id, &session.names, &session.record, from).await.map_err(unanswered)
}

/// Tells the guard that a session has ended.
///
/// # Errors
/// The guard could not be told; it may have heard.
pub(crate) async fn end<P: Ports>(gateway: &Gateway<P>, names: &SessionNames, expires_at: UnixSecs) -> Result<(), Error> {
    if !gateway.runtime.guard_is_bound() {
        return Ok(());
    }
    match ask(gateway, names, Question::End { expires_at }).await.map_err(unanswered)? {
        GuardReply::Accepted | GuardReply::Ended => Ok(()),
        GuardReply::Held | GuardReply::Newer { .. } | GuardReply::Unknown => Err(unanswered(GuardError::Unavailable)),
    }
}

/// Tells the guard of a record that it has never seen.
async fn register<P: Ports>(
    gateway: &Gateway<P>,
    id: &SessionId,
    names: &SessionNames,
    record: &Record,
) -> Result<SaveVerdict, GuardError> {
    save(gateway, id, names, record, record.version).await
}

async fn save<P: Ports>(
    gateway: &Gateway<P>,
    id: &SessionId,
    names: &SessionNames,
    record: &Record,
    from: u64,
) -> Result<SaveVerdict, GuardError> {
    let sealed = record.seal(&gateway.config.sealing_keys, id, &gateway.runtime).ok_or(GuardError::Unavailable)?;
    let question = Question::Save { from, generation: record.version, sealed, expires_at: record.expires_at };
    let asked_at = gateway.runtime.now();
    Ok(match ask(gateway, names, question).await? {
        GuardReply::Accepted => {
            confirm(gateway, names, record.version, asked_at);
            SaveVerdict::Saved
        }
        GuardReply::Newer { sealed } => {
            let newer = open_newer(gateway, &sealed, id, names)?;
            // Another request of this isolate may have told the guard of the same record first.
            if *newer == *record { SaveVerdict::Saved } else { SaveVerdict::Newer(newer) }
        }
        GuardReply::Ended => SaveVerdict::Ended,
        GuardReply::Held | GuardReply::Unknown => return Err(GuardError::Unavailable),
    })
}

/// Opens the guard's record. One that does not open here is no end of the session: another version of the gateway has sealed it,
/// with a key or in a format that this one does not have yet.
fn open_newer<P: Ports>(
    gateway: &Gateway<P>,
    sealed: &str,
    id: &SessionId,
    names: &SessionNames,
) -> Result<Rc<Record>, GuardError> {
    open_record(gateway, sealed, id, names).map(Rc::new).ok_or(GuardError::Unavailable)
}

/// One question, and once more after a failure that may have been a moment's: each may be repeated.
async fn ask<P: Ports>(gateway: &Gateway<P>, names: &SessionNames, question: Question) -> Result<GuardReply, GuardError> {
    let text = GuardRequest { session: names.hash(), question }.encode();
    let may_pass = |reply: &Result<String, GuardError>| *reply == Err(GuardError::Unavailable);
    let attempt = async || gateway.runtime.guard_ask(&names.user_tag(), &text).await;
    let reply = once_more(gateway, BEFORE_ASKING_AGAIN, may_pass, attempt).await?;
    GuardReply::parse(&reply).ok_or(GuardError::Unavailable)
}

fn unanswered(error: GuardError) -> Error {
    let reason = match error {
        GuardError::Timeout => "guard_timeout",
        GuardError::Unavailable => "guard_unavailable",
    };
    Error::new(ErrorCode::StoreUnavailable, reason)
}

/// After a failed guard call, other requests fail at once for so long.
const FAILED_SECS: u64 = 2;
/// A page waits for it.
const BEFORE_ASKING_AGAIN: Pause = Pause { at_least_ms: 50, spread_ms: 100 };
/// Between looks at a question that another request has asked.
const POLL_MS: u32 = 25;
