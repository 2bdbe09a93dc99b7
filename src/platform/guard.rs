//! Strict mode's guard as a Durable Object with an SQL store, one a user: asking it, and being it. What it answers is
//! `session::guard`'s to say.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use serde::Deserialize;
use worker::{
    Date, Delay, DurableObject, Env, Method, Request, RequestInit, Response, ScheduledTime, SqlStorage, SqlStorageValue, State,
    durable_object,
};

use crate::ports::{GuardError, UnixSecs};
use crate::session::guard::{Row, reply};

use super::env::SESSION_GUARD;

/// Asks the guard of a user.
pub(super) async fn ask(env: &Env, user_tag: &str, inquiry: &str) -> Result<String, GuardError> {
    let exchange = async {
        let stub = env.durable_object(SESSION_GUARD)?.get_by_name(user_tag)?;
        let mut init = RequestInit::new();
        init.with_method(Method::Post).with_body(Some(inquiry.into()));
        let mut response = stub.fetch_with_request(Request::new_with_init(ADDRESS, &init)?).await?;
        let text = response.text().await?;
        Ok((response.status_code(), text))
    };
    in_time(exchange).await
}

async fn in_time(exchange: impl Future<Output = worker::Result<(u16, String)>>) -> Result<String, GuardError> {
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

/// The guard of one user's sessions. The runtime gives it one request at a time between two waits, and it waits for nothing
/// between reading a row and writing it.
#[durable_object(alarm)]
pub struct SessionGuard {
    state: State,
    sql: SqlStorage,
}

impl DurableObject for SessionGuard {
    fn new(state: State, _env: Env) -> Self {
        let sql = state.storage().sql();
        Self { state, sql }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let inquiry = request.text().await?;
        self.sql.exec(CREATE, None)?;
        let mut broken = None;
        let known = |session: &str| {
            self.row(session).unwrap_or_else(|error| {
                broken = Some(error);
                None
            })
        };
        let Some(reply) = reply(&inquiry, known, now()) else { return Response::error("not an inquiry", 400) };
        if let Some(error) = broken {
            return Err(error);
        }
        if let Some((session, row)) = &reply.changed {
            self.keep(session, row)?;
            self.tidy_later(row.expires_at).await?;
        }
        Response::ok(reply.text)
    }

    /// Forgets sessions that are over by their own times, and in the end all.
    async fn alarm(&self) -> worker::Result<Response> {
        self.sql.exec("DELETE FROM sessions WHERE expires_at <= ?", vec![integer(now())?])?;
        let next: Next = self.sql.exec("SELECT min(expires_at) AS expires_at FROM sessions", None)?.one()?;
        match next.expires_at {
            Some(expires_at) => self.tidy_later(expires_at).await?,
            None => self.state.storage().delete_all().await?,
        }
        Response::empty()
    }
}

/// A row as the store gives it.
#[derive(Deserialize)]
struct StoredRow {
    generation: u64,
    ended: u8,
    lease_holder: String,
    lease_until: UnixSecs,
    sealed: String,
    expires_at: UnixSecs,
}

#[derive(Deserialize)]
struct Next {
    expires_at: Option<UnixSecs>,
}

impl SessionGuard {
    fn row(&self, session: &str) -> worker::Result<Option<Row>> {
        let found = self.sql.exec("SELECT * FROM sessions WHERE session = ?", vec![session.into()])?.to_array::<StoredRow>()?;
        Ok(found.into_iter().next().map(|row| Row {
            generation: row.generation,
            ended: row.ended != 0,
            lease_holder: row.lease_holder,
            lease_until: row.lease_until,
            sealed: row.sealed,
            expires_at: row.expires_at,
        }))
    }

    fn keep(&self, session: &str, row: &Row) -> worker::Result<()> {
        let values = vec![
            session.into(),
            integer(row.generation)?,
            integer(row.ended.into())?,
            row.lease_holder.as_str().into(),
            integer(row.lease_until)?,
            row.sealed.as_str().into(),
            integer(row.expires_at)?,
        ];
        self.sql.exec("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?)", values)?;
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

const CREATE: &str = "CREATE TABLE IF NOT EXISTS sessions (session TEXT PRIMARY KEY, generation INTEGER NOT NULL, \
     ended INTEGER NOT NULL, lease_holder TEXT NOT NULL, lease_until INTEGER NOT NULL, sealed TEXT NOT NULL, \
     expires_at INTEGER NOT NULL) WITHOUT ROWID";
