//! Access to paths: the rules, and the decision about a request.

use std::collections::BTreeMap;

pub mod decision;
mod parse;
pub mod pattern;
pub mod rules;

/// Claims of a user, each with its values as texts. Without a value, the token did not have the claim.
pub type Claims = BTreeMap<String, Vec<String>>;
