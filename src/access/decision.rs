//! The decision about a request: the matching rule, and its verdict. Gate, log and tools use the same value.

use super::rules::{Access, Rules};

/// The decision about a path: the matching rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision<'r> {
    /// The number of the matching rule, counted from 1. 0 if no rule matched: then every session may read the path.
    pub rule: usize,
    /// The access that the rule grants.
    pub access: &'r Access,
}

/// The verdict on a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The caller may read the path.
    Open,
    /// The caller needs a session.
    SignInNeeded,
    /// The session does not give access.
    Forbidden,
}

impl<'r> Decision<'r> {
    /// The decision about `path`, a normal path, decoded once (see `web::path`).
    #[must_use]
    pub fn about(rules: &'r Rules, path: &str) -> Self {
        let (rule, access) = rules.find(path);
        Self { rule, access }
    }

    /// The verdict on a caller without a session.
    #[must_use]
    pub fn about_anybody(self) -> Verdict {
        match self.access {
            Access::Public => Verdict::Open,
            Access::SignedIn | Access::Groups(_) => Verdict::SignInNeeded,
        }
    }

    /// Whether the decision depends on claims, which must be fresh.
    #[must_use]
    pub fn needs_claims(self) -> bool {
        matches!(self.access, Access::Groups(_))
    }

    /// The verdict on a signed-in user with these groups.
    #[must_use]
    pub fn about_groups(self, groups: &[String]) -> Verdict {
        match self.access {
            Access::Public | Access::SignedIn => Verdict::Open,
            Access::Groups(allowed) => {
                if groups.iter().any(|group| allowed.contains(group)) {
                    Verdict::Open
                } else {
                    Verdict::Forbidden
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = r#"[{"path":"/","allow":"public"},{"path":"/admin/*","allow":{"groups":["admin","root"]}}]"#;

    #[test]
    fn the_first_rule_that_matches_decides_and_is_named() {
        let rules = Rules::parse(RULES).expect("rules");
        for (path, rule, anybody, needs_claims) in [
            ("/", 1, Verdict::Open, false),
            ("/admin/x", 2, Verdict::SignInNeeded, true),
            ("/app", 0, Verdict::SignInNeeded, false),
        ] {
            let decision = Decision::about(&rules, path);
            assert_eq!(
                (decision.rule, decision.about_anybody(), decision.needs_claims()),
                (rule, anybody, needs_claims),
                "{path}"
            );
        }
    }

    #[test]
    fn a_group_rule_is_for_members_of_one_of_its_groups() {
        let rules = Rules::parse(RULES).expect("rules");
        for (path, groups, verdict) in [
            ("/admin/x", &["root"][..], Verdict::Open),
            ("/admin/x", &["users", "admin"], Verdict::Open),
            ("/admin/x", &["users"], Verdict::Forbidden),
            ("/admin/x", &["Admin"], Verdict::Forbidden),
            ("/admin/x", &[], Verdict::Forbidden),
            ("/app", &[], Verdict::Open),
            ("/", &[], Verdict::Open),
        ] {
            let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
            assert_eq!(Decision::about(&rules, path).about_groups(&groups), verdict, "{path} {groups:?}");
        }
    }
}
