//! Every failure, and the one place that gives it a status, a code and a sentence.

use crate::oidc::token_response::TokenError;
use crate::ports::{KvError, Level};
use crate::web::return_path::ReturnPath;

use super::words::Detail;

/// What can go wrong, one variant for each stable code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateError {
    // 400
    /// The request makes no sense.
    InvalidRequest,
    /// No login flow at all, or a stale one.
    LoginExpired,
    /// Flows are there, none is this one.
    StateMismatch,
    /// Cognito refused the code.
    CodeRejected,
    // 401
    /// Nobody is signed in.
    SessionRequired,
    /// The session has ended.
    SessionExpired,
    /// A bearer token was refused.
    TokenInvalid,
    /// Cognito refused to renew.
    RefreshRejected,
    // 403
    /// A rule says no.
    Forbidden,
    /// Not the page's own request.
    CsrfRejected,
    /// Cognito, a trigger or the user said no.
    LoginDenied,
    // 404 405 413 414 429 431
    /// No such path.
    NotFound,
    /// The path has other methods.
    MethodNotAllowed,
    /// The body is too long.
    PayloadTooLarge,
    /// The URL is too long.
    UriTooLong,
    /// Too many requests.
    RateLimited,
    /// A header is too long.
    HeadersTooLarge,
    // 500
    /// The configuration is wrong.
    ConfigInvalid,
    /// Cognito refuses our app client.
    IdpMisconfigured,
    /// Our own failure.
    Internal,
    // 502
    /// Cognito's answer was not understood.
    IdpInvalidResponse,
    /// Cognito's tokens failed verification.
    TokenRejected,
    /// The site's origin could not be reached.
    OriginUnavailable,
    // 503
    /// Cognito cannot be reached.
    IdpUnavailable,
    /// Cognito throttles us.
    IdpThrottled,
    /// KV cannot be reached.
    StoreUnavailable,
    // 504
    /// Cognito did not answer in time.
    IdpTimeout,
    /// The site's origin did not answer in time.
    OriginTimeout,
}

/// Status, code and words of an error.
pub struct Description {
    /// HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: &'static str,
    /// One plain sentence in English; `words` has the Korean one.
    pub message: &'static str,
}

impl GateError {
    /// Everything that leaves the gateway about this error. Exhaustive: a new variant must choose its answer here.
    #[must_use]
    pub fn describe(self) -> Description {
        let (status, code, message) = match self {
            Self::InvalidRequest => (400, "invalid_request", "The request could not be understood."),
            Self::LoginExpired => (
                400,
                "login_expired",
                "This browser knows nothing of this sign-in any more: it took too long, was begun elsewhere, or its cookies are blocked. \
                 Please sign in again.",
            ),
            Self::StateMismatch => {
                (400, "state_mismatch", "This sign-in is not one of the last that this browser has begun. Please sign in again.")
            }
            Self::CodeRejected => (400, "code_rejected", "The sign-in code was not accepted. Please sign in again."),
            Self::SessionRequired => (401, "session_required", "Please sign in."),
            Self::SessionExpired => (401, "session_expired", "Your session has ended. Please sign in again."),
            Self::TokenInvalid => (401, "token_invalid", "The token is not valid."),
            Self::RefreshRejected => (401, "refresh_rejected", "Your sign-in could not be renewed. Please sign in again."),
            Self::Forbidden => (403, "forbidden", "You are signed in, but this page is not open to you."),
            Self::CsrfRejected => (403, "csrf_rejected", "The request did not come from a page of this site."),
            Self::LoginDenied => (403, "login_denied", "Sign-in was refused or cancelled."),
            Self::NotFound => (404, "not_found", "There is nothing at this address."),
            Self::MethodNotAllowed => (405, "method_not_allowed", "This address does not take such requests."),
            Self::PayloadTooLarge => (413, "payload_too_large", "The request body is too large."),
            Self::UriTooLong => (414, "uri_too_long", "The address is too long."),
            Self::RateLimited => (429, "rate_limited", "Too many requests. Please wait a moment."),
            Self::HeadersTooLarge => {
                (431, "headers_too_large", "The request headers are too large. Clearing this site's cookies may help.")
            }
            Self::ConfigInvalid => (500, "config_invalid", "This site's sign-in is not set up correctly."),
            Self::IdpMisconfigured => {
                (500, "idp_misconfigured", "This site's sign-in service refused its settings. Please tell the site's operator.")
            }
            Self::Internal => (500, "internal", "Something went wrong here. Please try again."),
            Self::IdpInvalidResponse => {
                (502, "idp_invalid_response", "The sign-in service gave an answer that makes no sense. Please try again.")
            }
            Self::TokenRejected => (502, "token_rejected", "The sign-in service's tokens could not be verified."),
            Self::OriginUnavailable => (502, "origin_unavailable", "The site cannot be reached right now. Please try again."),
            Self::IdpUnavailable => {
                (503, "idp_unavailable", "The sign-in service cannot be reached right now. Please try again in a moment.")
            }
            Self::IdpThrottled => (503, "idp_throttled", "The sign-in service is busy. Please try again in a moment."),
            Self::StoreUnavailable => {
                (503, "store_unavailable", "Sessions cannot be read right now. Please try again in a moment.")
            }
            Self::IdpTimeout => (504, "idp_timeout", "The sign-in service did not answer in time. Please try again."),
            Self::OriginTimeout => (504, "origin_timeout", "The site did not answer in time. Please try again."),
        };
        Description { status, code, message }
    }

    /// How loudly it is logged: an operator must act on what no user and no retry can mend. Exhaustive, as above.
    #[must_use]
    pub fn level(self) -> Level {
        match self {
            Self::ConfigInvalid | Self::IdpMisconfigured | Self::Internal | Self::TokenRejected => Level::Error,
            Self::IdpInvalidResponse
            | Self::OriginUnavailable
            | Self::IdpUnavailable
            | Self::IdpThrottled
            | Self::StoreUnavailable
            | Self::IdpTimeout
            | Self::OriginTimeout
            | Self::RateLimited => Level::Warn,
            Self::InvalidRequest
            | Self::LoginExpired
            | Self::StateMismatch
            | Self::CodeRejected
            | Self::SessionRequired
            | Self::SessionExpired
            | Self::TokenInvalid
            | Self::RefreshRejected
            | Self::Forbidden
            | Self::CsrfRejected
            | Self::LoginDenied
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::PayloadTooLarge
            | Self::UriTooLong
            | Self::HeadersTooLarge => Level::Info,
        }
    }

    /// Cognito's trouble that passes by itself; nothing that it said about the user.
    #[must_use]
    pub fn is_outage(self) -> bool {
        matches!(self, Self::IdpUnavailable | Self::IdpThrottled | Self::IdpTimeout | Self::IdpInvalidResponse)
    }

    /// Whether it means that nobody is signed in.
    #[must_use]
    pub fn is_signed_out(self) -> bool {
        matches!(self, Self::SessionRequired | Self::SessionExpired | Self::RefreshRejected)
    }

    /// `Retry-After` where waiting helps. Exhaustive, as above.
    fn retry_after_secs(self) -> Option<u32> {
        match self {
            Self::IdpUnavailable | Self::StoreUnavailable => Some(10),
            Self::IdpThrottled => Some(30),
            Self::RateLimited => Some(60),
            Self::InvalidRequest
            | Self::LoginExpired
            | Self::StateMismatch
            | Self::CodeRejected
            | Self::SessionRequired
            | Self::SessionExpired
            | Self::TokenInvalid
            | Self::RefreshRejected
            | Self::Forbidden
            | Self::CsrfRejected
            | Self::LoginDenied
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::PayloadTooLarge
            | Self::UriTooLong
            | Self::HeadersTooLarge
            | Self::ConfigInvalid
            | Self::IdpMisconfigured
            | Self::Internal
            | Self::IdpInvalidResponse
            | Self::TokenRejected
            | Self::OriginUnavailable
            | Self::IdpTimeout
            | Self::OriginTimeout => None,
        }
    }
}

/// An error with what its answer needs besides.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What went wrong.
    pub error: GateError,
    /// How loudly it is logged.
    pub level: Level,
    /// Finer than the code, for the log alone: a static word, never a value.
    pub reason: &'static str,
    /// Seconds for `Retry-After`.
    pub retry_after_secs: Option<u32>,
    /// `Set-Cookie` lines that go with the answer.
    pub set_cookies: Vec<String>,
    /// Where a new login should return to.
    pub return_path: Option<ReturnPath>,
    /// Cognito's sign-out page, when signing out was not complete.
    pub logout_url: Option<String>,
    /// `Allow` of a 405.
    pub allow: Option<&'static str>,
    /// A sentence that says more than the code's own.
    pub(super) detail: Option<Detail>,
    /// Several sign-ins in a row have not mended it: the page says what seems to be the cause, and tries no other.
    pub in_circles: bool,
}

impl Failure {
    /// A failure with a reason for the log.
    #[must_use]
    pub fn new(error: GateError, reason: &'static str) -> Self {
        let retry_after_secs = error.retry_after_secs();
        Self {
            error,
            level: error.level(),
            reason,
            retry_after_secs,
            set_cookies: Vec::new(),
            return_path: None,
            logout_url: None,
            allow: None,
            detail: None,
            in_circles: false,
        }
    }
}

impl Failure {
    /// The same, where it is known when the next attempt is made: an earlier one would get the same answer.
    #[must_use]
    pub fn retry_in(self, secs: u64) -> Self {
        let waiting_helps = self.retry_after_secs.is_some() || self.error.is_outage();
        Self { retry_after_secs: u32::try_from(secs.max(1)).ok().filter(|_| waiting_helps), ..self }
    }
}

impl From<GateError> for Failure {
    fn from(error: GateError) -> Self {
        Self::new(error, "")
    }
}

impl From<KvError> for Failure {
    fn from(error: KvError) -> Self {
        let reason = match error {
            KvError::Timeout => "kv_timeout",
            KvError::TooManyWrites => "kv_too_many_writes",
            KvError::Unavailable => "kv_unavailable",
        };
        Self::new(GateError::StoreUnavailable, reason)
    }
}

impl Failure {
    /// Trouble at the token endpoint. `refused` is what a refusal means here.
    #[must_use]
    pub fn of_token_endpoint(error: TokenError, refused: GateError) -> Self {
        match error {
            TokenError::Refused => Self::new(refused, "invalid_grant"),
            TokenError::Misconfigured => Self::new(GateError::IdpMisconfigured, "client_refused"),
            TokenError::Throttled { retry_after_secs } => {
                let failure = Self::new(GateError::IdpThrottled, "token_endpoint_429");
                Self { retry_after_secs: retry_after_secs.or(failure.retry_after_secs), ..failure }
            }
            TokenError::Unavailable => Self::new(GateError::IdpUnavailable, "token_endpoint_unavailable"),
            TokenError::TimedOut => Self::new(GateError::IdpTimeout, "token_endpoint_timeout"),
            TokenError::InvalidResponse => Self::new(GateError::IdpInvalidResponse, "token_endpoint_answer"),
        }
    }
}
