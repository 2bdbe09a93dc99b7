//! The application: a router, one file per endpoint, and the only place where errors become answers.
//!
//! A request goes `handle` → limits → its route → its handler → [`Outcome`]. Handlers read like the standard
//! they implement; what they decide with is in `oidc`, `jose`, `session` and `web`.

mod answer;
mod bearer;
mod config_route;
mod cors;
mod error;
mod flow_cookies;
mod forward;
mod guard;
mod health;
mod keys;
mod login;
mod logout;
mod memory;
mod origin_refusals;
mod page;
mod public_origin;
mod refresh;
mod renewal;
mod retry;
mod rounds;
mod route;
mod saving;
mod sessions;
mod sign_in;
mod site;
mod status;
mod tokens;
mod user_info;
mod visit;
mod words;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use crate::config::{Config, ConfigProblem};
use crate::ports::{HeaderEdits, IncomingRequest, Level, Log, Ports, Random, Upstream, UpstreamAnswer};

pub use answer::Answer;
pub use error::{Description, Failure, GateError};
pub use forward::{ANSWER_HEADERS, CachePolicy, own_request_headers};
pub use memory::Memory;

use cors::readable;
use public_origin::require_https;
use route::Route;
use visit::Visit;

/// What a request comes to.
#[derive(Debug)]
pub enum Outcome<A> {
    /// An answer of the gateway's own.
    Respond(Answer),
    /// The site's answer, and what changes in its headers.
    Forward(A, HeaderEdits),
}

/// The gateway: configuration, the world, and what this isolate remembers.
#[derive(Clone)]
pub struct Gate<P> {
    config: Rc<Config>,
    ports: P,
    memory: Rc<Memory>,
}

impl<P: Ports> Gate<P> {
    /// A gateway for one request; configuration and memory outlive it.
    #[must_use]
    pub fn new(config: Rc<Config>, ports: P, memory: Rc<Memory>) -> Self {
        Self { config, ports, memory }
    }

    /// Handles a request to its end.
    pub async fn handle<R: IncomingRequest>(&self, request: &R) -> Outcome<P::Answer>
    where
        P: Upstream<R>,
    {
        let visit = Visit::new(request, &self.config, &self.ports);
        self.memory.drop_expired(visit.now);
        let route = visit.route();
        match self.dispatch(route, &visit).await {
            Ok(Outcome::Respond(answer)) => {
                let reason = Some(("reason", visit.log_reason.get())).filter(|(_, reason)| !reason.is_empty());
                self.log(Level::Info, route, &visit, answer.status, reason.as_slice());
                Outcome::Respond(readable(answer, route, &visit, &self.config).secured(self.is_https(&visit)))
            }
            Ok(Outcome::Forward(answer, edits)) => {
                self.note_site_status(answer.status(), visit.now);
                self.log(Level::Info, route, &visit, answer.status(), &[]);
                Outcome::Forward(answer, edits)
            }
            Err(failure) => Outcome::Respond(self.failed_answer(route, &visit, &failure)),
        }
    }

    fn failed_answer<R: IncomingRequest>(&self, route: Route, visit: &Visit<'_, R>, failure: &Failure) -> Answer {
        let Description { status, code, .. } = failure.error.describe();
        let hint = visit.log_hint.borrow();
        let hint = Some(("hint", hint.as_str())).filter(|(_, hint)| !hint.is_empty());
        let fields = [("code", code), ("reason", failure.reason)];
        self.log(failure.level, route, visit, status, &[&fields, hint.as_slice()].concat());
        let answer = page::failure_answer(&self.config, visit, route, failure);
        readable(answer, route, visit, &self.config).secured(self.is_https(visit))
    }

    /// Whether the browser is to ask by https from now on.
    fn is_https<R: IncomingRequest>(&self, visit: &Visit<'_, R>) -> bool {
        self.config.public_url.is_https() && visit.is_https()
    }

    async fn dispatch<R: IncomingRequest>(&self, route: Route, visit: &Visit<'_, R>) -> Result<Outcome<P::Answer>, Failure>
    where
        P: Upstream<R>,
    {
        if let Some(answer) = require_https(visit, &self.config)? {
            return Ok(Outcome::Respond(answer));
        }
        visit.check()?;
        if let Some(answer) = route.check_method(visit)? {
            return Ok(Outcome::Respond(answer));
        }
        if route.needs_the_user() && visit.is_speculative() {
            // Browsers keep an answer of success for the click.
            return Ok(Outcome::Respond(Answer::empty(503)));
        }
        if visit.method == "POST" && !matches!(route, Route::Site | Route::Unknown) {
            visit.check_own_page(&self.config)?;
        }
        // All apart but the one that nearly every request takes.
        let answer = match route {
            Route::Config => self.config_route(),
            Route::UserInfo => apart(self.user_info(visit)).await?,
            Route::Login => apart(self.login(visit)).await?,
            Route::Callback => apart(self.callback(visit)).await?,
            Route::Token => apart(self.token(visit)).await?,
            Route::Refresh => apart(self.refresh(visit)).await?,
            Route::Logout => apart(self.logout(visit)).await?,
            Route::Status => apart(self.status(visit)).await?,
            Route::Healthz => Self::healthz(),
            Route::Readyz => apart(self.readyz()).await?,
            Route::Unknown => return Err(GateError::NotFound.into()),
            Route::Site => return self.site(visit).await,
        };
        Ok(Outcome::Respond(answer))
    }

    /// One line a request.
    fn log<R: IncomingRequest>(&self, level: Level, route: Route, visit: &Visit<'_, R>, status: u16, more: &[(&str, &str)]) {
        let duration_ms = self.ports.now_ms().saturating_sub(visit.started_ms).to_string();
        let (status, session) = (status.to_string(), visit.session_log_name.borrow());
        let mut fields = vec![
            ("route", route.name()),
            ("status", &status),
            ("request_id", &visit.request_id),
            ("duration_ms", &duration_ms),
            ("session", &session),
        ];
        fields.extend(more);
        self.ports.line(level, "request", &fields);
    }
}

/// Work that few requests come to. A future holds the largest of those in it, in its size and in its code, and whoever begins it pays for
/// both: this one is held by its address.
fn apart<'a, T>(work: impl Future<Output = T> + 'a) -> Pin<Box<dyn Future<Output = T> + 'a>> {
    Box::pin(work)
}

/// The answer to every request while the configuration is wrong: nothing is served, and the details are in the log only.
pub fn config_invalid<R: IncomingRequest>(runtime: &(impl Log + Random), request: &R, problems: &[ConfigProblem]) -> Answer {
    for problem in problems {
        let fields = [("variable", problem.name), ("wanted", &*problem.wanted), ("example", problem.example)];
        runtime.line(Level::Error, "config_invalid", &fields);
    }
    page::unconfigured(request, &visit::random_name(runtime)).secured(request.url().starts_with("https://"))
}
