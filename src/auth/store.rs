//! The session store: load, create, save. KV takes one write a second per key, has no compare-and-set, and its reads lag: so a
//! save never fails a refresh, reads before it writes again, and checks the markers of a logout afterwards.

use std::rc::Rc;

use crate::ports::{KV_WRITE_INTERVAL_MS, KvError, Level, Ports};
use crate::session::cache::Cached;
use crate::session::id::{SessionId, SessionNames};
use crate::session::policy::ended_everywhere;
use crate::session::record::Record;

use super::Gateway;
use super::error::{Error, ErrorCode};
use super::guard::{self, SaveVerdict};
use super::retry::kv_get_many;
use super::session::{Loaded, Session, open_record};
use super::tokens;

/// What became of a renewed record.
pub(crate) enum SaveOutcome {
    /// It is the session's newest.
    Saved(Session),
    /// Another request or location was faster with a newer one.
    Superseded(Session),
    /// The session has ended meanwhile.
    Ended,
}

/// Reads record and markers in one operation.
///
/// # Errors
/// KV could not answer.
pub(crate) async fn load<P: Ports>(gateway: &Gateway<P>, id: &SessionId, names: &SessionNames) -> Result<Loaded, KvError> {
    let keys = [&*names.record_key(), &names.marker_key(), &names.user_marker_key()];
    let [sealed, ended, user_ended] = kv_get_many(gateway, keys).await?;
    if ended.is_some() {
        return Ok(Loaded::Ended);
    }
    let Some(sealed) = sealed else { return Ok(Loaded::Absent(user_ended)) };
    let record = open_record(gateway, &sealed, id, names).filter(|record| !is_ended_everywhere(record, user_ended.as_deref()));
    Ok(record.map_or(Loaded::Ended, |record| Loaded::Record(Rc::new(record))))
}

/// Whether the marker of a sign-out everywhere ends this session. A marker that cannot be read ends every session: not knowing
/// lets nobody in.
pub(crate) fn is_ended_everywhere(record: &Record, marker: Option<&str>) -> bool {
    marker.is_some_and(|marker| marker.trim().parse().map_or(true, |marker| ended_everywhere(record, marker)))
}

/// The first write of a new session.
///
/// # Errors
/// KV or the guard did not take it: there is no session, and its remains are removed in the background.
pub(crate) async fn create<P: Ports>(gateway: &Gateway<P>, session: &Session) -> Result<(), Error> {
    if let Err(error) = create_in_stores(gateway, session).await {
        abandon(gateway, session);
        return Err(error);
    }
    let now = gateway.runtime.now();
    gateway.isolate.records.borrow_mut().put(session.names.as_bytes(), session.record.clone(), now);
    Ok(())
}

async fn create_in_stores<P: Ports>(gateway: &Gateway<P>, session: &Session) -> Result<(), Error> {
    match guard::propose(gateway, session, 0).await? {
        SaveVerdict::Saved => Ok(write(gateway, session).await?),
        SaveVerdict::Newer(_) | SaveVerdict::Ended => Err(Error::new(ErrorCode::Internal, "session_id_taken")),
    }
}

/// No browser will ever have this session's cookie: its tokens end at Cognito, and its record is deleted, which may have been
/// written although KV or the guard said otherwise.
fn abandon<P: Ports>(gateway: &Gateway<P>, session: &Session) {
    tokens::revoke(gateway, &session.record);
    let (beside, names, ends_at) = (gateway.clone(), session.names, session.record.expires_at);
    gateway.runtime.wait_until(Box::pin(async move {
        guard::end(&beside, &names, ends_at).await.ok();
        if beside.runtime.kv_delete(&names.record_key()).await.is_err() {
            beside.runtime.log(Level::Warn, "unfinished_session_not_deleted", &[("session", &names.log_name())]);
        }
    }));
}

/// Saves `record` over the record of `session`. With a rotated refresh token the answer waits for the write, since the old token
/// in KV is dead; otherwise a second attempt may happen in the background.
///
/// # Errors
/// The guard could not be told (strict mode). The record may be in KV, but KV alone is not believed.
pub(crate) async fn save<P: Ports>(
    gateway: &Gateway<P>,
    session: &Session,
    record: Record,
    rotated: bool,
) -> Result<SaveOutcome, Error> {
    let saved = Session { record: Rc::new(record), ..session.clone() };
    match put_unconfirmed(gateway, &saved) {
        Cached::Ended => {
            tokens::revoke(gateway, &saved.record);
            return Ok(SaveOutcome::Ended);
        }
        Cached::Record(record) if record.version > saved.record.version => {
            return Ok(SaveOutcome::Superseded(Session { record, ..saved }));
        }
        Cached::Record(_) => {}
    }
    let verdict = guard::propose(gateway, &saved, session.record.version).await;
    match &verdict {
        Ok(SaveVerdict::Newer(record)) => {
            // Its markers have not been read.
            let newer = Session { record: record.clone(), ..saved };
            put_unconfirmed(gateway, &newer);
            return Ok(SaveOutcome::Superseded(newer));
        }
        Ok(SaveVerdict::Ended) => {
            discard(gateway, &saved).await;
            return Ok(SaveOutcome::Ended);
        }
        Ok(SaveVerdict::Saved) | Err(_) => {}
    }
    put_unconfirmed(gateway, &saved);
    // The guard has it: then no request needs to wait for KV.
    let only_here = rotated && !(gateway.runtime.guard_is_bound() && verdict.is_ok());
    match write(gateway, &saved).await {
        Ok(()) => {}
        Err(_) if only_here => retry_write(gateway, &saved).await,
        Err(_) => {
            let (beside, saved) = (gateway.clone(), saved.clone());
            gateway.runtime.wait_until(Box::pin(async move {
                retry_write(&beside, &saved).await;
                check_markers(&beside, &saved).await;
            }));
        }
    }
    if check_markers(gateway, &saved).await {
        return Ok(SaveOutcome::Ended);
    }
    verdict.map(|_| SaveOutcome::Saved(saved))
}

async fn write<P: Ports>(gateway: &Gateway<P>, session: &Session) -> Result<(), KvError> {
    let Some(sealed) = session.record.seal(&gateway.config.sealing_keys, &session.id, &gateway.runtime) else {
        return Err(KvError::Unavailable);
    };
    let expires_at = session.record.kv_expires_at(&gateway.config.session, gateway.runtime.now());
    gateway.runtime.kv_put(&session.names.record_key(), &sealed, expires_at).await
}

/// The second attempt, after KV's second for a key has passed, unless the session has ended meanwhile or a newer record is there.
async fn retry_write<P: Ports>(gateway: &Gateway<P>, session: &Session) {
    put_unconfirmed(gateway, session);
    match load(gateway, &session.id, &session.names).await {
        Ok(Loaded::Ended) => return,
        // In strict mode the guard has told that it lives.
        Ok(Loaded::Absent(_)) if !gateway.runtime.guard_is_bound() => return,
        Ok(Loaded::Record(record)) if record.version > session.record.version => return,
        Ok(Loaded::Record(_) | Loaded::Absent(_)) | Err(_) => {}
    }
    gateway.runtime.sleep(KV_WRITE_INTERVAL_MS).await;
    if is_outdated(gateway, session) {
        return;
    }
    put_unconfirmed(gateway, session);
    if write(gateway, session).await.is_err() {
        let fields = [("code", ErrorCode::StoreUnavailable.name()), ("session", &session.names.log_name())];
        gateway.runtime.log(Level::Error, "renewed_session_not_saved", &fields);
    }
}

/// The next step of a save begins: until its end the other requests of this isolate use the renewed record, and do not send the
/// refresh token that it replaced.
fn put_unconfirmed<P: Ports>(gateway: &Gateway<P>, session: &Session) -> Cached {
    gateway.isolate.put_unconfirmed(&session.names, session.record.clone(), gateway.runtime.now())
}

/// Whether this isolate knows better by now: another request has renewed the session or ended it meanwhile, which KV's reads may
/// not show yet.
pub(crate) fn is_outdated<P: Ports>(gateway: &Gateway<P>, session: &Session) -> bool {
    match gateway.isolate.cached(&session.names, gateway.runtime.now()) {
        Some(Cached::Record(record)) => record.version > session.record.version,
        Some(Cached::Ended) => true,
        None => false,
    }
}

/// Reads the markers after a save: a logout that came between our read and our write has set one, and then the record is deleted
/// again. True: the session has ended.
async fn check_markers<P: Ports>(gateway: &Gateway<P>, saved: &Session) -> bool {
    put_unconfirmed(gateway, saved);
    let now = gateway.runtime.now();
    match has_end_marker(gateway, saved).await {
        Ok(true) => {
            discard(gateway, saved).await;
            true
        }
        Ok(false) => {
            gateway.isolate.records.borrow_mut().put(saved.names.as_bytes(), saved.record.clone(), now);
            false
        }
        // KV could not say: the next cold read has the markers again.
        Err(_) => false,
    }
}

/// Whether a marker ends this session although its record is there.
async fn has_end_marker<P: Ports>(gateway: &Gateway<P>, session: &Session) -> Result<bool, KvError> {
    let keys = [&*session.names.marker_key(), &session.names.user_marker_key()];
    let [ended, user_ended] = kv_get_many(gateway, keys).await?;
    Ok(ended.is_some() || is_ended_everywhere(&session.record, user_ended.as_deref()))
}

/// Discards a record that was saved over a session that had been signed out meanwhile.
async fn discard<P: Ports>(gateway: &Gateway<P>, saved: &Session) {
    gateway.isolate.end(&saved.names, gateway.runtime.now());
    tokens::revoke(gateway, &saved.record);
    if gateway.runtime.kv_delete(&saved.names.record_key()).await.is_err() {
        gateway.runtime.log(Level::Warn, "ended_session_not_deleted", &[("session", &saved.names.log_name())]);
    }
}
