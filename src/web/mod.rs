//! HTTP as browsers speak it: cookies, queries, paths, fetch metadata, headers. No I/O, no Cognito.

pub mod cookie;
pub mod fetch_metadata;
pub mod headers;
pub mod language;
pub(crate) mod origin_refusals;
pub mod path;
pub mod query;
pub mod return_path;
pub mod same_origin;
