//! What can go wrong below `gate/`: a stable code, a reason for the log, and when to try again. How it is answered is
//! `gate::Failure`'s.

use crate::oidc::token_response::TokenError;
use crate::ports::{KvError, Level};

/// What can go wrong, one variant for each stable code. Each list below is exhaustive, so that a new code must choose its place
/// in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    // 400
    /// The request makes no sense.
    InvalidRequest,
    /// No login state at all, or a stale one.
    LoginExpired,
    /// There are login states, but not this one.
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
    /// Cognito refused the refresh token.
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

impl ErrorCode {
    /// The HTTP status of its answer.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidRequest | Self::LoginExpired | Self::StateMismatch | Self::CodeRejected => 400,
            Self::SessionRequired | Self::SessionExpired | Self::TokenInvalid | Self::RefreshRejected => 401,
            Self::Forbidden | Self::CsrfRejected | Self::LoginDenied => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::PayloadTooLarge => 413,
            Self::UriTooLong => 414,
            Self::RateLimited => 429,
            Self::HeadersTooLarge => 431,
            Self::ConfigInvalid | Self::IdpMisconfigured | Self::Internal => 500,
            Self::IdpInvalidResponse | Self::TokenRejected | Self::OriginUnavailable => 502,
            Self::IdpUnavailable | Self::IdpThrottled | Self::StoreUnavailable => 503,
            Self::IdpTimeout | Self::OriginTimeout => 504,
        }
    }

    /// The stable code, the same in answer, page, log and docs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::LoginExpired => "login_expired",
            Self::StateMismatch => "state_mismatch",
            Self::CodeRejected => "code_rejected",
            Self::SessionRequired => "session_required",
            Self::SessionExpired => "session_expired",
            Self::TokenInvalid => "token_invalid",
            Self::RefreshRejected => "refresh_rejected",
            Self::Forbidden => "forbidden",
            Self::CsrfRejected => "csrf_rejected",
            Self::LoginDenied => "login_denied",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::PayloadTooLarge => "payload_too_large",
            Self::UriTooLong => "uri_too_long",
            Self::RateLimited => "rate_limited",
            Self::HeadersTooLarge => "headers_too_large",
            Self::ConfigInvalid => "config_invalid",
            Self::IdpMisconfigured => "idp_misconfigured",
            Self::Internal => "internal",
            Self::IdpInvalidResponse => "idp_invalid_response",
            Self::TokenRejected => "token_rejected",
            Self::OriginUnavailable => "origin_unavailable",
            Self::IdpUnavailable => "idp_unavailable",
            Self::IdpThrottled => "idp_throttled",
            Self::StoreUnavailable => "store_unavailable",
            Self::IdpTimeout => "idp_timeout",
            Self::OriginTimeout => "origin_timeout",
        }
    }

    /// How loudly it is logged. Error: no user and no retry can mend it, so an operator must act.
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

    /// Whether it is a failure of Cognito that passes by itself, and says nothing about the user.
    #[must_use]
    pub fn is_outage(self) -> bool {
        matches!(self, Self::IdpUnavailable | Self::IdpThrottled | Self::IdpTimeout | Self::IdpInvalidResponse)
    }

    /// Whether it means that nobody is signed in.
    #[must_use]
    pub fn is_signed_out(self) -> bool {
        matches!(self, Self::SessionRequired | Self::SessionExpired | Self::RefreshRejected)
    }

    /// `Retry-After` where waiting helps.
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

/// An error of `auth/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// What went wrong.
    pub code: ErrorCode,
    /// Finer than the code, for the log alone: a static word, never a value.
    pub reason: &'static str,
    /// When trying again may help, in seconds from now.
    pub retry_after_secs: Option<u32>,
}

impl Error {
    /// An error with a reason for the log.
    #[must_use]
    pub fn new(code: ErrorCode, reason: &'static str) -> Self {
        Self { code, reason, retry_after_secs: code.retry_after_secs() }
    }

    /// The same, where it is known when the next attempt is made: an earlier one would get the same answer.
    #[must_use]
    pub fn retry_in(self, secs: u64) -> Self {
        let waiting_helps = self.retry_after_secs.is_some() || self.code.is_outage();
        Self { retry_after_secs: u32::try_from(secs.max(1)).ok().filter(|_| waiting_helps), ..self }
    }

    /// Trouble at the token endpoint (RFC 6749 §5.2). `refused` is what a refusal means here.
    #[must_use]
    pub fn of_token_endpoint(error: TokenError, refused: ErrorCode) -> Self {
        match error {
            TokenError::Refused => Self::new(refused, "invalid_grant"),
            TokenError::Misconfigured => Self::new(ErrorCode::IdpMisconfigured, "client_refused"),
            TokenError::Throttled { retry_after_secs } => {
                let error = Self::new(ErrorCode::IdpThrottled, "token_endpoint_429");
                Self { retry_after_secs: retry_after_secs.or(error.retry_after_secs), ..error }
            }
            TokenError::Unavailable => Self::new(ErrorCode::IdpUnavailable, "token_endpoint_unavailable"),
            TokenError::TimedOut => Self::new(ErrorCode::IdpTimeout, "token_endpoint_timeout"),
            TokenError::InvalidResponse => Self::new(ErrorCode::IdpInvalidResponse, "token_endpoint_answer"),
        }
    }
}

impl From<ErrorCode> for Error {
    fn from(code: ErrorCode) -> Self {
        Self::new(code, "")
    }
}

impl From<KvError> for Error {
    fn from(error: KvError) -> Self {
        let reason = match error {
            KvError::Timeout => "kv_timeout",
            KvError::TooManyWrites => "kv_too_many_writes",
            KvError::Unavailable => "kv_unavailable",
        };
        Self::new(ErrorCode::StoreUnavailable, reason)
    }
}
