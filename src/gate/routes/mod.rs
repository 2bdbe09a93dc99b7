//! One file for each endpoint.

pub(super) mod callback;
pub(super) mod config;
pub(super) mod health;
pub(super) mod login;
pub(super) mod logout;
pub(super) mod refresh;
pub(super) mod status;
pub(super) mod token;
pub(super) mod user_info;
