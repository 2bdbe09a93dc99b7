//! The decision about a request: the matching rule, and its verdict. Gate, log and tools use the same value.

use super::Claims;
use super::rules::{Access, Conditions, Mode, Rule, Rules, UNMATCHED};

/// The decision about a path and method: the matching rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision<'r> {
    /// The number of the matching rule, counted from 1. 0 if no rule matched: then every session may read the path.
    pub rule: usize,
    matched: &'r Rule,
}

/// The verdict on a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The caller may read the path.
    Open,
    /// The caller needs a session.
    SignInNeeded,
    /// The session does not give access.
    Forbidden(Lack),
}

/// What a user lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// A membership in one of the rule's groups.
    Group,
    /// A claim with one of the rule's values.
    Claim,
    /// The session's record has not got the claim yet: it is older than the rule. Its next renewal brings it.
    ClaimNotKept,
}

impl Lack {
    /// Its name in the log.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Group => "group_missing",
            Self::Claim => "claim_missing",
            Self::ClaimNotKept => "claim_not_kept_yet",
        }
    }
}

impl<'r> Decision<'r> {
    /// The decision about `path`, a normal path, decoded once (see `web::path`), and a method in upper case. A rule that names
    /// methods is passed over for any other method.
    #[must_use]
    pub fn about(rules: &'r Rules, path: &str, method: &str) -> Self {
        let found = rules.0.iter().zip(1..).find(|(rule, _)| rule.matches(path, method));
        let (matched, rule) = found.unwrap_or((&UNMATCHED, 0));
        Self { rule, matched }
    }

    /// The access that the rule grants.
    #[must_use]
    pub fn access(self) -> &'r Access {
        &self.matched.access
    }

    /// What becomes of a refusal.
    #[must_use]
    pub fn mode(self) -> Mode {
        self.matched.mode
    }

    /// Whether the origin is told who the user is.
    #[must_use]
    pub fn gives_identity(self) -> bool {
        self.matched.identity
    }

    /// Whether the rule lets requests of this method through to the site. A rule without methods opens GET and HEAD; a public one
    /// OPTIONS too, since the preflight of a stranger is the site's to answer.
    #[must_use]
    pub fn opens(self, method: &str) -> bool {
        match &self.matched.methods {
            Some(methods) => methods.contains(&method),
            None => matches!(method, "GET" | "HEAD") || method == "OPTIONS" && self.matched.access == Access::Public,
        }
    }

    /// The verdict on a caller without a session.
    #[must_use]
    pub fn about_anybody(self) -> Verdict {
        match self.access() {
            Access::Public => Verdict::Open,
            Access::SignedIn | Access::Only(_) => Verdict::SignInNeeded,
        }
    }

    /// Whether the decision, or what the origin is told, depends on claims, which must be fresh.
    #[must_use]
    pub fn needs_claims(self) -> bool {
        self.gives_identity() || matches!(self.access(), Access::Only(_))
    }

    /// The verdict on a signed-in user with these groups and kept claims.
    #[must_use]
    pub fn about_user(self, groups: &[String], claims: &Claims) -> Verdict {
        match self.access() {
            Access::Public | Access::SignedIn => Verdict::Open,
            Access::Only(conditions) => conditions.lack(groups, claims).map_or(Verdict::Open, Verdict::Forbidden),
        }
    }
}

impl Conditions {
    /// The first condition that a user does not meet.
    fn lack(&self, groups: &[String], claims: &Claims) -> Option<Lack> {
        let shares_one = |wanted: &[String], has: &[String]| has.iter().any(|value| wanted.contains(value));
        if self.groups.as_ref().is_some_and(|wanted| !shares_one(wanted, groups)) {
            return Some(Lack::Group);
        }
        self.claims.iter().find_map(|(name, wanted)| match claims.get(name) {
            None => Some(Lack::ClaimNotKept),
            Some(has) => (!shares_one(wanted, has)).then_some(Lack::Claim),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = r#"[{"path":"/","allow":"public"},{"path":"/admin/*","allow":{"groups":["admin","root"]}},
        {"path":"/pro/*","allow":{"claims":{"custom:plan":["pro","team"],"email_verified":["true"]}}},
        {"path":"/lab/*","allow":{"groups":["lab"],"claims":{"custom:plan":["pro"]}},"mode":"report"},
        {"path":["/me","/you"],"allow":"signed-in","identity":true},{"path":"/empty","allow":"signed-in","mode":"enforce","identity":false}]"#;

    fn rules(json: &str) -> Rules {
        Rules::parse(json).expect("rules")
    }

    #[test]
    fn the_first_rule_that_matches_decides_and_is_named() {
        let rules = rules(RULES);
        for (path, rule, anybody, needs_claims, mode, identity) in [
            ("/", 1, Verdict::Open, false, Mode::Enforce, false),
            ("/admin/x", 2, Verdict::SignInNeeded, true, Mode::Enforce, false),
            ("/pro/x", 3, Verdict::SignInNeeded, true, Mode::Enforce, false),
            ("/lab", 4, Verdict::SignInNeeded, true, Mode::Report, false),
            ("/me", 5, Verdict::SignInNeeded, true, Mode::Enforce, true),
            ("/you", 5, Verdict::SignInNeeded, true, Mode::Enforce, true),
            ("/empty", 6, Verdict::SignInNeeded, false, Mode::Enforce, false),
            ("/app", 0, Verdict::SignInNeeded, false, Mode::Enforce, false),
        ] {
            let decision = Decision::about(&rules, path, "GET");
            let decided = (decision.rule, decision.about_anybody(), decision.needs_claims(), decision.mode());
            assert_eq!(decided, (rule, anybody, needs_claims, mode), "{path}");
            assert_eq!(decision.gives_identity(), identity, "{path}");
        }
    }

    #[test]
    fn a_user_must_meet_every_condition() {
        let rules = rules(RULES);
        let (group, claim, not_kept) =
            (Verdict::Forbidden(Lack::Group), Verdict::Forbidden(Lack::Claim), Verdict::Forbidden(Lack::ClaimNotKept));
        for (path, groups, claims, verdict) in [
            ("/admin/x", "root", "", Verdict::Open),
            ("/admin/x", "users admin", "", Verdict::Open),
            ("/admin/x", "users", "custom:plan=pro", group),
            ("/admin/x", "Admin", "", group),
            ("/admin/x", "", "", group),
            ("/pro/x", "", "custom:plan=pro email_verified=true", Verdict::Open),
            ("/pro/x", "", "custom:plan=free,team email_verified=true", Verdict::Open),
            ("/pro/x", "", "custom:plan=pro email_verified=false", claim),
            ("/pro/x", "", "custom:plan=Pro email_verified=true", claim),
            ("/pro/x", "", "custom:plan= email_verified=true", claim),
            ("/pro/x", "", "custom:plan=pro", not_kept),
            ("/pro/x", "pro", "", not_kept),
            ("/lab", "lab", "custom:plan=pro", Verdict::Open),
            ("/lab", "lab", "custom:plan=team", claim),
            ("/lab", "pro", "custom:plan=pro", group),
            ("/app", "", "", Verdict::Open),
            ("/", "", "", Verdict::Open),
        ] {
            let words =
                |text: &str, by: char| text.split(by).filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>();
            let claims: Claims = words(claims, ' ')
                .iter()
                .map(|claim| claim.split_once('=').expect("a claim"))
                .map(|(name, values)| (name.to_owned(), words(values, ',')))
                .collect();
            let decision = Decision::about(&rules, path, "GET");
            assert_eq!(decision.about_user(&words(groups, ' '), &claims), verdict, "{path} {groups} {claims:?}");
        }
        let reasons = [Lack::Group, Lack::Claim, Lack::ClaimNotKept].map(Lack::reason);
        assert_eq!(reasons, ["group_missing", "claim_missing", "claim_not_kept_yet"]);
        let names: Vec<_> = rules.claim_names().collect();
        assert_eq!(names, ["custom:plan", "email_verified", "custom:plan"]);
    }

    #[test]
    fn conditions_without_a_value_let_nobody_in() {
        let nobody = Conditions { groups: Some(Vec::new()), ..Conditions::default() };
        assert_eq!(nobody.lack(&["admin".to_owned()], &Claims::new()), Some(Lack::Group));
        let nobody = Conditions { claims: Claims::from([("x".to_owned(), Vec::new())]), ..Conditions::default() };
        assert_eq!(nobody.lack(&[], &nobody.claims), Some(Lack::Claim));
    }

    #[test]
    fn a_rule_with_methods_is_for_these_alone() {
        let rules = rules(
            r#"[{"path":"/forms/*","methods":["POST"],"allow":{"groups":["users"]}},{"path":"/read","methods":["GET"],"allow":"public"},
                {"path":"/forms/open","allow":"public"},{"path":"/forms/*","methods":["OPTIONS","PUT","DELETE"],"allow":"signed-in"}]"#,
        );
        for (path, method, rule, opens) in [
            ("/forms/a", "POST", 1, true),
            ("/forms/open", "POST", 1, true),
            // Not listed: it falls through to the next rule that matches, and is not opened by the one passed over.
            ("/forms/a", "GET", 0, true),
            ("/forms/a", "PATCH", 0, false),
            ("/forms/open", "GET", 3, true),
            ("/forms/open", "OPTIONS", 3, true),
            ("/forms/open", "PUT", 3, false),
            ("/forms/a", "PUT", 4, true),
            ("/forms/a", "OPTIONS", 4, true),
            ("/forms/a", "put", 0, false),
            // GET is HEAD too.
            ("/read", "GET", 2, true),
            ("/read", "HEAD", 2, true),
            ("/read", "POST", 0, false),
            ("/read", "OPTIONS", 0, false),
            ("/x", "GET", 0, true),
            ("/x", "HEAD", 0, true),
            ("/x", "TRACE", 0, false),
        ] {
            let decision = Decision::about(&rules, path, method);
            assert_eq!((decision.rule, decision.opens(method)), (rule, opens), "{method} {path}");
        }
        for (path, methods) in [
            ("/forms/a", "GET HEAD POST PUT DELETE OPTIONS"),
            ("/forms/open", "GET HEAD POST OPTIONS"),
            ("/read", "GET HEAD"),
            ("/x", "GET HEAD"),
        ] {
            assert_eq!(rules.opened(path).collect::<Vec<_>>().join(" "), methods, "{path}");
        }
    }
}
