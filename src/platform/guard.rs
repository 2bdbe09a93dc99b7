//! Strict mode's guard as a Durable Object with an SQL store, one for each user: the call to it, and the object itself.
//! `guard::decision` decides the replies.

use serde::Deserialize;
use wasm_bindgen::JsValue;
use worker::{
    DurableObject, Env, Method, Request, RequestInit, Response, ScheduledTime, SqlStorage, SqlStorageValue, State, durable_object,
};

use crate::guard::decision::{Row, RowError, reply};
use crate::ports::{GuardError, UnixSecs};

use super::env::SESSION_GUARD;
use super::time::{now_ms, within};
use super::watch;

/// Asks the guard of a user.
pub(super) async fn ask(env: &Env, user_tag: &str, request: &str) -> Result<String, GuardError> {
    let answer = within(TIMEOUT_MS, exchange(env, user_tag, request)).await.ok_or(GuardError::Timeout)?;
    answer.ok().flatten().ok_or(GuardError::Unavailable)
}

/// `None`: the guard has no reply.
async fn exchange(env: &Env, user_tag: &str, request: &str) -> worker::Result<Option<String>> {
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_body(Some(JsValue::from_str(request)));
    let guard = env.durable_object(SESSION_GUARD)?.get_by_name(user_tag)?;
    let mut response = guard.fetch_with_request(Request::new_with_init(ADDRESS, &init)?).await?;
    let text = response.text().await?;
    Ok((response.status_code() == 200).then_some(text))
}

/// A placeholder: a Durable Object is addressed by its name alone.
const ADDRESS: &str = "https://guard/";
/// A guard that starts at the other end of the world answers within a second.
const TIMEOUT_MS: u32 = 4000;

/// The guard of one user's sessions. The runtime runs one request at a time between two awaits, and the guard does not await
/// between reading a row and writing it.
#[durable_object(alarm)]
pub struct SessionGuard {
    state: State,
    sql: SqlStorage,
}

impl DurableObject for SessionGuard {
    fn new(state: State, _env: Env) -> Self {
        watch();
        let sql = state.storage().sql();
        Self { state, sql }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let request = request.text().await?;
        let Some(reply) = reply(&request, |session| self.row(session), now_ms() / 1000) else {
            return Response::error("the request or its row cannot be read", 500);
        };
        if let Some((session, row)) = &reply.changed {
            self.keep(session, row)?;
            self.tidy_at(row.expires_at).await?;
        }
        Response::ok(reply.text)
    }

    /// Drops sessions that have ended by their own times, and in the end the whole store.
    async fn alarm(&self) -> worker::Result<Response> {
        self.sql.exec("DELETE FROM sessions WHERE expires_at <= ?", vec![integer(now_ms() / 1000)?])?;
        let next: Next = self.sql.exec("SELECT min(expires_at) AS expires_at FROM sessions", None)?.one()?;
        match next.expires_at {
            Some(expires_at) => self.tidy_at(expires_at).await?,
            None => self.state.storage().delete_all().await?,
        }
        Response::empty()
    }
}

/// A row of the list of tables.
#[derive(Deserialize)]
struct Table {
    #[serde(rename = "name")]
    _name: String,
}

/// The stored row of a session.
#[derive(Deserialize)]
struct Stored {
    row: String,
}

/// The end of the next session to expire, if there is one.
#[derive(Deserialize)]
struct Next {
    expires_at: Option<UnixSecs>,
}

impl SessionGuard {
    fn row(&self, session: &str) -> Result<Option<Row>, RowError> {
        // A question creates no table, so that a guard without sessions stores nothing.
        let tables: Vec<Table> = self.rows(TABLE, None)?;
        if tables.is_empty() {
            return Ok(None);
        }
        let stored: Vec<Stored> = self.rows("SELECT row FROM sessions WHERE session = ?", vec![session.into()])?;
        stored.first().map(|stored| Row::parse(&stored.row)).transpose()
    }

    fn rows<T: for<'a> Deserialize<'a>>(
        &self,
        query: &str,
        values: impl Into<Option<Vec<SqlStorageValue>>>,
    ) -> Result<Vec<T>, RowError> {
        self.sql.exec(query, values).and_then(|cursor| cursor.to_array()).map_err(|_| RowError)
    }

    fn keep(&self, session: &str, row: &Row) -> worker::Result<()> {
        self.sql.exec(CREATE, None)?;
        let values = vec![session.into(), integer(row.expires_at)?, row.encode().into()];
        self.sql.exec("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?)", values)?;
        Ok(())
    }

    async fn tidy_at(&self, at: UnixSecs) -> worker::Result<()> {
        let storage = self.state.storage();
        if storage.get_alarm().await?.is_none() {
            storage.set_alarm(ScheduledTime::new(js_sys::Date::new(&milliseconds(at).into()))).await?;
        }
        Ok(())
    }
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
