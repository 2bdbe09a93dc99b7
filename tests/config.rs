//! The files that people start from: `wrangler.toml` must parse, and the README must name every variable.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use edgegate::config::{Config, RULES_VARIABLE, VARIABLES};
use toml::{Table, Value};

fn wrangler() -> Table {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/wrangler.toml")).expect("wrangler.toml");
    text.parse().expect("valid toml")
}

/// Variables of one environment, with the secrets that are set apart from the file.
fn parse(vars: &Table) -> Result<Config, String> {
    let var = |name: &str| match (vars.get(name), name) {
        (Some(Value::String(text)), _) => Some(text.clone()),
        (Some(other), _) => Some(other.to_string()),
        // TEST ONLY
        (None, "SESSION_KEYS") => Some("v1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".to_owned()),
        (None, _) => None,
    };
    Config::parse(var).map_err(|problems| format!("{problems:?}"))
}

fn vars<'a>(environment: &'a Table, name: &str) -> &'a Table {
    environment.get("vars").and_then(Value::as_table).unwrap_or_else(|| panic!("{name} has no vars"))
}

#[test]
fn every_environment_of_wrangler_toml_is_a_valid_configuration() {
    let file = wrangler();
    parse(vars(&file, "local development")).unwrap_or_else(|problems| panic!("local development: {problems}"));
    let environments = file.get("env").and_then(Value::as_table).expect("environments");
    assert!(environments.contains_key("production"));
    for (name, environment) in environments {
        let environment = environment.as_table().expect("a table");
        parse(vars(environment, name)).unwrap_or_else(|problems| panic!("{name}: {problems}"));
        // Bindings and settings are not inherited (wrangler's rule): each must be repeated.
        let assets = environment.get("assets").and_then(Value::as_table).expect("assets");
        assert_eq!(assets.get("run_worker_first"), Some(&Value::Boolean(true)), "{name}: files would be served ungated");
        assert!(environment.contains_key("kv_namespaces"), "{name}");
    }
    let known = |name: &String| VARIABLES.contains(&name.as_str()) || name == RULES_VARIABLE;
    assert!(vars(&file, "local development").keys().all(known), "a variable that nobody reads");
}

#[test]
fn the_readme_names_every_variable() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("README.md");
    for name in VARIABLES.into_iter().chain([RULES_VARIABLE]) {
        assert!(readme.contains(&format!("`{name}`")), "{name} is not in the README");
    }
}
