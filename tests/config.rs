//! The files that people start from: `wrangler.toml` must parse and hold nothing that does not belong there, the README must name
//! every variable, and the manifests every dependency with its version and reason.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use edgegate::config::{Config, VARIABLES};
use toml::{Table, Value};

fn file(name: &str) -> String {
    let path = format!("{}/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn toml(name: &str) -> Table {
    file(name).parse().unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn wrangler() -> Table {
    toml("wrangler.toml")
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
    let known = |name: &String| VARIABLES.contains(&name.as_str());
    assert!(vars(&file, "local development").keys().all(known), "a variable that nobody reads");
}

#[test]
fn production_has_no_value_of_development() {
    let file = wrangler();
    let local = vars(&file, "local development");
    for (name, environment) in file.get("env").and_then(Value::as_table).expect("environments") {
        let text = toml::to_string(environment).expect("toml").to_lowercase();
        for word in ["http://", "ws://", "localhost", "127.0.0.1", "[::1]", "local0001", "_local"] {
            assert!(!text.contains(word), "{name}: {word}");
        }
        // A development server or its routes have no business there.
        let environment = environment.as_table().expect("a table");
        assert!(!environment.contains_key("dev"), "{name}");
        for switch in ["workers_dev", "preview_urls"] {
            assert_eq!(environment.get(switch), Some(&Value::Boolean(false)), "{name}: a second address, {switch}");
        }
        for variable in ["COGNITO_USER_POOL_ID", "COGNITO_CLIENT_ID", "COGNITO_DOMAIN", "PUBLIC_URL"] {
            assert_ne!(vars(environment, name).get(variable), local.get(variable), "{name}: {variable}");
        }
    }
}

#[test]
fn wrangler_toml_holds_no_secret() {
    let file = wrangler();
    let environments = file.get("env").and_then(Value::as_table).expect("environments");
    let tables = std::iter::once(("local development", &file))
        .chain(environments.iter().map(|(name, environment)| (name.as_str(), environment.as_table().expect("a table"))));
    for (name, environment) in tables {
        for secret in ["SESSION_KEYS", "COGNITO_CLIENT_SECRET", "ORIGIN_SECRET"] {
            assert!(!vars(environment, name).contains_key(secret), "{name}: {secret} belongs to `wrangler secret put`");
        }
    }
    let ignored = self::file(".gitignore");
    assert!(ignored.lines().any(|line| line.trim_matches('/') == ".dev.vars"), "the secrets of development are not committed");
}

/// No wildcard, nothing from elsewhere than the registry, and a few words on why it is there.
#[test]
fn every_dependency_has_a_version_and_a_reason() {
    let text = file("Cargo.toml");
    let manifest = toml("Cargo.toml");
    let wasm = &manifest["target"]["cfg(target_arch = \"wasm32\")"]["dependencies"];
    let mut count = 0;
    for table in [&manifest["dependencies"], &manifest["dev-dependencies"], wasm] {
        for (name, wanted) in table.as_table().expect("a table") {
            let version = wanted.as_str().or_else(|| wanted.get("version").and_then(Value::as_str)).unwrap_or_default();
            let number = version.trim_start_matches('=');
            assert!(number.starts_with(|first: char| first.is_ascii_digit()) && !number.contains('*'), "{name}: {version:?}");
            assert!(["git", "path", "registry"].iter().all(|source| wanted.get(source).is_none()), "{name}");
            let commented = |line: &str| {
                line.starts_with(&format!("{name} = ")) && line.rsplit_once("# ").is_some_and(|(_, why)| why.len() >= 10)
            };
            assert!(text.lines().any(commented), "{name} has no reason");
            count += 1;
        }
    }
    assert!(count >= 15, "{count}");
    assert!(!file("Cargo.lock").is_empty());

    let package: serde_json::Value = serde_json::from_str(&file("package.json")).expect("package.json");
    assert!(package.get("dependencies").is_none(), "nothing from npm is in the Worker");
    for (name, version) in package["devDependencies"].as_object().expect("an object") {
        let exact = version
            .as_str()
            .is_some_and(|version| version.split('.').count() == 3 && version.split('.').all(|part| part.parse::<u32>().is_ok()));
        assert!(exact, "{name}: {version} is not one version");
        assert!(package["//devDependencies"][name].as_str().is_some_and(|why| why.len() >= 10), "{name} has no reason");
    }
    let lock: serde_json::Value = serde_json::from_str(&file("package-lock.json")).expect("package-lock.json");
    for (name, entry) in lock["packages"].as_object().expect("an object").iter().filter(|(name, _)| !name.is_empty()) {
        // The hashes of some programs for macOS and Windows are not in the lock file.
        let elsewhere = entry["optional"] == true && entry["os"].as_array().is_some_and(|os| os.iter().all(|os| os != "linux"));
        assert!(entry["integrity"].is_string() || elsewhere, "{name} has no hash");
    }
}

#[test]
fn the_readme_names_every_variable() {
    let readme = file("README.md");
    for name in VARIABLES {
        assert!(readme.contains(&format!("`{name}`")), "{name} is not in the README");
    }
}
