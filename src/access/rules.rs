//! Who may read which path (`RULES`): an ordered list, first match wins, no match means signed-in.

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::jose::unique_json;

/// Who may read a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Public,
    /// Everybody with a session.
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

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    /// This path alone; of a folder's page, `/docs/` and `/docs/index.html`, both.
    Exact(String),
    /// `/admin/*`: `/admin` and everything below; stored as `/admin`. `/*` is stored as the empty string.
    Below(String),
}

/// What is wrong with the first wrong rule. Repeats nothing of it: whatever was put there by mistake stays out of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RulesProblem {
    /// Which rule, counted from 1; 0: the list itself.
    pub rule: usize,
    /// Which member of it; empty: the rule itself.
    pub member: &'static str,
    /// What it should have been.
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
    /// It is no such list: which rule is the first wrong one, and what is wrong with it.
    pub fn parse(json: &str) -> Result<Self, RulesProblem> {
        let written: Vec<&RawValue> =
            serde_json::from_str(json).map_err(|_| RulesProblem { rule: 0, member: "", wanted: WANTED_LIST })?;
        let rules = written.into_iter().zip(1..).map(|(rule, number)| {
            Rule::parse(rule.get()).map_err(|(member, wanted)| RulesProblem { rule: number, member, wanted })
        });
        rules.collect::<Result<_, _>>().map(Self)
    }

    /// The first rule that matches `path`, counted from 1, and what it allows; 0 where none does. The path is decoded once, normal (see
    /// `web::path`), and compared case-sensitively.
    #[must_use]
    pub fn find(&self, path: &str) -> (usize, &Access) {
        let found = self.0.iter().zip(1..).find(|(rule, _)| rule.pattern.matches(path));
        found.map_or((0, &Access::SignedIn), |(rule, number)| (number, &rule.access))
    }

    /// Who may read `path`.
    #[must_use]
    pub fn access(&self, path: &str) -> &Access {
        self.find(path).1
    }
}

impl Default for Rules {
    /// What browsers, robots and certificate issuers ask for without a session; the rest is signed-in.
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

/// A rule as it is written. All its members are known, so that none is there that nobody understands, and none twice.
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

/// A member of a rule, empty for the rule itself, and what it should have been.
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
    fn parse(text: &str) -> Option<Self> {
        let (path, below) = text.strip_suffix("/*").map_or((text, false), |path| (path, true));
        let rooted = path.starts_with('/') || (below && path.is_empty());
        // What a normal path never has would never match, `*` and `%` look like something they are not, and S3 takes `+` in a
        // path for a space: a rule must not depend on which of the two it is.
        let odd = |c: char| c.is_control() || matches!(c, '*' | '%' | '\\' | ';' | '?' | '#' | '+' | ' ');
        let dots = path.split('/').any(|segment| segment == "." || segment == "..");
        if !rooted || dots || path.contains(odd) || text.contains("//") {
            return None;
        }
        Some(if below { Self::Below(path.to_owned()) } else { Self::Exact(path.to_owned()) })
    }

    fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => page(path) == page(exact),
            Self::Below(folder) => {
                path.strip_prefix(folder.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
        }
    }
}

/// One name for a folder's page, which the site serves under two: a rule for one of them must not leave the other open. The
/// start page is apart: `/` and `/index.html` have a rule each.
fn page(path: &str) -> &str {
    path.strip_suffix("index.html").filter(|folder| folder.len() > 1 && folder.ends_with('/')).unwrap_or(path)
}
