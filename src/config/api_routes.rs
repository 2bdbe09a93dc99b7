//! The APIs and sockets behind the gate (`ROUTES`): which paths go to which server, and with which token.

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use crate::access::pattern::Pattern;
use crate::access::rules::Rules;
use crate::jose::unique_json;

use super::{is_own_path, urls};

/// The routes, the longest path first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiRoutes(Vec<ApiRoute>);

/// One API behind the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiRoute {
    /// Its paths at the gateway.
    pub paths: Pattern,
    /// The upstream server, and the path there that stands for the route's own.
    pub to: Url,
    /// The token that it gets.
    pub token: RouteToken,
    /// Where it gets the token.
    pub token_in: TokenPlace,
}

/// Which of the session's tokens is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteToken {
    /// The access token.
    Access,
    /// The ID token.
    Id,
    /// None.
    None,
}

/// The place of the token in a request to the upstream server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenPlace {
    /// `Authorization: Bearer` (RFC 6750 §2.1).
    Header,
    /// A query parameter of this name: sockets of API Gateway take it nowhere else.
    Query(String),
}

/// The first wrong route and its fault. Nothing of the route is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoutesProblem {
    /// The number of the route, counted from 1; 0: the list itself.
    route: usize,
    /// The wrong member; empty: the route itself.
    member: &'static str,
    wanted: &'static str,
    /// The rule that contradicts the route; 0: none does.
    rule: usize,
}

impl fmt::Display for RoutesProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { route, member, wanted, rule } = self;
        match (route, *member) {
            (0, _) => formatter.write_str(wanted),
            (_, "") => write!(formatter, "route {route}: {wanted}"),
            (_, member) if *rule > 0 => write!(formatter, "route {route}, `{member}`: {wanted} (rule {rule} is public)"),
            (_, member) => write!(formatter, "route {route}, `{member}`: {wanted}"),
        }
    }
}

impl ApiRoutes {
    /// Parses the JSON list: `[{"path","to","token","tokenIn"}]`, the last two being optional.
    ///
    /// # Errors
    /// The text is not such a list, or `rules` make a path public whose route has a token: the first wrong route, and its fault.
    pub fn parse(json: &str, rules: &Rules) -> Result<Self, RoutesProblem> {
        let problem = |route, member, wanted| RoutesProblem { route, member, wanted, rule: 0 };
        let written: Vec<&RawValue> = serde_json::from_str(json).map_err(|_| problem(0, "", WANTED_LIST))?;
        let mut routes: Vec<ApiRoute> = Vec::new();
        for (route, number) in written.into_iter().zip(1..) {
            let route = ApiRoute::parse(route.get()).map_err(|(member, wanted)| problem(number, member, wanted))?;
            if routes.iter().any(|other| other.paths == route.paths) {
                return Err(problem(number, "path", "a path that no other route has"));
            }
            if route.token != RouteToken::None
                && let Some(rule) = rules.first_public(&route.paths)
            {
                let wanted = "paths that need a session: nobody is known on a public one, so it has no token";
                return Err(RoutesProblem { rule, ..problem(number, "path", wanted) });
            }
            routes.push(route);
        }
        routes.sort_by_key(|route| std::cmp::Reverse(route.rank()));
        Ok(Self(routes))
    }

    /// The route of a normal path.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&ApiRoute> {
        self.0.iter().find(|route| route.paths.matches(path))
    }

    /// Whether a route asks for the ID token.
    #[must_use]
    pub fn need_id_token(&self) -> bool {
        self.0.iter().any(|route| route.token == RouteToken::Id)
    }
}

/// A route as written. Unknown members and repeated members are refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WrittenRoute<'a> {
    #[serde(borrow)]
    path: Option<&'a RawValue>,
    #[serde(borrow)]
    to: Option<&'a RawValue>,
    #[serde(borrow)]
    token: Option<&'a RawValue>,
    #[serde(borrow)]
    token_in: Option<&'a RawValue>,
}

impl ApiRoute {
    fn parse(json: &str) -> Result<Self, (&'static str, &'static str)> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let written: WrittenRoute<'_> = unique_json::object(&mut deserializer).map_err(|_| ("", WANTED_ROUTE))?;
        let text = |member: Option<&RawValue>| member.and_then(|member| serde_json::from_str::<String>(member.get()).ok());
        let path = text(written.path).filter(|path| !is_own_path(path.trim_end_matches("/*")));
        let is_of_a_route = |paths: &Pattern| match paths {
            Pattern::Exact(_) => true,
            Pattern::Below(folder) => !folder.is_empty(),
            Pattern::Ending(_) => false,
        };
        let paths = path.as_deref().and_then(Pattern::parse).filter(is_of_a_route);
        let to = text(written.to).as_deref().and_then(urls::upstream);
        let token = written.token.map_or(Some(RouteToken::Access), |token| serde_json::from_str(token.get()).ok());
        let token_in = match written.token_in {
            None => Some(TokenPlace::Header),
            Some(_) => text(written.token_in).as_deref().and_then(TokenPlace::parse),
        };
        Ok(Self {
            paths: paths.ok_or(("path", WANTED_PATH))?,
            to: to.ok_or(("to", WANTED_TO))?,
            token: token.ok_or(("token", r#""access", "id" or "none""#))?,
            token_in: token_in.ok_or(("tokenIn", WANTED_TOKEN_IN))?,
        })
    }

    /// The path of the route without its `/*`.
    #[must_use]
    pub fn path(&self) -> &str {
        match &self.paths {
            Pattern::Exact(path) | Pattern::Below(path) | Pattern::Ending(path) => path,
        }
    }

    /// Longer paths come first, and of two equal ones the exact one.
    fn rank(&self) -> (usize, bool) {
        (self.path().len(), matches!(self.paths, Pattern::Exact(_)))
    }
}

impl TokenPlace {
    fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None if text == "header" => Some(Self::Header),
            Some(("query", name)) => {
                let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
                (!name.is_empty() && is_plain(name)).then(|| Self::Query(name.to_owned()))
            }
            _ => None,
        }
    }
}

const WANTED_LIST: &str = r#"a JSON list of routes, each {"path","to"}"#;
const WANTED_ROUTE: &str = "an object with the members `path` and `to`, perhaps `token` and `tokenIn`, each once, and no other";
const WANTED_PATH: &str = "a folder such as /api/* or an exact path such as /graphql, written as in RULES: none of the gateway's own, \
                           and not /*, which is the site";
const WANTED_TO: &str = "an https URL without query and fragment (http for localhost only)";
const WANTED_TOKEN_IN: &str = r#""header" or "query:NAME", NAME of letters, digits, `-`, `_` and `.`"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(json: &str) -> Rules {
        Rules::parse(json).expect("rules")
    }

    fn parse(json: &str) -> Result<ApiRoutes, String> {
        ApiRoutes::parse(json, &Rules::default()).map_err(|problem| problem.to_string())
    }

    #[test]
    fn the_longest_path_decides() {
        let json = r#"[{"path":"/api/*","to":"https://a.example/prod/","token":"id"},{"path":"/api/v2/*","to":"https://b.example"},
            {"path":"/api/v2","to":"https://c.example/x","token":"none","tokenIn":"query:token"}]"#;
        let routes = parse(json).expect("routes");
        let found = |path: &str| routes.find(path).map(|route| (route.to.as_str(), route.token));
        for (path, route) in [
            ("/api", Some(("https://a.example/prod/", RouteToken::Id))),
            ("/api/v20", Some(("https://a.example/prod/", RouteToken::Id))),
            ("/api/v2/items", Some(("https://b.example/", RouteToken::Access))),
            ("/api/v2", Some(("https://c.example/x", RouteToken::None))),
            ("/apis", None),
            ("/", None),
        ] {
            assert_eq!(found(path), route, "{path}");
        }
        assert_eq!(routes.find("/api/v2").map(|route| &route.token_in), Some(&TokenPlace::Query("token".to_owned())));
        assert!(routes.need_id_token());
        assert!(!parse(r#"[{"path":"/api/*","to":"https://a.example"}]"#).expect("routes").need_id_token());
    }

    #[test]
    fn a_wrong_route_is_named_with_its_member() {
        let good = r#"{"path":"/x","to":"https://a.example"}"#;
        for (json, named) in [
            ("{}", "a JSON list of routes"),
            ("[", "a JSON list of routes"),
            (r#"["/api"]"#, "route 1: an object"),
            (r#"[{"path":"/api/*","to":"https://a.example","tokn":"id"}]"#, "route 1: an object"),
            (r#"[{"path":"/api/*","path":"/api","to":"https://a.example"}]"#, "route 1: an object"),
            (&format!(r#"[{good},{{"to":"https://a.example"}}]"#), "route 2, `path`"),
            (&format!("[{good},{good}]"), "route 2, `path`: a path that no other"),
            (r#"[{"path":"/*","to":"https://a.example"}]"#, "route 1, `path`"),
            (r#"[{"path":"/auth/*","to":"https://a.example"}]"#, "route 1, `path`"),
            (r#"[{"path":"/config","to":"https://a.example"}]"#, "route 1, `path`"),
            (r#"[{"path":"/*.json","to":"https://a.example"}]"#, "route 1, `path`"),
            (r#"[{"path":"api/*","to":"https://a.example"}]"#, "route 1, `path`"),
            (r#"[{"path":"/api","to":"http://a.example"}]"#, "route 1, `to`"),
            (r#"[{"path":"/api","to":"https://a.example/?x"}]"#, "route 1, `to`"),
            (r#"[{"path":"/api","to":"https://a.example/#x"}]"#, "route 1, `to`"),
            (r#"[{"path":"/api","to":"https://u:p@a.example/"}]"#, "route 1, `to`"),
            (r#"[{"path":"/api","to":"wss://a.example/"}]"#, "route 1, `to`"),
            (r#"[{"path":"/api","to":"https://a.example","token":"refresh"}]"#, "route 1, `token`"),
            (r#"[{"path":"/api","to":"https://a.example","tokenIn":"cookie"}]"#, "route 1, `tokenIn`"),
            (r#"[{"path":"/api","to":"https://a.example","tokenIn":"query:"}]"#, "route 1, `tokenIn`"),
            (r#"[{"path":"/api","to":"https://a.example","tokenIn":"query:a&b"}]"#, "route 1, `tokenIn`"),
        ] {
            let problem = parse(json).expect_err(json);
            assert!(problem.starts_with(named), "{json}: {problem}");
        }
    }

    #[test]
    fn a_path_with_a_token_needs_a_session() {
        let route = |path: &str, token: &str| format!(r#"[{{"path":"{path}","to":"https://a.example","token":"{token}"}}]"#);
        for (list, path, rule) in [
            (r#"[{"path":"/api/*","allow":"public"}]"#, "/api/*", Some(1)),
            (r#"[{"path":"/api/*","allow":"signed-in"},{"path":"/*","allow":"public"}]"#, "/api/*", None),
            (r#"[{"path":"/api/v1/*","allow":"signed-in"},{"path":"/*","allow":"public"}]"#, "/api/*", Some(2)),
            (r#"[{"path":"/api/open","allow":"public"},{"path":"/*","allow":"signed-in"}]"#, "/api/*", Some(1)),
            (r#"[{"path":"/apis/*","allow":"public"}]"#, "/api/*", None),
            (r#"[{"path":"/graphql","allow":"public"}]"#, "/graphql", Some(1)),
            (r#"[{"path":"/graphql/*","allow":"public"}]"#, "/graphql", Some(1)),
            (r#"[{"path":"/graphql/x","allow":"public"}]"#, "/graphql", None),
        ] {
            let problem = ApiRoutes::parse(&route(path, "access"), &rules(list)).err();
            assert_eq!(problem.map(|problem| problem.rule), rule, "{list} {path}");
            assert!(ApiRoutes::parse(&route(path, "none"), &rules(list)).is_ok(), "{list} {path}");
        }
        let problem =
            ApiRoutes::parse(&route("/api", "id"), &rules(r#"[{"path":"/api","allow":"public"}]"#)).expect_err("public");
        assert!(problem.to_string().ends_with("(rule 1 is public)"), "{problem}");
    }
}
