//! The application: a router, one file per endpoint, and the only place where errors become answers.
//!
//! A request goes `handle` → limits → [`route::Route`] → its handler → [`Outcome`]. Handlers read like the standard
//! they implement; what they decide with is in `oidc`, `jose`, `session` and `web`.

mod answer;
mod config_route;
mod error;
mod flow_cookies;
mod forward;
mod health;
mod keys;
mod login;
mod logout;
mod memory;
mod page;
mod refresh;
mod renewal;
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

use std::rc::Rc;

use crate::config::{Config, ConfigProblem};
use crate::ports::{IncomingRequest, Level, Ports};

pub use answer::Answer;
pub use error::{Description, Failure, GateError};
pub use forward::{ForwardPlan, HeaderEdits, Upstream};
pub use memory::Memory;

use route::Route;
use visit::Visit;

/// What to do with a request.
#[derive(Debug)]
pub enum Outcome {
    /// Answer it.
    Respond(Answer),
    /// Ask the site for it.
    Forward(Box<ForwardPlan>),
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

    /// Handles a request to its end, but for the site's own answer: that is the shell's to fetch.
    pub async fn handle<R: IncomingRequest>(&self, request: &R) -> Outcome {
        let visit = Visit::new(request, &self.config, &self.ports);
        let route = Route::of(visit.path());
        let result = self.dispatch(route, &visit).await;
        let duration_ms = self.ports.now_ms().saturating_sub(visit.started_ms);
        match result {
            Ok(Outcome::Respond(answer)) => {
                self.log_answer(route.name(), &visit, answer.status, duration_ms);
                Outcome::Respond(visit.readable(answer, route, &self.config).secured(&self.config))
            }
            Ok(Outcome::Forward(plan)) => {
                self.log_answer(route.name(), &visit, 0, duration_ms);
                Outcome::Forward(plan)
            }
            Err(failure) => {
                self.log(route.name(), &visit.request_id, &failure, duration_ms);
                let answer = page::failure_answer(&self.config, &visit, route, &failure);
                Outcome::Respond(visit.readable(answer, route, &self.config).secured(&self.config))
            }
        }
    }

    /// What the browser gets when the site's origin gave nothing.
    pub fn origin_failed<R: IncomingRequest>(&self, request: &R, error: GateError) -> Answer {
        let failure = Failure::from(error);
        let visit = Visit::new(request, &self.config, &self.ports);
        self.log(Route::Site.name(), &visit.request_id, &failure, 0);
        page::failure_answer(&self.config, &visit, Route::Site, &failure).secured(&self.config)
    }

    async fn dispatch<R: IncomingRequest>(&self, route: Route, visit: &Visit<'_, R>) -> Result<Outcome, Failure> {
        visit.check()?;
        if let Some(answer) = route.check_method(visit)? {
            return Ok(Outcome::Respond(answer));
        }
        if visit.method == "POST" && route != Route::Site {
            visit.check_own_page(&self.config)?;
        }
        let answer = match route {
            Route::Config => self.config_route(),
            Route::UserInfo => self.user_info(visit).await?,
            Route::Login => self.login(visit).await?,
            Route::Callback => self.callback(visit).await?,
            Route::Token => self.token(visit).await?,
            Route::Refresh => self.refresh(visit).await?,
            Route::Logout => self.logout(visit).await?,
            Route::Status => self.status(visit).await?,
            Route::Healthz => Self::healthz(),
            Route::Readyz => self.readyz(visit).await?,
            Route::Unknown => return Err(GateError::NotFound.into()),
            Route::Site => return self.site(visit).await,
        };
        Ok(Outcome::Respond(answer))
    }

    fn log_answer<R: IncomingRequest>(&self, route: &str, visit: &Visit<'_, R>, status: u16, duration_ms: u64) {
        let (status, duration_ms) = (status.to_string(), duration_ms.to_string());
        let status = if status == "0" { "forwarded" } else { &status };
        let session = visit.session_log_name.borrow();
        let fields = [
            ("route", route),
            ("status", status),
            ("request_id", visit.request_id.as_str()),
            ("duration_ms", &duration_ms),
            ("session", session.as_str()),
        ];
        self.ports.line(Level::Info, "request", &fields);
    }

    fn log(&self, route: &str, request_id: &str, failure: &Failure, duration_ms: u64) {
        let Description { status, code, .. } = failure.error.describe();
        let (status, duration_ms) = (status.to_string(), duration_ms.to_string());
        let fields = [
            ("route", route),
            ("status", status.as_str()),
            ("code", code),
            ("reason", failure.reason),
            ("request_id", request_id),
            ("duration_ms", &duration_ms),
        ];
        self.ports.line(failure.error.level(), "request", &fields);
    }
}

/// The answer to every request while the configuration is wrong: nothing is served, and the details are in the log only.
pub fn config_invalid(log: &impl crate::ports::Log, problems: &[ConfigProblem]) -> Answer {
    for problem in problems {
        let fields = [("variable", problem.name), ("wanted", problem.wanted), ("example", problem.example)];
        log.line(Level::Error, "config_invalid", &fields);
    }
    let failure = Failure::from(GateError::ConfigInvalid);
    Answer::json(500, &page::ErrorBody::bare(&failure))
        .with("cache-control", "no-store")
        .with("x-content-type-options", "nosniff")
}
