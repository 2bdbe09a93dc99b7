//! All routes, visible at once. Any other path is the site's.

use crate::auth::error::ErrorCode;
use crate::config::{CALLBACK_PATH, Config, is_own_path};
use crate::ports::IncomingRequest;

use super::request::RequestContext;
use super::routes::logout::LOGOUT_PATH;
use super::{Failure, Response};

/// A route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// `GET /config`
    Config,
    /// `GET /user-info`
    UserInfo,
    /// `GET /auth/login`
    Login,
    /// `GET /auth/callback`
    Callback,
    /// `POST /auth/token`
    Token,
    /// `POST /auth/refresh`
    Refresh,
    /// `POST /auth/logout`, and its page: `GET /auth/logout`
    Logout,
    /// `GET /auth/status`
    Status,
    /// `GET /healthz`
    Healthz,
    /// `GET /readyz`
    Readyz,
    /// An unknown path below one of ours: never the site, so that no cache takes `/user-info/x.css` for a style sheet.
    Unknown,
    /// An API behind the gate (`ROUTES`).
    Api,
    /// The site.
    Site,
}

impl Route {
    /// The route of a request; [`RequestContext::check`] refuses the requests without a normal path.
    #[must_use]
    pub(super) fn of_request<R: IncomingRequest>(request: &RequestContext<'_, R>, config: &Config) -> Self {
        match request.normal_path() {
            Some(path) => match Self::of(path) {
                Self::Site if config.api_routes.find(path).is_some() => Self::Api,
                route => route,
            },
            None if request.has_url() => Self::Site,
            None => Self::Unknown,
        }
    }

    /// The route of a normal path, `ROUTES` aside.
    #[must_use]
    pub(super) fn of(path: &str) -> Self {
        match path {
            "/config" => Self::Config,
            "/user-info" => Self::UserInfo,
            "/auth/login" => Self::Login,
            CALLBACK_PATH => Self::Callback,
            "/auth/token" => Self::Token,
            "/auth/refresh" => Self::Refresh,
            LOGOUT_PATH => Self::Logout,
            "/auth/status" => Self::Status,
            "/healthz" => Self::Healthz,
            "/readyz" => Self::Readyz,
            _ if is_own_path(path) => Self::Unknown,
            _ => Self::Site,
        }
    }

    /// The route's name in the log.
    #[must_use]
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::UserInfo => "user-info",
            Self::Login => "login",
            Self::Callback => "callback",
            Self::Token => "token",
            Self::Refresh => "refresh",
            Self::Logout => "logout",
            Self::Status => "status",
            Self::Healthz => "healthz",
            Self::Readyz => "readyz",
            Self::Unknown => "unknown",
            Self::Api => "api",
            Self::Site => "site",
        }
    }

    /// Whether pages call it with scripts: JSON for everybody, CORS for allowed origins.
    #[must_use]
    pub(super) fn is_json(self) -> bool {
        matches!(self, Self::Config | Self::UserInfo | Self::Token | Self::Refresh | Self::Logout | Self::Status | Self::Api)
    }

    /// Whether monitors call it.
    #[must_use]
    pub(super) fn is_monitoring(self) -> bool {
        matches!(self, Self::Healthz | Self::Readyz)
    }

    /// Whether a request ahead of the user must not count: it would begin or end a login or a session.
    pub(super) fn needs_the_user(self) -> bool {
        matches!(self, Self::Login | Self::Callback | Self::Token | Self::Logout)
    }

    fn allow<R: IncomingRequest>(self, request: &RequestContext<'_, R>) -> Option<&'static str> {
        match self {
            Self::Config | Self::UserInfo | Self::Status => Some("GET, HEAD, OPTIONS"),
            Self::Healthz | Self::Readyz => Some("GET, HEAD"),
            // A HEAD that spends a code or begins a login would be a trap (RFC 9110 §9.2.1).
            Self::Login | Self::Callback => Some("GET"),
            // For people there is a page; a script that signs out by GET has a mistake to be told of.
            Self::Logout if request.is_navigation() => Some("GET, HEAD, POST, OPTIONS"),
            Self::Token | Self::Refresh | Self::Logout => Some("POST, OPTIONS"),
            Self::Unknown | Self::Api | Self::Site => None,
        }
    }

    /// Answers preflights and refuses methods that the route does not have. The methods of the site and of an API
    /// are checked with their rules.
    pub(super) fn check_method<R: IncomingRequest>(self, request: &RequestContext<'_, R>) -> Result<Option<Response>, Failure> {
        let Some(allow) = self.allow(request) else { return Ok(None) };
        if !allow.split(", ").any(|method| method == request.method) {
            return Err(Failure { allow: Some(allow.into()), ..ErrorCode::MethodNotAllowed.into() });
        }
        Ok((request.method == "OPTIONS").then(|| Response::empty(204).with("allow", allow)))
    }
}
