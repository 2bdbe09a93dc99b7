//! The texts of the gateway's pages, in English and Korean.

use crate::web::language::Language;

use crate::auth::error::ErrorCode;

/// The texts of the pages, beside an error's own sentence.
pub(super) struct Words {
    pub(super) title: &'static str,
    pub(super) not_signed_in: &'static str,
    pub(super) sign_in: &'static str,
    pub(super) try_again: &'static str,
    pub(super) change_account: &'static str,
    pub(super) sign_out: &'static str,
    pub(super) what_sign_out_does: &'static str,
    pub(super) nothing_to_sign_out: &'static str,
    pub(super) finish_sign_out: &'static str,
    pub(super) home: &'static str,
    pub(super) code: &'static str,
    pub(super) request: &'static str,
}

const ENGLISH: Words = Words {
    title: "This did not work",
    not_signed_in: "You are not signed in",
    sign_in: "Sign in",
    try_again: "Try again",
    change_account: "Sign out and use another account",
    sign_out: "Sign out",
    what_sign_out_does: "You are signed in. Signing out ends your session here and at the sign-in service.",
    nothing_to_sign_out: "There is no session to end in this browser.",
    finish_sign_out: "Finish signing out",
    home: "To the start page",
    code: "Code",
    request: "Request",
};

const KOREAN: Words = Words {
    title: "문제가 발생했습니다",
    not_signed_in: "로그인되어 있지 않습니다",
    sign_in: "로그인",
    try_again: "다시 시도",
    change_account: "로그아웃하고 다른 계정 사용",
    sign_out: "로그아웃",
    what_sign_out_does: "로그인되어 있습니다. 로그아웃하면 이 사이트와 로그인 서비스의 세션이 종료됩니다.",
    nothing_to_sign_out: "이 브라우저에는 종료할 세션이 없습니다.",
    finish_sign_out: "로그아웃 마치기",
    home: "시작 페이지로",
    code: "코드",
    request: "요청",
};

/// The texts in a language.
pub(super) fn words(language: Language) -> &'static Words {
    match language {
        Language::English => &ENGLISH,
        Language::Korean => &KOREAN,
    }
}

/// The likely cause when several sign-ins in a row have ended in this error, in place of its own sentence.
pub(super) fn login_loop(error: ErrorCode, language: Language) -> &'static str {
    match (error, language) {
        (ErrorCode::SessionRequired, Language::English) => {
            "You have signed in several times in a row, but your browser does not send the session back. Something seems to block \
             or remove the cookies of this site."
        }
        (ErrorCode::SessionRequired, Language::Korean) => {
            "여러 번 연속으로 로그인했지만 브라우저가 세션을 보내지 않습니다. 이 사이트의 쿠키가 차단되거나 삭제되는 것 같습니다."
        }
        (ErrorCode::RefreshRejected, Language::English) => {
            "You have signed in several times in a row, but the sign-in service refuses to renew your sign-in each time. Your account \
             may have been disabled or signed out elsewhere."
        }
        (ErrorCode::RefreshRejected, Language::Korean) => {
            "여러 번 연속으로 로그인했지만 로그인 서비스가 매번 갱신을 거부합니다. 계정이 비활성화되었거나 다른 곳에서 로그아웃되었을 수 있습니다."
        }
        (ErrorCode::RateLimited, Language::English) => {
            "You are signed in, but a page of this site keeps asking for another sign-in. It was stopped for a minute; please tell the \
             site's operator."
        }
        (ErrorCode::RateLimited, Language::Korean) => {
            "로그인되어 있지만 이 사이트의 페이지가 계속 다시 로그인을 요청합니다. 1분 동안 중지했습니다. 사이트 운영자에게 알려 주세요."
        }
        (_, Language::English) => {
            "You have signed in several times in a row, but your session cannot be found afterwards. The site's session store may need a \
             minute to catch up; if it goes on, please tell the site's operator."
        }
        (_, Language::Korean) => {
            "여러 번 연속으로 로그인했지만 그 후에 세션을 찾을 수 없습니다. 세션 저장소가 따라잡는 데 1분 정도 걸릴 수 있습니다. 계속되면 사이트 운영자에게 알려 주세요."
        }
    }
}

/// A cause of a failed sign-in that is finer than the error's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// Cognito's answer has no code, no state, or one of them twice.
    AnswerIncomplete,
    /// The browser was sent to the login a moment ago and brings none of its cookies.
    CookiesMissing,
    /// Cognito reported an error that is no refusal.
    LoginFailed,
    /// The code of this login was sent before.
    LoginSpent,
    /// The login's hour is over.
    LoginTooOld,
}

impl Detail {
    /// The sentence in a language.
    pub(super) fn message(self, language: Language) -> &'static str {
        match (self, language) {
            (Self::AnswerIncomplete, Language::English) => "The sign-in service's answer was incomplete. Please sign in again.",
            (Self::AnswerIncomplete, Language::Korean) => "로그인 서비스의 응답이 완전하지 않습니다. 다시 로그인해 주세요.",
            (Self::CookiesMissing, Language::English) => {
                "Your browser does not send back the cookies of this sign-in. Something seems to block or remove the cookies of this site."
            }
            (Self::CookiesMissing, Language::Korean) => {
                "브라우저가 이 로그인의 쿠키를 보내지 않습니다. 이 사이트의 쿠키가 차단되거나 삭제되는 것 같습니다."
            }
            (Self::LoginFailed, Language::English) => "Sign-in did not work. Please try again.",
            (Self::LoginFailed, Language::Korean) => "로그인하지 못했습니다. 다시 시도해 주세요.",
            (Self::LoginSpent, Language::English) => "This sign-in has been used already. Please sign in again.",
            (Self::LoginSpent, Language::Korean) => "이미 사용된 로그인입니다. 다시 로그인해 주세요.",
            (Self::LoginTooOld, Language::English) => "This sign-in took more than an hour. Please sign in again.",
            (Self::LoginTooOld, Language::Korean) => "로그인에 한 시간 이상 걸렸습니다. 다시 로그인해 주세요.",
        }
    }
}

/// The error's own sentence.
pub(super) fn sentence(code: ErrorCode, language: Language) -> &'static str {
    match language {
        Language::English => english(code),
        Language::Korean => korean(code),
    }
}

fn english(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::InvalidRequest => "The request could not be understood.",
        ErrorCode::LoginExpired => {
            "This browser knows nothing of this sign-in any more: it took too long, was begun elsewhere, or its cookies are blocked. \
                 Please sign in again."
        }
        ErrorCode::StateMismatch => "This sign-in is not one of the last that this browser has begun. Please sign in again.",
        ErrorCode::CodeRejected => "The sign-in code was not accepted. Please sign in again.",
        ErrorCode::SessionRequired => "Please sign in.",
        ErrorCode::SessionExpired => "Your session has ended. Please sign in again.",
        ErrorCode::TokenInvalid => "The token is not valid.",
        ErrorCode::RefreshRejected => "Your sign-in could not be renewed. Please sign in again.",
        ErrorCode::Forbidden => "You are signed in, but this page is not open to you.",
        ErrorCode::CsrfRejected => "The request did not come from a page of this site.",
        ErrorCode::LoginDenied => "Sign-in was refused or cancelled.",
        ErrorCode::NotFound => "There is nothing at this address.",
        ErrorCode::MethodNotAllowed => "This address does not take such requests.",
        ErrorCode::PayloadTooLarge => "The request body is too large.",
        ErrorCode::UriTooLong => "The address is too long.",
        ErrorCode::RateLimited => "Too many requests. Please wait a moment.",
        ErrorCode::HeadersTooLarge => "The request headers are too large. Clearing this site's cookies may help.",
        ErrorCode::ConfigInvalid => "This site's sign-in is not set up correctly.",
        ErrorCode::IdpMisconfigured => "This site's sign-in service refused its settings. Please tell the site's operator.",
        ErrorCode::Internal => "Something went wrong here. Please try again.",
        ErrorCode::IdpInvalidResponse => "The sign-in service gave an answer that makes no sense. Please try again.",
        ErrorCode::TokenRejected => "The sign-in service's tokens could not be verified.",
        ErrorCode::OriginUnavailable => "The site cannot be reached right now. Please try again.",
        ErrorCode::IdpUnavailable => "The sign-in service cannot be reached right now. Please try again in a moment.",
        ErrorCode::IdpThrottled => "The sign-in service is busy. Please try again in a moment.",
        ErrorCode::StoreUnavailable => "Sessions cannot be read right now. Please try again in a moment.",
        ErrorCode::IdpTimeout => "The sign-in service did not answer in time. Please try again.",
        ErrorCode::OriginTimeout => "The site did not answer in time. Please try again.",
    }
}

fn korean(error: ErrorCode) -> &'static str {
    match error {
        ErrorCode::InvalidRequest => "요청을 이해할 수 없습니다.",
        ErrorCode::LoginExpired => {
            "이 브라우저에는 이 로그인에 대한 정보가 없습니다. 시간이 너무 오래 걸렸거나, 다른 곳에서 시작되었거나, 쿠키가 차단되었습니다. 다시 로그인해 주세요."
        }
        ErrorCode::StateMismatch => "이 브라우저에서 최근에 시작된 로그인이 아닙니다. 다시 로그인해 주세요.",
        ErrorCode::CodeRejected => "로그인 코드가 승인되지 않았습니다. 다시 로그인해 주세요.",
        ErrorCode::SessionRequired => "로그인이 필요합니다.",
        ErrorCode::SessionExpired => "세션이 종료되었습니다. 다시 로그인해 주세요.",
        ErrorCode::TokenInvalid => "토큰이 유효하지 않습니다.",
        ErrorCode::RefreshRejected => "로그인을 갱신할 수 없습니다. 다시 로그인해 주세요.",
        ErrorCode::Forbidden => "로그인되어 있지만 이 페이지에 접근할 권한이 없습니다.",
        ErrorCode::CsrfRejected => "이 사이트의 페이지에서 보낸 요청이 아닙니다.",
        ErrorCode::LoginDenied => "로그인이 거부되었거나 취소되었습니다.",
        ErrorCode::NotFound => "이 주소에는 아무것도 없습니다.",
        ErrorCode::MethodNotAllowed => "이 주소에서는 해당 요청을 처리하지 않습니다.",
        ErrorCode::PayloadTooLarge => "요청 본문이 너무 큽니다.",
        ErrorCode::UriTooLong => "주소가 너무 깁니다.",
        ErrorCode::RateLimited => "요청이 너무 많습니다. 잠시 기다려 주세요.",
        ErrorCode::HeadersTooLarge => "요청 헤더가 너무 큽니다. 이 사이트의 쿠키를 지우면 해결될 수 있습니다.",
        ErrorCode::ConfigInvalid => "이 사이트의 로그인 설정이 올바르지 않습니다.",
        ErrorCode::IdpMisconfigured => "로그인 서비스가 이 사이트의 설정을 거부했습니다. 사이트 운영자에게 알려 주세요.",
        ErrorCode::Internal => "문제가 발생했습니다. 다시 시도해 주세요.",
        ErrorCode::IdpInvalidResponse => "로그인 서비스의 응답이 올바르지 않습니다. 다시 시도해 주세요.",
        ErrorCode::TokenRejected => "로그인 서비스의 토큰을 확인할 수 없습니다.",
        ErrorCode::OriginUnavailable => "지금은 사이트에 연결할 수 없습니다. 다시 시도해 주세요.",
        ErrorCode::IdpUnavailable => "지금은 로그인 서비스에 연결할 수 없습니다. 잠시 후 다시 시도해 주세요.",
        ErrorCode::IdpThrottled => "로그인 서비스가 혼잡합니다. 잠시 후 다시 시도해 주세요.",
        ErrorCode::StoreUnavailable => "지금은 세션을 확인할 수 없습니다. 잠시 후 다시 시도해 주세요.",
        ErrorCode::IdpTimeout => "로그인 서비스가 제때 응답하지 않았습니다. 다시 시도해 주세요.",
        ErrorCode::OriginTimeout => "사이트가 제때 응답하지 않았습니다. 다시 시도해 주세요.",
    }
}
