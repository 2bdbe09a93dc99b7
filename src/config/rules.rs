//! Who may read which path (`RULES`): an ordered list, first match wins, no match means signed-in.

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

impl Rules {
    /// Parses the JSON list: `[{"path","allow"}]`, `allow` being `"public"`, `"signed-in"` or `{"groups":[…]}`.
    #[must_use]
    pub fn parse(json: &str) -> Option<Self> {
        let Value::Array(rules) = json::parse(json.as_bytes(), u8::MAX)? else { return None };
        rules.into_iter().map(Rule::parse).collect::<Option<_>>().map(Self)
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

impl Rule {
    fn parse(rule: Value) -> Option<Self> {
        let mut members = members(rule, 2)?;
        Some(Self { pattern: Pattern::parse(&members.text("path")?)?, access: Access::parse(members.take("allow"))? })
    }
}

impl Access {
    fn parse(allow: Value) -> Option<Self> {
        match allow.as_str() {
            Some("public") => Some(Self::Public),
            Some("signed-in") => Some(Self::SignedIn),
            _ => {
                let groups = members(allow, 1)?.texts("groups")?;
                (!groups.is_empty() && !groups.iter().any(String::is_empty)).then_some(Self::Groups(groups))
            }
        }
    }
}

/// An object of so many members: each is asked for, so that there is none that nobody understands.
fn members(value: Value, count: usize) -> Option<Members> {
    Members::of(value).filter(|members| members.0.len() == count)
}

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
