//! Reading `RULES`: JSON in, rules out; the first wrong one is named, with what was written and what is wanted.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Claims;
use super::pattern::Pattern;
use super::rules::{Access, Conditions, METHODS, Mode, Rule, Rules, RulesProblem};

impl Rules {
    /// Parses the JSON list of rules. A rule has `path` and `allow`, and may have `methods`, `mode` and `identity`.
    ///
    /// # Errors
    /// The text is not such a list: the first wrong rule, and its fault.
    pub fn parse(json: &str) -> Result<Self, RulesProblem> {
        let written: Vec<&RawValue> = serde_json::from_str(json).map_err(|error| {
            let place = || format!("not JSON at line {}, column {}", error.line(), error.column());
            RulesProblem { rule: 0, fault: if error.is_data() { WANTED_LIST.to_owned() } else { place() } }
        })?;
        let rules = written
            .into_iter()
            .zip(1..)
            .map(|(rule, number)| Rule::parse(rule).map_err(|fault| RulesProblem { rule: number, fault }));
        rules.collect::<Result<_, _>>().map(Self)
    }
}

impl Rule {
    fn parse(written: &RawValue) -> Result<Self, String> {
        let members = Members::read(written).ok_or_else(|| format!("{}; wanted {WANTED_RULE}", quoted(written)))?;
        let [path, allow, methods, mode, identity] =
            members.named(RULE_MEMBERS).map_err(|fault| format!("{fault}; a rule has {}", RULE_MEMBERS.join(", ")))?;
        let (paths, access) = (paths(path)?, Access::parse(allow)?);
        let identity = member("identity", identity, WANTED_IDENTITY)?.unwrap_or(false);
        if identity && access == Access::Public {
            return Err(r#""identity" is true; a public rule knows nobody"#.to_owned());
        }
        Ok(Self {
            paths,
            methods: self::methods(methods)?,
            access,
            mode: match member::<String>("mode", mode, WANTED_MODE)?.as_deref() {
                None | Some("enforce") => Mode::Enforce,
                Some("report") => Mode::Report,
                Some(_) => return Err(wrong("mode", mode, WANTED_MODE)),
            },
            identity,
        })
    }
}

fn paths(written: Option<&RawValue>) -> Result<Vec<Pattern>, String> {
    let texts = match written.and_then(text) {
        Some(one) => vec![one],
        None => list(written).ok_or_else(|| wrong("path", written, WANTED_PATH))?,
    };
    let parse = |text: &String| {
        Pattern::parse(text).ok_or_else(|| {
            let which = short(text).map_or_else(|| "a path that cannot match".to_owned(), |text| format!("\"{text}\""));
            format!("\"path\" has {which}; wanted {WANTED_PATH}")
        })
    };
    texts.iter().map(parse).collect()
}

/// The methods of a rule. One for GET covers HEAD, as HTTP does.
fn methods(written: Option<&RawValue>) -> Result<Option<Vec<&'static str>>, String> {
    if written.is_none() {
        return Ok(None);
    }
    let fault = || wrong("methods", written, WANTED_METHODS);
    let texts = list(written).ok_or_else(fault)?;
    if let Some(unknown) = texts.iter().find(|text| !METHODS.contains(&text.as_str())) {
        return Err(match short(unknown) {
            Some(text) => format!("\"methods\" has \"{text}\"; wanted {WANTED_METHODS}"),
            None => fault(),
        });
    }
    let named = |method: &str| texts.iter().any(|text| text == method);
    Ok(Some(METHODS.into_iter().filter(|method| named(method) || *method == "HEAD" && named("GET")).collect()))
}

impl Access {
    fn parse(written: Option<&RawValue>) -> Result<Self, String> {
        let fault = || wrong("allow", written, WANTED_ACCESS);
        match written.and_then(text).as_deref() {
            Some("public") => return Ok(Self::Public),
            Some("signed-in") => return Ok(Self::SignedIn),
            _ => {}
        }
        let members = written.and_then(Members::read).ok_or_else(fault)?;
        let [groups, claims] =
            members.named(ALLOW_MEMBERS).map_err(|fault| format!("{fault} of \"allow\"; it has {}", ALLOW_MEMBERS.join(", ")))?;
        if groups.is_none() && claims.is_none() {
            return Err(fault());
        }
        let groups = match groups {
            Some(_) => Some(list(groups).ok_or_else(|| wrong("groups", groups, WANTED_GROUPS))?),
            None => None,
        };
        let claims = match claims {
            Some(_) => self::claims(claims).ok_or_else(|| wrong("claims", claims, WANTED_CLAIMS))?,
            None => Claims::new(),
        };
        Ok(Self::Only(Conditions { groups, claims }))
    }
}

/// An object of at least one claim, each once and with at least one value.
fn claims(written: Option<&RawValue>) -> Option<Claims> {
    let Members(members) = Members::read(written?)?;
    let mut claims = Claims::new();
    for (name, values) in members {
        if name.is_empty() || claims.insert(name, list(Some(values))?).is_some() {
            return None;
        }
    }
    Some(claims).filter(|claims| !claims.is_empty())
}

/// The members of a JSON object, in the order and as often as written.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    fn read(written: &'a RawValue) -> Option<Self> {
        serde_json::from_str(written.get()).ok()
    }

    /// The members of these names, each there once at most, and no other.
    fn named<const N: usize>(self, names: [&'static str; N]) -> Result<[Option<&'a RawValue>; N], String> {
        let mut found = [None; N];
        for (name, value) in self.0 {
            let Some((place, known)) = found.iter_mut().zip(names).find(|(_, known)| *known == name) else {
                return Err(match short(&name) {
                    Some(name) => format!("unknown member \"{name}\""),
                    None => "unknown member".to_owned(),
                });
            };
            if place.replace(value).is_some() {
                return Err(format!("repeated member \"{known}\""));
            }
        }
        Ok(found)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsWritten;

        impl<'de> Visitor<'de> for AsWritten {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = object.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(AsWritten)
    }
}

/// A member that may be left out.
fn member<T: DeserializeOwned>(name: &str, written: Option<&RawValue>, wanted: &str) -> Result<Option<T>, String> {
    let read = |value: &RawValue| serde_json::from_str(value.get()).map_err(|_| wrong(name, written, wanted));
    written.map(read).transpose()
}

fn text(written: &RawValue) -> Option<String> {
    serde_json::from_str(written.get()).ok()
}

/// A list of at least one text, none of them empty.
fn list(written: Option<&RawValue>) -> Option<Vec<String>> {
    let texts: Vec<String> = serde_json::from_str(written?.get()).ok()?;
    (!texts.is_empty() && !texts.iter().any(String::is_empty)).then_some(texts)
}

fn wrong(name: &str, written: Option<&RawValue>, wanted: &str) -> String {
    match written {
        Some(written) => format!("\"{name}\" is {}; wanted {wanted}", quoted(written)),
        None => format!("\"{name}\" is missing; wanted {wanted}"),
    }
}

/// A value as written, if it is a short word; else its kind.
fn quoted(written: &RawValue) -> String {
    let json = written.get();
    if let Some(text) = text(written).as_deref().and_then(short) {
        return format!("\"{text}\"");
    }
    let kind = match json.bytes().next() {
        _ if matches!(json, "true" | "false" | "null") => json,
        Some(b'"') if json == r#""""# => "an empty text",
        Some(b'"') => "a text",
        Some(b'[') => "a list",
        Some(b'{') => "an object",
        _ => "a number",
    };
    kind.to_owned()
}

/// A text that may be repeated in the log: a word or path of 40 characters at most.
fn short(text: &str) -> Option<&str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_/*.".contains(&byte);
    (1..=40).contains(&text.len()).then_some(text).filter(|text| text.bytes().all(plain))
}

const RULE_MEMBERS: [&str; 5] = ["path", "allow", "methods", "mode", "identity"];
const ALLOW_MEMBERS: [&str; 2] = ["groups", "claims"];
const WANTED_LIST: &str = r#"a JSON list of rules, each {"path","allow"}"#;
const WANTED_RULE: &str = r#"an object such as {"path":"/*","allow":"signed-in"}"#;
const WANTED_PATH: &str = "an exact path such as /about, a folder such as /admin/*, an ending such as /*.png, or a list of these; \
                           decoded, beginning with / and without //, dot segments, spaces, control characters and any other of \
                           * % \\ ; ? # +";
const WANTED_ACCESS: &str = r#""public", "signed-in" or {"groups":["name"],"claims":{"name":["value"]}}, one member or both"#;
const WANTED_GROUPS: &str = "a list of at least one group, and no empty name";
const WANTED_CLAIMS: &str =
    r#"an object such as {"custom:plan":["pro"]}: claims, each once, with at least one value and no empty one"#;
const WANTED_METHODS: &str = "a list of at least one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const WANTED_MODE: &str = r#""enforce" or "report""#;
const WANTED_IDENTITY: &str = "true or false";

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(json: &str) -> String {
        let good = r#"{"path":"/a","allow":"public"}"#;
        Rules::parse(&json.replace("GOOD", good)).expect_err(json).to_string()
    }

    /// A rule for `/a` with these members more.
    fn rule(more: &str) -> String {
        format!(r#"[{{"path":"/a",{more}}}]"#)
    }

    #[test]
    fn a_wrong_list_and_a_wrong_rule_are_told_apart() {
        for (json, told) in [
            ("", "not JSON at line 1, column 0"),
            ("[GOOD,\n GOOD,\n GOOD,\n         GOOD]x", "not JSON at line 4, column 41"),
            ("[GOOD,]", "not JSON at line 1, column 33"),
            ("{}", WANTED_LIST),
            ("\"public\"", WANTED_LIST),
            (r#"[GOOD,["/a","public"]]"#, r#"rule 2: a list; wanted an object such as {"path":"/*","allow":"signed-in"}"#),
            ("[GOOD,GOOD,7]", r#"rule 3: a number; wanted an object such as {"path":"/*","allow":"signed-in"}"#),
            (
                r#"[GOOD,{"path":"/a","alow":"public"}]"#,
                r#"rule 2: unknown member "alow"; a rule has path, allow, methods, mode, identity"#,
            ),
            (
                r#"[{"path":"/a","allow":"public","not a word":1}]"#,
                "rule 1: unknown member; a rule has path, allow, methods, mode, identity",
            ),
            (
                r#"[GOOD,{"path":"/a","path":"/b","allow":"public"}]"#,
                r#"rule 2: repeated member "path"; a rule has path, allow, methods, mode, identity"#,
            ),
            (r#"[{"path":"/a","allow":{"group":["x"]}}]"#, r#"rule 1: unknown member "group" of "allow"; it has groups, claims"#),
            (
                r#"[{"path":"/a","allow":{"groups":["x"],"groups":["y"]}}]"#,
                r#"rule 1: repeated member "groups" of "allow"; it has groups, claims"#,
            ),
        ] {
            assert_eq!(fault(json), told, "{json}");
        }
    }

    #[test]
    fn a_wrong_member_is_named_with_what_was_written_and_what_is_wanted() {
        for (json, member, written, wanted) in [
            (r#"[{"allow":"public"}]"#.to_owned(), "path", "is missing", WANTED_PATH),
            (r#"[{"path":1,"allow":"public"}]"#.to_owned(), "path", "is a number", WANTED_PATH),
            (r#"[{"path":[],"allow":"public"}]"#.to_owned(), "path", "is a list", WANTED_PATH),
            (r#"[{"path":["/a",7],"allow":"public"}]"#.to_owned(), "path", "is a list", WANTED_PATH),
            (r#"[{"path":"/a*","allow":"public"}]"#.to_owned(), "path", r#"has "/a*""#, WANTED_PATH),
            (r#"[{"path":["/a","b/*"],"allow":"public"}]"#.to_owned(), "path", r#"has "b/*""#, WANTED_PATH),
            (r#"[{"path":"/a b","allow":"public"}]"#.to_owned(), "path", "has a path that cannot match", WANTED_PATH),
            (r#"[{"path":"/a"}]"#.to_owned(), "allow", "is missing", WANTED_ACCESS),
            (rule(r#""allow":"everyone""#), "allow", r#"is "everyone""#, WANTED_ACCESS),
            (rule(r#""allow":["public"]"#), "allow", "is a list", WANTED_ACCESS),
            (rule(r#""allow":null"#), "allow", "is null", WANTED_ACCESS),
            (rule(r#""allow":{}"#), "allow", "is an object", WANTED_ACCESS),
            (rule(r#""allow":{"groups":"x"}"#), "groups", r#"is "x""#, WANTED_GROUPS),
            (rule(r#""allow":{"groups":[]}"#), "groups", "is a list", WANTED_GROUPS),
            (rule(r#""allow":{"groups":["x",""]}"#), "groups", "is a list", WANTED_GROUPS),
            (rule(r#""allow":{"groups":null}"#), "groups", "is null", WANTED_GROUPS),
            (rule(r#""allow":{"claims":{}}"#), "claims", "is an object", WANTED_CLAIMS),
            (rule(r#""allow":{"groups":["x"],"claims":null}"#), "claims", "is null", WANTED_CLAIMS),
            (rule(r#""allow":{"claims":{"a":"b"}}"#), "claims", "is an object", WANTED_CLAIMS),
            (rule(r#""allow":{"claims":{"a":[]}}"#), "claims", "is an object", WANTED_CLAIMS),
            (rule(r#""allow":{"claims":{"a":[true]}}"#), "claims", "is an object", WANTED_CLAIMS),
            (rule(r#""allow":{"claims":{"":["b"]}}"#), "claims", "is an object", WANTED_CLAIMS),
            (rule(r#""allow":{"claims":{"a":["b"],"a":["c"]}}"#), "claims", "is an object", WANTED_CLAIMS),
            (rule(r#""allow":"public","methods":[]"#), "methods", "is a list", WANTED_METHODS),
            (rule(r#""allow":"public","methods":"GET""#), "methods", r#"is "GET""#, WANTED_METHODS),
            (rule(r#""allow":"public","methods":["GET","post"]"#), "methods", r#"has "post""#, WANTED_METHODS),
            (rule(r#""allow":"public","methods":["TRACE"]"#), "methods", r#"has "TRACE""#, WANTED_METHODS),
            (rule(r#""allow":"public","methods":["*"]"#), "methods", r#"has "*""#, WANTED_METHODS),
            (rule(r#""allow":"public","methods":null"#), "methods", "is null", WANTED_METHODS),
            (rule(r#""allow":"public","mode":"off""#), "mode", r#"is "off""#, WANTED_MODE),
            (rule(r#""allow":"public","mode":true"#), "mode", "is true", WANTED_MODE),
            (rule(r#""allow":"signed-in","identity":"true""#), "identity", r#"is "true""#, WANTED_IDENTITY),
            (rule(r#""allow":"signed-in","identity":1"#), "identity", "is a number", WANTED_IDENTITY),
        ] {
            assert_eq!(fault(&json), format!("rule 1: \"{member}\" {written}; wanted {wanted}"), "{json}");
        }
        let public = rule(r#""allow":"public","identity":true"#);
        assert_eq!(fault(&public), r#"rule 1: "identity" is true; a public rule knows nobody"#);
    }

    #[test]
    fn a_problem_repeats_short_words_alone() {
        let forty = "x".repeat(40);
        for (written, told) in [
            (forty.as_str(), true),
            (&"x".repeat(41), false),
            ("has space", false),
            ("a:b", false),
            ("a+b=", false),
            ("\u{e9}", false),
            ("A-Z_0/9.*", true),
        ] {
            let said = fault(&rule(&format!("\"allow\":{written:?}")));
            assert_eq!(said.contains(written), told, "{written}: {said}");
            let said = fault(&rule(&format!("\"allow\":\"public\",{written:?}:1")));
            assert_eq!(said.contains(written), told, "{written}: {said}");
        }
    }

    #[test]
    fn conditions_and_lists_are_read_as_written() {
        let json = r#"[{"path":["/a","/b/*","/*.png"],"allow":{"groups":["g"],"claims":{"custom:plan":["pro","team"]}},
            "methods":["POST","GET"],"mode":"report","identity":true}]"#;
        let Rules(rules) = Rules::parse(json).expect("rules");
        let [rule] = rules.as_slice() else { panic!("{rules:?}") };
        let paths = ["/a", "/b/*", "/*.png"].map(|path| Pattern::parse(path).expect(path)).to_vec();
        let values = vec!["pro".to_owned(), "team".to_owned()];
        let conditions =
            Conditions { groups: Some(vec!["g".to_owned()]), claims: Claims::from([("custom:plan".to_owned(), values)]) };
        let methods = Some(vec!["GET", "HEAD", "POST"]);
        let expected = Rule { paths, methods, access: Access::Only(conditions), mode: Mode::Report, identity: true };
        assert_eq!(*rule, expected);
        assert_eq!(Rules::parse("[]"), Ok(Rules(Vec::new())), "no rule: signed-in everywhere");
    }
}
