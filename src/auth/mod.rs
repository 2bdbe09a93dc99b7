//! Who is signed in: sessions, their refresh and their end, and the tokens behind them. Here KV, Cognito and the guard are asked;
//! HTTP is `gate/`'s. Each service is a module of functions on the [`Gateway`]: `sessions::find`, `refresh::live`,
//! `tokens::verify`.
//!
//! Not knowing is an answer of its own: an [`error::Error`], never "signed out" and never "signed in".

pub(crate) mod bearer;
pub(crate) mod code_exchange;
pub mod error;
pub(crate) mod guard;
pub(crate) mod isolate;
pub(crate) mod jwks;
pub(crate) mod refresh;
pub(crate) mod retry;
pub(crate) mod route_token;
pub(crate) mod session;
pub(crate) mod sessions;
pub(crate) mod single_flight;
pub(crate) mod store;
pub(crate) mod tokens;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use crate::config::Config;
use crate::ports::Ports;

pub use isolate::Isolate;

/// The gateway for one request: its configuration, the runtime, and what this isolate remembers.
#[derive(Clone)]
pub struct Gateway<P> {
    pub(crate) config: Rc<Config>,
    pub(crate) runtime: P,
    pub(crate) isolate: Rc<Isolate>,
}

impl<P: Ports> Gateway<P> {
    /// A gateway for one request; configuration and isolate outlive it.
    #[must_use]
    pub fn new(config: Rc<Config>, runtime: P, isolate: Rc<Isolate>) -> Self {
        Self { config, runtime, isolate }
    }
}

/// Boxes the future of rare work, so that the future of the hot route stays small.
pub(crate) fn boxed<'a, T>(work: impl Future<Output = T> + 'a) -> Pin<Box<dyn Future<Output = T> + 'a>> {
    Box::pin(work)
}
