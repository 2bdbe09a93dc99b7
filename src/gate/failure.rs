//! A failed request: its error, and the parts of its response.

use crate::auth::error::{Error, ErrorCode};
use crate::ports::{KvError, Level};
use crate::web::return_path::ReturnPath;

use super::messages::Detail;

/// An error with the parts of its response.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What went wrong.
    pub error: Error,
    /// How loudly it is logged.
    pub level: Level,
    /// `Set-Cookie` lines of the response.
    pub set_cookies: Vec<String>,
    /// The return path of a new login.
    pub return_path: Option<ReturnPath>,
    /// Cognito's sign-out page, when signing out was not complete.
    pub logout_url: Option<Box<str>>,
    /// `Allow` of a 405.
    pub allow: Option<Box<str>>,
    /// A sentence that says more than the code's own.
    pub(super) detail: Option<Detail>,
    /// Several sign-ins in a row have not mended it: the page names the likely cause, and no other login is begun.
    pub login_loop: bool,
}

impl Failure {
    /// A failure with a reason for the log.
    #[must_use]
    pub fn new(code: ErrorCode, reason: &'static str) -> Self {
        Error::new(code, reason).into()
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.error.code
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            error,
            level: error.code.level(),
            set_cookies: Vec::new(),
            return_path: None,
            logout_url: None,
            allow: None,
            detail: None,
            login_loop: false,
        }
    }
}

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Self {
        Error::from(code).into()
    }
}

impl From<KvError> for Failure {
    fn from(error: KvError) -> Self {
        Error::from(error).into()
    }
}
