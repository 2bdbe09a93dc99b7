//! Who may read which path (`RULES`): an ordered list, first match wins, no match means signed-in.

use std::fmt;

use serde_json::Value;

use crate::json::{self, Members};

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
        let Some(Value::Array(rules)) = json::parse(json.as_bytes(), u8::MAX) else {
            return Err(RulesProblem { rule: 0, member: "", wanted: WANTED_LIST });
        };
        let numbered = rules.into_iter().zip(1..);
        let rules = numbered
            .map(|(rule, number)| Rule::parse(rule).map_err(|(member, wanted)| RulesProblem { rule: number, member, wanted }));
        rules.collect::<Result<_, _>>().map(Self)
    }

    /// Who may read `path`: decoded once, normal (see `web::path`), compared case-sensitively.
    #[must_use]
    pub fn access(&self, path: &str) -> &Access {
        self.0.iter().find(|rule| rule.pattern.matches(path)).map_or(&Access::SignedIn, |rule| &rule.access)
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

/// A member of a rule, empty for the rule itself, and what it should have been.
type Wrong = (&'static str, &'static str);

impl Rule {
    fn parse(rule: Value) -> Result<Self, Wrong> {
        let mut members = Members::of(rule).ok_or(("", WANTED_RULE))?;
        let (path, allow) = (members.take("path"), members.take("allow"));
        if members.0.keys().any(|name| name != "path" && name != "allow") {
            return Err(("", WANTED_MEMBERS));
        }
        let pattern = path.as_str().and_then(Pattern::parse).ok_or(("path", WANTED_PATH))?;
        Ok(Self { pattern, access: Access::parse(allow).map_err(|wanted| ("allow", wanted))? })
    }
}

impl Access {
    fn parse(allow: Value) -> Result<Self, &'static str> {
        match allow.as_str() {
            Some("public") => return Ok(Self::Public),
            Some("signed-in") => return Ok(Self::SignedIn),
            _ => {}
        }
        // One member, so that there is none that nobody understands.
        let members = Members::of(allow).filter(|members| members.0.len() == 1);
        let groups = members.and_then(|mut members| members.texts("groups")).ok_or(WANTED_ACCESS)?;
        let named = !groups.is_empty() && !groups.iter().any(String::is_empty);
        named.then_some(Self::Groups(groups)).ok_or(WANTED_GROUPS)
    }
}

const WANTED_LIST: &str = r#"a JSON list of rules, each {"path","allow"}"#;
const WANTED_RULE: &str = r#"an object {"path","allow"}"#;
const WANTED_MEMBERS: &str = "no members but `path` and `allow`";
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
