//! The two variables that have a structure of their own, and of which one is a secret.

use edgegate::access::rules::{Access, Rules};
use edgegate::config::{Config, KeyRing};
use serde_json::{Value, json};

use super::oracle::{count_members, object, padded_base64};
use super::support::{CLIENT, PUBLIC_URL};
use super::{Verdict, text};

/// Rules: a list of well-formed ones or nothing, and the first that matches decides.
pub fn rules(data: &[u8]) -> Verdict {
    let Some(json) = text(data) else { return Verdict::Refused };
    let rules = Rules::parse(json).ok();
    names_no_value("RULES", json, rules.is_some());
    let written: Option<Vec<Written>> = match serde_json::from_str(json) {
        Ok(Value::Array(list)) => list.iter().map(Written::read).collect(),
        _ => None,
    };
    let Some(rules) = rules else {
        // Of repeated members the second reader sees the last alone.
        let members = |rule: &Written| if matches!(rule.access, Access::Groups(_)) { 3 } else { 2 };
        let repeats = |rules: &[Written]| count_members(json.as_bytes(), 3) != rules.iter().map(members).sum::<usize>();
        assert!(written.is_none_or(|rules| repeats(&rules)), "refused: {json}");
        return Verdict::Refused;
    };
    let written = written.unwrap_or_else(|| panic!("accepted: {json}"));
    assert_eq!(Rules::parse(&print(&written)).as_ref(), Ok(&rules), "printed and read again");
    let places = written.iter().map(|rule| rule.path.trim_end_matches("/*"));
    for place in places.chain(["/elsewhere", "/admin", "/"]) {
        for path in [
            place.to_owned(),
            format!("{place}/"),
            format!("{place}index.html"),
            format!("{place}/x"),
            format!("{place}x"),
            place.to_uppercase(),
        ] {
            let decides = written.iter().find(|rule| rule.covers(&path)).map_or(&Access::SignedIn, |rule| &rule.access);
            assert_eq!(rules.access(&path), decides, "{path:?} under {json}");
        }
    }
    Verdict::Accepted
}

struct Written {
    path: String,
    access: Access,
}

impl Written {
    fn read(rule: &Value) -> Option<Self> {
        let rule = object(rule.to_string().as_bytes()).filter(|rule| rule.len() == 2)?;
        let access = match rule.get("allow")? {
            Value::String(word) if word == "public" => Access::Public,
            Value::String(word) if word == "signed-in" => Access::SignedIn,
            Value::Object(allow) if allow.len() == 1 => {
                let groups: Option<Vec<&str>> = allow.get("groups")?.as_array()?.iter().map(Value::as_str).collect();
                let groups = groups.filter(|groups| !groups.is_empty() && !groups.contains(&""))?;
                Access::Groups(groups.into_iter().map(str::to_owned).collect())
            }
            _ => return None,
        };
        let path = rule.get("path")?.as_str()?;
        is_pattern(path).then(|| Self { path: path.to_owned(), access })
    }

    fn covers(&self, path: &str) -> bool {
        match self.path.strip_suffix("/*") {
            Some(folder) => path == folder || path.starts_with(&format!("{folder}/")),
            // A folder's page has two names, the start page's two are apart.
            None => path == self.path || other_name(&self.path).is_some_and(|other| path == other),
        }
    }
}

fn other_name(path: &str) -> Option<String> {
    let other = path.strip_suffix("/index.html").map_or_else(|| format!("{path}index.html"), |folder| format!("{folder}/"));
    let is_folder = path.ends_with('/') || other.ends_with('/');
    (is_folder && path != "/" && other != "/").then_some(other)
}

/// A path that a normal path can be, perhaps with `/*` behind it.
fn is_pattern(path: &str) -> bool {
    let plain = path.strip_suffix('*').filter(|rest| rest.ends_with('/')).unwrap_or(path);
    plain.starts_with('/')
        && !plain.contains("//")
        && !plain.chars().any(|c| c.is_control() || "*%\\;?#+ ".contains(c))
        && plain.split('/').all(|segment| !matches!(segment, "." | ".."))
}

fn print(rules: &[Written]) -> String {
    let allow = |access: &Access| match access {
        Access::Public => json!("public"),
        Access::SignedIn => json!("signed-in"),
        Access::Groups(groups) => json!({ "groups": groups }),
    };
    let list: Vec<Value> = rules.iter().map(|rule| json!({"allow": allow(&rule.access), "path": rule.path})).collect();
    Value::from(list).to_string()
}

/// A key ring: 1 to 8 named keys of 32 bytes that somebody may have drawn, the first one seals.
pub fn session_keys(data: &[u8]) -> Verdict {
    let Some(written) = text(data) else { return Verdict::Refused };
    let ring = KeyRing::parse(written);
    names_no_value("SESSION_KEYS", written, ring.is_some());
    let keys: Option<Vec<(&str, Vec<u8>)>> = written.split(',').map(|item| read_key(item.trim())).collect();
    let names = |keys: &[(&str, Vec<u8>)]| keys.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>();
    let keys = keys.filter(|keys| {
        let mut names = names(keys);
        names.sort();
        names.dedup();
        keys.len() <= 8 && names.len() == keys.len()
    });
    let Some(ring) = ring else {
        assert!(keys.is_none(), "a good ring was refused");
        return Verdict::Refused;
    };
    let keys = keys.expect("a ring of good keys");
    assert_eq!((ring.newest().name(), ring.newest().expose().as_slice()), (keys[0].0, keys[0].1.as_slice()));
    for (name, key) in &keys {
        assert_eq!(ring.find(name.as_bytes()).map(|found| found.expose().as_slice()), Some(key.as_slice()), "{name}");
    }
    assert!(ring.find(b"").is_none() && ring.find(b"no-key-has-this-name").is_none());
    let spaced: Vec<&str> = written.split(',').map(str::trim).collect();
    assert_eq!(KeyRing::parse(&spaced.join(" , ")).as_ref(), Some(&ring), "blanks around the commas change nothing");

    let shown = format!("{ring:?}");
    let listed = |key: &[u8]| format!("{:?}", &key[..4]).trim_matches(['[', ']']).to_owned();
    assert!(keys.iter().all(|(_, key)| !shown.contains(&listed(key))), "{shown}");
    assert!(spaced.iter().all(|item| !shown.contains(item.split_once(':').unwrap().1)), "{shown}");
    Verdict::Accepted
}

fn read_key(item: &str) -> Option<(&str, Vec<u8>)> {
    let (name, encoded) = item.split_once(':')?;
    let named = (1..=16).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    let key = padded_base64(encoded).filter(|key| key.len() == 32 && key.iter().any(|byte| *byte != key[0]))?;
    named.then_some((name, key))
}

/// The configuration is refused for just this variable, and what is said of it repeats nothing of its value.
fn names_no_value(variable: &str, value: &str, good: bool) {
    let var = |name: &str| {
        let given = match name {
            _ if name == variable => value,
            "PUBLIC_URL" => PUBLIC_URL,
            "COGNITO_USER_POOL_ID" => "us-east-1_AbCdEf123",
            "COGNITO_CLIENT_ID" => CLIENT,
            "COGNITO_DOMAIN" => "https://auth.example.com",
            // TEST ONLY
            "SESSION_KEYS" => "v1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
            _ => return None,
        };
        Some(given.to_owned())
    };
    match Config::parse(var) {
        Ok(_) => assert!(good || value.is_empty() && variable == "RULES", "accepted"),
        Err(problems) => {
            assert!(!good, "refused");
            assert_eq!(problems.iter().map(|problem| problem.name).collect::<Vec<_>>(), [variable]);
            let said = format!("{problems:?}");
            let long = value.split([',', ':', '"', ' ']).filter(|part| part.len() >= 16);
            assert!(long.into_iter().all(|part| !said.contains(part)), "the problem repeats the value");
        }
    }
}
