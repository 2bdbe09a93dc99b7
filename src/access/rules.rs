//! The access rules (`RULES`): an ordered list. The first rule that matches path and method decides; no match means signed-in.

use std::fmt;

use super::Claims;
use super::decision::Decision;
use super::pattern::Pattern;

/// The readers of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// All callers.
    Public,
    /// All users with a session.
    SignedIn,
    /// Users who meet all of these conditions.
    Only(Conditions),
}

/// Conditions on a user; at least one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// A member of at least one of these Cognito groups. `None`: groups do not matter.
    pub groups: Option<Vec<String>>,
    /// For each claim here, the user's has one of these values.
    pub claims: Claims,
}

/// What becomes of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The request is refused.
    Enforce,
    /// The refusal is logged, and the request passes.
    Report,
}

/// The ordered rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules(pub(super) Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// The rule is for a path of any of these.
    pub(super) paths: Vec<Pattern>,
    /// The methods that it is for, and that it opens. `None`: for every method, and it opens the safe ones of a site.
    pub(super) methods: Option<Vec<&'static str>>,
    pub(super) access: Access,
    pub(super) mode: Mode,
    /// Whether the origin is told who the user is.
    pub(super) identity: bool,
}

/// The methods that a rule may name, and that an API route has. `TRACE` and `CONNECT` cannot be sent on.
pub const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// The first wrong rule and its fault. What was written is repeated only where it is a short word, so that a secret put there by
/// mistake mostly stays out of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesProblem {
    /// The number of the rule, counted from 1; 0: the list itself.
    pub rule: usize,
    /// What is wrong, and what was expected.
    pub fault: String,
}

impl fmt::Display for RulesProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rule {
            0 => formatter.write_str(&self.fault),
            rule => write!(formatter, "rule {rule}: {}", self.fault),
        }
    }
}

impl Access {
    fn claims(&self) -> Option<&Claims> {
        match self {
            Self::Only(conditions) => Some(&conditions.claims),
            Self::Public | Self::SignedIn => None,
        }
    }
}

impl Rule {
    /// A rule with a path and an access alone.
    fn plain(path: Pattern, access: Access) -> Self {
        Self { paths: vec![path], methods: None, access, mode: Mode::Enforce, identity: false }
    }

    pub(super) fn matches(&self, path: &str, method: &str) -> bool {
        self.methods.as_ref().is_none_or(|methods| methods.contains(&method)) && self.paths.iter().any(|it| it.matches(path))
    }
}

/// No rule has matched.
pub(super) static UNMATCHED: Rule =
    Rule { paths: Vec::new(), methods: None, access: Access::SignedIn, mode: Mode::Enforce, identity: false };

impl Rules {
    /// The first public rule that decides about one of these paths, by some method, counted from 1.
    #[must_use]
    pub fn first_public(&self, paths: &Pattern) -> Option<usize> {
        for (rule, number) in self.0.iter().zip(1..) {
            if rule.access == Access::Public && rule.paths.iter().any(|it| it.overlaps(paths)) {
                return Some(number);
            }
            if rule.methods.is_none() && rule.paths.iter().any(|it| it.covers(paths)) {
                return None;
            }
        }
        None
    }

    /// The access to `path` by GET.
    #[must_use]
    pub fn access(&self, path: &str) -> &Access {
        Decision::about(self, path, "GET").access()
    }

    /// The methods that the rules open for `path`.
    pub fn opened(&self, path: &str) -> impl Iterator<Item = &'static str> {
        METHODS.into_iter().filter(move |method| Decision::about(self, path, method).opens(method))
    }

    /// The names of the claims that conditions are about: these are kept in a session's record.
    pub fn claim_names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|rule| rule.access.claims()).flat_map(|claims| claims.keys().map(String::as_str))
    }
}

impl Default for Rules {
    /// Public: the files that browsers, robots and certificate issuers request without a session. The rest is signed-in.
    fn default() -> Self {
        let public = |path| Rule::plain(path, Access::Public);
        Self(vec![
            public(Pattern::Below("/.well-known".to_owned())),
            public(Pattern::Exact("/robots.txt".to_owned())),
            public(Pattern::Exact("/favicon.ico".to_owned())),
            Rule::plain(Pattern::Below(String::new()), Access::SignedIn),
        ])
    }
}
