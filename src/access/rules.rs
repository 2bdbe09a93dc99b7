//! The access rules (`RULES`): an ordered list, first match wins, no match means signed-in.

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::jose::unique_json;

/// The readers of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// All callers.
    Public,
    /// All users with a session.
    SignedIn,
    /// Members of at least one of these Cognito groups.
    Groups(Vec<String>),
}

/// The ordered rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    pattern: Pattern,
    access: Access,
}

/// The paths of a rule or of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// This path alone. For the page of a folder, both `/docs/` and `/docs/index.html`.
    Exact(String),
    /// `/admin/*`: `/admin` and everything below; stored as `/admin`. `/*` is stored as the empty string.
    Below(String),
}

/// The first wrong rule and its fault. The rule's text is not repeated, so that a value put there by mistake stays out of the
/// log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RulesProblem {
    /// The number of the rule, counted from 1; 0: the list itself.
    pub rule: usize,
    /// The wrong member; empty: the rule itself.
    pub member: &'static str,
    /// The expected value.
    pub wanted: &'static str,
}

impl fmt::Display for RulesProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.rule, self.member) {
            (0, _) => formatter.write_str(self.wanted),
            (rule, "") => write!(formatter, "rule {rule}: {}", self.wanted),
            (rule, member) => write!(formatter, "rule {rule}, `{member}`: {}", self.wanted),
        }
    }
}

impl Rules {
    /// Parses the JSON list: `[{"path","allow"}]`, `allow` being `"public"`, `"signed-in"` or `{"groups":[…]}`.
    ///
    /// # Errors
    /// The text is not such a list: the first wrong rule, and its fault.
    pub fn parse(json: &str) -> Result<Self, RulesProblem> {
        let written: Vec<&RawValue> =
            serde_json::from_str(json).map_err(|_| RulesProblem { rule: 0, member: "", wanted: WANTED_LIST })?;
        let rules = written.into_iter().zip(1..).map(|(rule, number)| {
            Rule::parse(rule.get()).map_err(|(member, wanted)| RulesProblem { rule: number, member, wanted })
        });
        rules.collect::<Result<_, _>>().map(Self)
    }

    /// The first rule that matches `path`, counted from 1, and its access; 0 if no rule matches. The path is a normal path,
    /// decoded once (see `web::path`), and compared case-sensitively.
    #[must_use]
    pub fn find(&self, path: &str) -> (usize, &Access) {
        let found = self.0.iter().zip(1..).find(|(rule, _)| rule.pattern.matches(path));
        found.map_or((0, &Access::SignedIn), |(rule, number)| (number, &rule.access))
    }

    /// The first public rule that decides about one of these paths, counted from 1.
    #[must_use]
    pub fn first_public(&self, paths: &Pattern) -> Option<usize> {
        for (rule, number) in self.0.iter().zip(1..) {
            if rule.pattern.overlaps(paths) && rule.access == Access::Public {
                return Some(number);
            }
            if rule.pattern.covers(paths) {
                return None;
            }
        }
        None
    }

    /// The access to `path`.
    #[must_use]
    pub fn access(&self, path: &str) -> &Access {
        self.find(path).1
    }
}

impl Default for Rules {
    /// Public: the files that browsers, robots and certificate issuers request without a session. The rest is signed-in.
    fn default() -> Self {
        let public = |pattern| Rule { pattern, access: Access::Public };
        Self(vec![
            public(Pattern::Below("/.well-known".to_owned())),
            public(Pattern::Exact("/robots.txt".to_owned())),
            public(Pattern::Exact("/favicon.ico".to_owned())),
            Rule { pattern: Pattern::Below(String::new()), access: Access::SignedIn },
        ])
    }
}

/// A rule as written. Unknown members and repeated members are refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRule<'a> {
    #[serde(borrow)]
    path: Option<&'a RawValue>,
    #[serde(borrow)]
    allow: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenAccess {
    Word(String),
    #[serde(deserialize_with = "unique_json::object")]
    Groups(WrittenGroups),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenGroups {
    groups: Vec<String>,
}

/// The wrong member of a rule (empty: the rule itself) and the expected value.
type Wrong = (&'static str, &'static str);

impl Rule {
    fn parse(json: &str) -> Result<Self, Wrong> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let written: WrittenRule<'_> = unique_json::object(&mut deserializer).map_err(|_| ("", WANTED_RULE))?;
        let path: Option<String> = written.path.and_then(|path| serde_json::from_str(path.get()).ok());
        let pattern = path.as_deref().and_then(Pattern::parse).ok_or(("path", WANTED_PATH))?;
        let access = Access::parse(written.allow).map_err(|wanted| ("allow", wanted))?;
        Ok(Self { pattern, access })
    }
}

impl Access {
    fn parse(allow: Option<&RawValue>) -> Result<Self, &'static str> {
        match allow.and_then(|allow| serde_json::from_str(allow.get()).ok()) {
            Some(WrittenAccess::Word(word)) if word == "public" => Ok(Self::Public),
            Some(WrittenAccess::Word(word)) if word == "signed-in" => Ok(Self::SignedIn),
            Some(WrittenAccess::Groups(WrittenGroups { groups })) => {
                let named = !groups.is_empty() && !groups.iter().any(String::is_empty);
                named.then_some(Self::Groups(groups)).ok_or(WANTED_GROUPS)
            }
            Some(WrittenAccess::Word(_)) | None => Err(WANTED_ACCESS),
        }
    }
}

const WANTED_LIST: &str = r#"a JSON list of rules, each {"path","allow"}"#;
const WANTED_RULE: &str = "an object with the members `path` and `allow`, each once, and no other";
const WANTED_PATH: &str = "an exact path such as /about or a folder such as /admin/*, decoded, beginning with / and without //, dot \
                           segments, spaces, control characters and any of * % \\ ; ? # +";
const WANTED_ACCESS: &str = r#""public", "signed-in" or {"groups":["name"]}"#;
const WANTED_GROUPS: &str = "the name of at least one group, and no empty one";

impl Pattern {
    /// Parses `/about` or `/admin/*`; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (path, below) = text.strip_suffix("/*").map_or((text, false), |path| (path, true));
        let rooted = path.starts_with('/') || (below && path.is_empty());
        // A pattern with characters that no normal path has would never match. `*` and `%` look like something they are not. S3
        // reads `+` in a path as a space, and a rule must not depend on which of the two it is.
        let odd = |c: char| c.is_control() || matches!(c, '*' | '%' | '\\' | ';' | '?' | '#' | '+' | ' ');
        let dots = path.split('/').any(|segment| segment == "." || segment == "..");
        if !rooted || dots || path.contains(odd) || text.contains("//") {
            return None;
        }
        Some(if below { Self::Below(path.to_owned()) } else { Self::Exact(path.to_owned()) })
    }

    /// Whether a normal path is one of these.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => page(path) == page(exact),
            Self::Below(folder) => {
                path.strip_prefix(folder.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
        }
    }
}

impl Pattern {
    /// Whether all of `others` are among these paths.
    fn covers(&self, others: &Self) -> bool {
        match (self, others) {
            (Self::Exact(_), Self::Below(_)) => false,
            (_, Self::Exact(other) | Self::Below(other)) => self.matches(other),
        }
    }

    /// Whether some of `others` are among these paths.
    fn overlaps(&self, others: &Self) -> bool {
        match self {
            Self::Exact(path) => others.matches(path),
            Self::Below(folder) => self.covers(others) || others.matches(folder),
        }
    }
}

/// Whether a text is an exact path, in the one spelling that rules, site and origin share.
#[must_use]
pub fn is_exact_path(text: &str) -> bool {
    matches!(Pattern::parse(text), Some(Pattern::Exact(_)))
}

/// One name for the page of a folder, which the site serves under two: a rule for one of them must not leave the other open. The
/// start page is an exception: `/` and `/index.html` have a rule each.
fn page(path: &str) -> &str {
    path.strip_suffix("index.html").filter(|folder| folder.len() > 1 && folder.ends_with('/')).unwrap_or(path)
}
