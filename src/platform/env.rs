//! Variables, secrets and bindings of the Worker's environment.

use js_sys::{JSON, Reflect};
use wasm_bindgen::JsValue;
use worker::Env;

use crate::config::{Config, ConfigProblem, Site};

/// Session records.
pub(super) const SESSIONS: &str = "SESSIONS";
/// Static assets.
pub(super) const ASSETS: &str = "ASSETS";
/// The optional guard of strict mode.
pub(super) const SESSION_GUARD: &str = "SESSION_GUARD";
/// The optional rate limit.
pub(super) const RATE_LIMITER: &str = "RATE_LIMITER";

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

/// A variable or secret as text. `Env::var` reads text only. TOML numbers and tables arrive as numbers and objects, and `RULES`
/// may be written so.
fn variable(env: &Env, name: &str) -> Option<String> {
    let value = Reflect::get(env, &name.into()).ok().filter(|value| !value.is_null() && !value.is_undefined())?;
    value.as_string().or_else(|| JSON::stringify(&value).ok()?.as_string())
}

/// Whether this binding is there.
pub(super) fn has_binding(env: &Env, name: &str) -> bool {
    Reflect::get(env, &name.into()).as_ref().is_ok_and(JsValue::is_object)
}
