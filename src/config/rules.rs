//! Who may read which path (`RULES`): an ordered list, first match wins, no match means signed-in.

use serde::Deserialize;

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

impl Rules {
    /// Parses the JSON list: `[{"path","allow"}]`, `allow` being `"public"`, `"signed-in"` or `{"groups":[…]}`.
    #[must_use]
    pub fn parse(json: &str) -> Option<Self> {
        let written: Vec<Written> = serde_json::from_str(json).ok()?;
        written.into_iter().map(Rule::read).collect::<Option<_>>().map(Self)
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

/// A rule as it is written. All its members are known, so that none is there that nobody understands, and none twice.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRule {
    path: String,
    allow: WrittenAccess,
}

/// One in a list.
#[derive(Deserialize)]
struct Written(#[serde(deserialize_with = "unique_json::object")] WrittenRule);

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

impl Rule {
    fn read(Written(WrittenRule { path, allow }): Written) -> Option<Self> {
        Some(Self { pattern: Pattern::parse(&path)?, access: Access::read(allow)? })
    }
}

impl Access {
    fn read(allow: WrittenAccess) -> Option<Self> {
        match allow {
            WrittenAccess::Word(word) if word == "public" => Some(Self::Public),
            WrittenAccess::Word(word) if word == "signed-in" => Some(Self::SignedIn),
            WrittenAccess::Word(_) => None,
            WrittenAccess::Groups(WrittenGroups { groups }) => {
                (!groups.is_empty() && !groups.iter().any(String::is_empty)).then_some(Self::Groups(groups))
            }
        }
    }
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
