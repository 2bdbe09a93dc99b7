//! Who may read which path: the rules, and the decision about a request.

pub mod decision;
pub mod rules;
