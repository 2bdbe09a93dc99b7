//! The two variables that have a structure of their own, and of which one is a secret.

use std::collections::{BTreeMap, BTreeSet};

use edgegate::access::decision::Decision;
use edgegate::access::rules::{Access, Conditions, METHODS, Mode, Rules};
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
        let repeats =
            |rules: &[Written]| count_members(json.as_bytes(), 4) != rules.iter().map(|rule| rule.members).sum::<usize>();
        assert!(written.is_none_or(|rules| repeats(&rules)), "refused: {json}");
        return Verdict::Refused;
    };
    let written = written.unwrap_or_else(|| panic!("accepted: {json}"));
    assert_eq!(Rules::parse(&print(&written)).as_ref(), Ok(&rules), "printed and read again");
    let places = written.iter().flat_map(|rule| &rule.paths).map(|path| path.trim_end_matches("/*"));
    for place in places.chain(["/elsewhere", "/admin", "/", "/a.png"]) {
        let file = place.strip_prefix("/*.").map_or_else(|| format!("{place}x"), |ending| format!("/folder/x.{ending}"));
        for path in [
            place.to_owned(),
            format!("{place}/"),
            format!("{place}index.html"),
            format!("{place}/x"),
            file,
            place.to_uppercase(),
        ] {
            for method in METHODS {
                decides(&rules, &written, &path, method);
            }
        }
    }
    Verdict::Accepted
}

fn decides(rules: &Rules, written: &[Written], path: &str, method: &str) {
    let decision = Decision::about(rules, path, method);
    let found =
        written.iter().position(|rule| rule.covers(path) && rule.methods.as_ref().is_none_or(|names| names.contains(method)));
    assert_eq!(decision.rule, found.map_or(0, |index| index + 1), "{method} {path:?}");
    let Some(rule) = found.map(|index| &written[index]) else {
        assert_eq!((decision.access(), decision.mode()), (&Access::SignedIn, Mode::Enforce), "{method} {path:?}");
        return;
    };
    assert_eq!(decision.access(), &rule.access, "{method} {path:?}");
    assert_eq!((decision.mode() == Mode::Report, decision.gives_identity()), (rule.reports, rule.identity), "{method} {path:?}");
    let safe = matches!(method, "GET" | "HEAD") || method == "OPTIONS" && rule.access == Access::Public;
    assert_eq!(decision.opens(method), rule.methods.is_some() || safe, "{method} {path:?}");
}

/// A rule as a reader of another make understands it.
struct Written {
    /// The number of its members, and of all members within.
    members: usize,
    paths: Vec<String>,
    access: Access,
    /// With HEAD where GET is.
    methods: Option<BTreeSet<String>>,
    reports: bool,
    identity: bool,
}

impl Written {
    fn read(rule: &Value) -> Option<Self> {
        let mut rest = object(rule.to_string().as_bytes())?;
        let mut members = rest.len();
        let access = match rest.remove("allow")? {
            Value::String(word) if word == "public" => Access::Public,
            Value::String(word) if word == "signed-in" => Access::SignedIn,
            Value::Object(mut allow) if !allow.is_empty() => {
                members += allow.len();
                let groups = allow.remove("groups").map(|groups| texts(&groups).ok_or(())).transpose().ok()?;
                let mut claims = BTreeMap::new();
                if let Some(named) = allow.remove("claims") {
                    let named = named.as_object().filter(|named| !named.is_empty() && !named.contains_key(""))?;
                    members += named.len();
                    for (name, values) in named {
                        claims.insert(name.clone(), texts(values)?);
                    }
                }
                allow.is_empty().then_some(Access::Only(Conditions { groups, claims }))?
            }
            _ => return None,
        };
        let paths = match rest.remove("path")? {
            Value::String(path) => vec![path],
            list => texts(&list)?,
        };
        let methods = rest.remove("methods").map(|methods| read_methods(&methods).ok_or(())).transpose().ok()?;
        let reports = match rest.remove("mode") {
            None => false,
            Some(mode) => ["enforce", "report"].iter().position(|word| mode.as_str() == Some(word))? == 1,
        };
        let identity = rest.remove("identity").map_or(Some(false), |identity| identity.as_bool())?;
        let sound = rest.is_empty() && paths.iter().all(|path| is_pattern(path)) && !(identity && access == Access::Public);
        sound.then_some(Self { members, paths, access, methods, reports, identity })
    }

    fn covers(&self, path: &str) -> bool {
        self.paths.iter().any(|pattern| covers(pattern, path))
    }
}

/// One text or more, none of them empty.
fn texts(list: &Value) -> Option<Vec<String>> {
    let texts: Option<Vec<String>> = list.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect();
    texts.filter(|texts| !texts.is_empty() && texts.iter().all(|text| !text.is_empty()))
}

fn read_methods(list: &Value) -> Option<BTreeSet<String>> {
    let mut methods: BTreeSet<String> = texts(list)?.into_iter().collect();
    if methods.contains("GET") {
        methods.insert("HEAD".to_owned());
    }
    methods.iter().all(|method| METHODS.contains(&method.as_str())).then_some(methods)
}

fn covers(pattern: &str, path: &str) -> bool {
    if let Some(ending) = pattern.strip_prefix("/*.") {
        let (name, found) = path.split_at(path.len().saturating_sub(ending.len() + 1));
        return found.starts_with('.') && found.get(1..) == Some(ending) && !name.is_empty() && !name.ends_with('/');
    }
    match pattern.strip_suffix("/*") {
        Some(folder) => path == folder || path.starts_with(&format!("{folder}/")),
        // A folder's page has two names, the start page's two are apart.
        None => path == pattern || other_name(pattern).is_some_and(|other| path == other),
    }
}

fn other_name(path: &str) -> Option<String> {
    let other = path.strip_suffix("/index.html").map_or_else(|| format!("{path}index.html"), |folder| format!("{folder}/"));
    let is_folder = path.ends_with('/') || other.ends_with('/');
    (is_folder && path != "/" && other != "/").then_some(other)
}

/// A path that a normal path can be, perhaps with `/*` behind it, or an ending.
fn is_pattern(path: &str) -> bool {
    if let Some(ending) = path.strip_prefix("/*.") {
        return ending.split('.').all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric()));
    }
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
        Access::Only(Conditions { groups: None, claims }) => json!({ "claims": claims }),
        Access::Only(Conditions { groups, claims }) if claims.is_empty() => json!({ "groups": groups }),
        Access::Only(Conditions { groups, claims }) => json!({ "claims": claims, "groups": groups }),
    };
    let one = |rule: &Written| {
        let mode = if rule.reports { "report" } else { "enforce" };
        let mut one = json!({"identity": rule.identity, "mode": mode, "allow": allow(&rule.access), "path": rule.paths});
        if let Some(methods) = &rule.methods {
            one["methods"] = json!(methods);
        }
        one
    };
    Value::from(rules.iter().map(one).collect::<Vec<_>>()).to_string()
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

/// The configuration is refused for just this variable, and what is said of it repeats nothing of its value, or of rules nothing
/// but short words.
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
            let shortest = if variable == "RULES" { 41 } else { 16 };
            let long = value.split([',', ':', '"', ' ']).filter(|part| part.len() >= shortest);
            assert!(long.into_iter().all(|part| !said.contains(part)), "the problem repeats the value");
        }
    }
}
