//! Variables, secrets and bindings of the Worker's environment.

use crate::config::{Config, ConfigProblem, Site};

use super::runtime::{Env, has_binding, variable};

/// Session records.
const SESSIONS: &str = "SESSIONS";
/// Static assets.
const ASSETS: &str = "ASSETS";
/// The optional guard of strict mode.
pub(super) const SESSION_GUARD: &str = "SESSION_GUARD";

/// Parses the configuration and checks that the bindings are there.
pub(super) fn parse_config(env: &Env) -> Result<Config, Vec<ConfigProblem>> {
    let parsed = Config::parse(|name| variable(env, name));
    let needs_assets = parsed.as_ref().is_ok_and(|config| config.site == Site::Assets);
    let mut missing = Vec::new();
    if !has_binding(env, SESSIONS) {
        missing.push(ConfigProblem {
            name: SESSIONS,
            wanted: "a KV namespace bound under this name".into(),
            example: "[[kv_namespaces]] binding = \"SESSIONS\"",
        });
    }
    if needs_assets && !has_binding(env, ASSETS) {
        missing.push(ConfigProblem {
            name: ASSETS,
            wanted: "static assets bound under this name, or ORIGIN_URL".into(),
            example: "[assets] directory = \"static\" binding = \"ASSETS\" run_worker_first = true",
        });
    }
    match parsed {
        Ok(config) if missing.is_empty() => Ok(config),
        Ok(_) => Err(missing),
        Err(mut problems) => {
            problems.extend(missing);
            Err(problems)
        }
    }
}
