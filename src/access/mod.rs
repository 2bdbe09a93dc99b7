//! Access to paths: the rules, and the decision about a request.

pub mod decision;
pub mod rules;
