//! HTTP as browsers speak it: cookies, queries, paths, fetch metadata, headers. No I/O, no Cognito.

pub mod cookie;
pub mod fetch_metadata;
pub mod headers;
pub mod language;
pub mod origin;
pub mod path;
pub mod query;
pub mod return_path;
