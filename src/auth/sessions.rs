//! Finding the caller's session, and ending one.

use std::rc::Rc;

use crate::ports::{KV_WRITE_INTERVAL_MS, KvError, Level, Ports, UnixSecs};
use crate::session::cache::Cached;
use crate::session::id::{SessionId, SessionNames};
use crate::session::policy::{Standing, runs_behind, standing};
use crate::session::record::{MIN_KV_LIFE_SECS, Record};

use super::error::{Error, ErrorCode};
use super::retry::{Pause, once_more};
use super::session::{Found, Loaded, Session};
use super::store::{is_ended_everywhere, load};
use super::{Gateway, boxed, guard, tokens};

/// Finds the session of an id: from memory, else by one bulk read of KV; in strict mode its guard is asked as well.
///
/// # Errors
/// KV or the guard could not answer: neither signed in nor signed out.
pub(crate) async fn find<P: Ports>(gateway: &Gateway<P>, id: SessionId, now: UnixSecs) -> Result<Found, Error> {
    let names = id.names();
    let Some(record) = newest_record(gateway, &id, &names, now).await? else { return Ok(Found::Ended) };
    if runs_behind(&record, now) {
        return Err(Error::new(ErrorCode::Internal, "clock_behind"));
    }
    if standing(&record, &gateway.config.session, now) == Standing::Ended {
        return Ok(Found::Ended);
    }
    Ok(Found::Session(Session { id, names, record }))
}

/// The newest record that can be known here. `None`: the session has ended.
///
/// # Errors
/// KV or the guard could not answer.
pub(crate) async fn newest_record<P: Ports>(
    gateway: &Gateway<P>,
    id: &SessionId,
    names: &SessionNames,
    now: UnixSecs,
) -> Result<Option<Rc<Record>>, Error> {
    // Another location may have renewed it meanwhile: an idle end is looked up before it is believed.
    let life = &gateway.config.session;
    let idle = |record: &Record| now < record.expires_at && standing(record, life, now) == Standing::Ended;
    let cached = gateway.isolate.cached(names, now);
    let cached = cached.filter(|it| !matches!(it, Cached::Record(record) if idle(record)));
    let record = match cached {
        Some(Cached::Ended) => return Ok(None),
        Some(Cached::Record(record)) => record,
        None => match boxed(load(gateway, id, names)).await? {
            Loaded::Record(record) => match gateway.isolate.records.borrow_mut().put(names.as_bytes(), record, now) {
                Cached::Record(record) => record,
                Cached::Ended => return Ok(None),
            },
            // KV may lag behind a login: the guard knows. It is not asked about a made-up id.
            Loaded::Absent(user_ended) if id.is_from(&gateway.config.sealing_keys) => {
                let record = guard::confirm_newest(gateway, id, names, None).await?;
                if record.as_ref().is_some_and(|record| is_ended_everywhere(record, user_ended.as_deref())) {
                    gateway.isolate.end(names, gateway.runtime.now());
                    return Ok(None);
                }
                return Ok(record);
            }
            Loaded::Absent(_) | Loaded::Ended => return Ok(None),
        },
    };
    guard::confirm_newest(gateway, id, names, Some(record)).await
}

/// Ends a session and revokes its refresh token.
///
/// # Errors
/// The end could not be written down; the session may live on elsewhere. Its refresh token is revoked all the same.
pub(crate) async fn sign_out<P: Ports>(gateway: &Gateway<P>, id: &SessionId, names: &SessionNames) -> Result<(), Error> {
    // Absent or unreadable, it is marked as ended all the same: this location may just not see it yet.
    let record = last_known_record(gateway, id, names).await;
    end_with_record(gateway, names, record).await
}

/// Ends the session that this browser had before its new one, and revokes its refresh token: in this isolate at once, everywhere
/// else in the background. Its failure does not fail the login: the old cookie is replaced anyway.
pub(crate) fn end_in_background<P: Ports>(gateway: &Gateway<P>, id: SessionId) {
    let (names, now) = (id.names(), gateway.runtime.now());
    if is_end_settled(gateway, &names, now) {
        return;
    }
    let cached = gateway.isolate.cached_record(&names, now);
    if cached.is_some() || id.is_from(&gateway.config.sealing_keys) {
        gateway.isolate.end(&names, now);
    }
    let beside = gateway.clone();
    gateway.runtime.wait_until(Box::pin(async move {
        if !may_be_ours(&beside, &id, &names).await {
            return;
        }
        let stored = last_known_record(&beside, &id, &names).await;
        let newest = [stored, cached].into_iter().flatten().max_by_key(|record| record.version);
        // First of all, in case the runtime cuts the rest off.
        if let Some(record) = &newest {
            tokens::revoke(&beside, record);
        }
        if end(&beside, &names, latest_end(&beside, newest.as_deref())).await.is_err() {
            beside.runtime.log(Level::Warn, "older_session_not_ended", &[("session", &names.log_name())]);
        }
    }));
}

/// Whether this isolate has just ended the session, everywhere: nothing is left to do, and a loop of sign-outs costs nothing.
pub(crate) fn is_end_settled<P: Ports>(gateway: &Gateway<P>, names: &SessionNames, now: UnixSecs) -> bool {
    gateway.isolate.records.borrow().is_end_settled(names.as_bytes(), now)
}

/// Whether there may be a session under this id: this gateway made it, or its record is there, or KV could not say. A made-up one
/// must not cost a write.
pub(crate) async fn may_be_ours<P: Ports>(gateway: &Gateway<P>, id: &SessionId, names: &SessionNames) -> bool {
    id.is_from(&gateway.config.sealing_keys) || !matches!(load(gateway, id, names).await, Ok(Loaded::Absent(_) | Loaded::Ended))
}

/// The newest record of a session that is about to end, the newer of store and memory, for the refresh token in it.
async fn last_known_record<P: Ports>(gateway: &Gateway<P>, id: &SessionId, names: &SessionNames) -> Option<Rc<Record>> {
    let stored = match load(gateway, id, names).await {
        Ok(Loaded::Record(record)) => Some(record),
        Ok(Loaded::Absent(_) | Loaded::Ended) | Err(_) => None,
    };
    let cached = gateway.isolate.cached_record(names, gateway.runtime.now());
    let newest = [stored, cached].into_iter().flatten().max_by_key(|record| record.version);
    if !gateway.runtime.guard_is_bound() {
        return newest;
    }
    // A token that the guard does not tell of is not revoked; the session ends all the same.
    guard::ask_newest(gateway, id, names, newest.clone()).await.ok().flatten().or(newest)
}

/// When a session ends at the latest, for the marker's life.
fn latest_end<P: Ports>(gateway: &Gateway<P>, record: Option<&Record>) -> UnixSecs {
    record.map_or_else(|| gateway.runtime.now().saturating_add(gateway.config.session.ttl_secs), |record| record.expires_at)
}

async fn end_with_record<P: Ports>(gateway: &Gateway<P>, names: &SessionNames, record: Option<Rc<Record>>) -> Result<(), Error> {
    let ended = end(gateway, names, latest_end(gateway, record.as_deref())).await;
    if let Some(record) = record {
        tokens::revoke(gateway, &record);
    }
    ended
}

/// Ends a session: the guard and the marker first, so that a refresh under way cannot bring the record back, then the record. A
/// marker that KV did not take is written once more: without it the session lives on.
async fn end<P: Ports>(gateway: &Gateway<P>, names: &SessionNames, ends_at: UnixSecs) -> Result<(), Error> {
    let now = gateway.runtime.now();
    gateway.isolate.end(names, now);
    let ends_at = ends_at.max(now.saturating_add(MIN_KV_LIFE_SECS));
    let told = guard::end(gateway, names, ends_at).await;
    let at_once = |written: &Result<(), KvError>| matches!(written, Err(KvError::TooManyWrites | KvError::Unavailable));
    let key = names.marker_key();
    let marked =
        once_more(gateway, BEFORE_WRITING_AGAIN, at_once, async || gateway.runtime.kv_put(&key, "1", ends_at).await).await;
    if gateway.runtime.kv_delete(&names.record_key()).await.is_err() {
        // The marker alone ends the session.
        gateway.runtime.log(Level::Warn, "ended_session_not_deleted", &[("session", &names.log_name())]);
    }
    marked?;
    told?;
    gateway.isolate.records.borrow_mut().settle_end(names.as_bytes(), gateway.runtime.now());
    Ok(())
}

const BEFORE_WRITING_AGAIN: Pause = Pause { at_least_ms: KV_WRITE_INTERVAL_MS, spread_ms: u8::MAX };
