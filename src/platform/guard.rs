//! Strict mode's guard as a Durable Object with an SQL store, one a user: asking it, and being it. What it answers is
//! `session::guard`'s to say.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use worker::worker_sys::DurableObjectState;
use worker::{Date, Delay, Env, ScheduledTime, SqlStorage, SqlStorageValue, State};

use crate::ports::{GuardError, UnixSecs};
use crate::session::guard::{Row, RowError, reply};

use super::env::SESSION_GUARD;

/// Asks the guard of a user.
pub(super) async fn ask(env: &Env, user_tag: &str, inquiry: &str) -> Result<String, GuardError> {
    in_time(exchange(env, user_tag, inquiry)).await
}

/// On the runtime's own objects, as `proxy` asks the assets.
async fn exchange(env: &Env, user_tag: &str, inquiry: &str) -> Result<(u16, String), JsValue> {
    let method = |object: &JsValue, name: &str| Reflect::get(object, &name.into())?.dyn_into::<Function>();
    let guards = Reflect::get(env, &SESSION_GUARD.into())?;
    let guard = method(&guards, "getByName")?.call1(&guards, &user_tag.into())?;
    let init = web_sys::RequestInit::new();
    init.set_method("POST");
    init.set_body(&inquiry.into());
    let promise: Promise = method(&guard, "fetch")?.call2(&guard, &ADDRESS.into(), &init)?.dyn_into()?;
    let response: web_sys::Response = JsFuture::from(promise).await?.dyn_into()?;
    let text = JsFuture::from(response.text()?).await?;
    Ok((response.status(), text.as_string().unwrap_or_default()))
}

async fn in_time(exchange: impl Future<Output = Result<(u16, String), JsValue>>) -> Result<String, GuardError> {
    let limit = Delay::from(Duration::from_millis(TIMEOUT_MS));
    match select(pin!(exchange), limit).await {
        Either::Left((Ok((200, text)), _)) => Ok(text),
        Either::Left(_) => Err(GuardError::Unavailable),
        Either::Right(_) => Err(GuardError::Timeout),
    }
}

/// A Durable Object has no address but its name.
const ADDRESS: &str = "https://guard/";
/// One that starts at the other end of the world answers within a second.
const TIMEOUT_MS: u64 = 4000;

/// What the guard of one user's sessions answers. The runtime gives it one request at a time between two waits, and it waits for
/// nothing between reading a row and writing it.
///
/// # Errors
/// Its store failed: the runtime makes a 500 of it.
#[wasm_bindgen]
pub async fn guard_fetch(state: DurableObjectState, request: web_sys::Request) -> Result<web_sys::Response, JsValue> {
    let inquiry = JsFuture::from(request.text()?).await?.as_string().unwrap_or_default();
    let guard = SessionGuard::of(state);
    let init = web_sys::ResponseInit::new();
    let Some(reply) = reply(&inquiry, |session| guard.row(session), now()) else {
        init.set_status(500);
        return web_sys::Response::new_with_opt_str_and_init(Some("the inquiry or its row cannot be read"), &init);
    };
    if let Some((session, row)) = &reply.changed {
        guard.keep(session, row)?;
        guard.tidy_later(row.expires_at).await?;
    }
    web_sys::Response::new_with_opt_str_and_init(Some(&reply.text), &init)
}

/// Forgets sessions that are over by their own times, and in the end all.
///
/// # Errors
/// Its store failed: the runtime tries again.
#[wasm_bindgen]
pub async fn guard_alarm(state: DurableObjectState) -> Result<(), JsValue> {
    let guard = SessionGuard::of(state);
    guard.sql.exec("DELETE FROM sessions WHERE expires_at <= ?", vec![integer(now())?])?;
    match guard.first("SELECT min(expires_at) FROM sessions", Vec::new())? {
        Some(SqlStorageValue::Integer(expires_at)) => guard.tidy_later(expires_at.unsigned_abs()).await?,
        _ => guard.state.storage().delete_all().await?,
    }
    Ok(())
}

/// The guard's store.
struct SessionGuard {
    state: State,
    sql: SqlStorage,
}

impl SessionGuard {
    fn of(state: DurableObjectState) -> Self {
        let state = State::from(state);
        let sql = state.storage().sql();
        Self { state, sql }
    }

    /// The first column of the first row.
    fn first(&self, query: &str, values: Vec<SqlStorageValue>) -> worker::Result<Option<SqlStorageValue>> {
        let Some(row) = self.sql.exec(query, values)?.raw().next() else { return Ok(None) };
        Ok(row?.into_iter().next())
    }

    fn row(&self, session: &str) -> Result<Option<Row>, RowError> {
        // Nothing is made for a question: a guard that keeps nothing leaves nothing behind.
        if self.first(TABLE, Vec::new()).map_err(|_| RowError)?.is_none() {
            return Ok(None);
        }
        match self.first("SELECT row FROM sessions WHERE session = ?", vec![session.into()]) {
            Ok(None) => Ok(None),
            Ok(Some(SqlStorageValue::String(text))) => Row::parse(&text).map(Some),
            Ok(Some(_)) | Err(_) => Err(RowError),
        }
    }

    fn keep(&self, session: &str, row: &Row) -> worker::Result<()> {
        self.sql.exec(CREATE, None)?;
        let values = vec![session.into(), integer(row.expires_at)?, row.encode().into()];
        self.sql.exec("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?)", values)?;
        Ok(())
    }

    async fn tidy_later(&self, at: UnixSecs) -> worker::Result<()> {
        let storage = self.state.storage();
        if storage.get_alarm().await?.is_none() {
            storage.set_alarm(ScheduledTime::new(js_sys::Date::new(&milliseconds(at).into()))).await?;
        }
        Ok(())
    }
}

fn now() -> UnixSecs {
    Date::now().as_millis() / 1000
}

fn integer(value: u64) -> worker::Result<SqlStorageValue> {
    let value = i64::try_from(value).map_err(|error| worker::Error::RustError(error.to_string()))?;
    SqlStorageValue::try_from_i64(value)
}

#[expect(clippy::cast_precision_loss, reason = "a time is far below 2^53 milliseconds")]
fn milliseconds(at: UnixSecs) -> f64 {
    at.saturating_mul(1000) as f64
}

const TABLE: &str = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'sessions'";
const CREATE: &str = "CREATE TABLE IF NOT EXISTS sessions \
     (session TEXT PRIMARY KEY, expires_at INTEGER NOT NULL, row TEXT NOT NULL) WITHOUT ROWID";
