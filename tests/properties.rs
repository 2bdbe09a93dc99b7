//! The properties of the fuzz targets, over valid things with a few edits. New ones in every run; what fails is shrunk and
//! shown, and belongs among the seeds (`tests/fuzz/seeds`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "properties/mod.rs"]
mod properties;

use std::cell::Cell;
use std::fmt;

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use properties::{Property, Verdict, config, jose, oidc, session, web};

/// Inputs for each property; a token costs an RSA verification in a debug build.
const CASES: u32 = 1024;
const TOKEN_CASES: u32 = 256;

/// Readable where it is text.
#[derive(Clone)]
struct Input(Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "b\"{}\"", self.0.escape_ascii())
    }
}

/// Checks the property on as many inputs, edited and not, and that some were accepted and some refused.
fn holds(cases: u32, written: impl Strategy<Value = String>, property: Property) {
    let (accepted, refused) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let checked = runner.run(&edited(written), |input| {
        let count = if property(&input.0) == Verdict::Accepted { &accepted } else { &refused };
        count.set(count.get() + 1);
        Ok(())
    });
    if let Err(failure) = checked {
        panic!("{failure}");
    }
    assert!(accepted.get() > 0 && refused.get() > 0, "{} accepted, {} refused", accepted.get(), refused.get());
}

/// Half as written, half with up to three places replaced, cut out or filled with something that parsers disagree about.
fn edited(written: impl Strategy<Value = String>) -> impl Strategy<Value = Input> {
    const PIECES: [&[u8]; 38] = [
        b"%2f",
        b"%2F",
        b"%5c",
        b"%2e",
        b"%25",
        b"%00",
        b"%0d%0a",
        b"%3b",
        b"%",
        b"%zz",
        b"%c3%a9",
        b"%ff",
        b"%61",
        b"//",
        b"/",
        b"\\",
        b"..",
        b".",
        b";",
        b"?",
        b"#",
        b"@",
        b"&",
        b"=",
        b"+",
        b" ",
        b"\t",
        b"\r\n",
        b"\0",
        b"\x7f",
        b"\xff",
        b"\xc3\xa9",
        b"\"",
        b",",
        b":",
        b"*",
        b"A",
        b"{",
    ];
    let piece = prop_oneof![select(&PIECES[..]).prop_map(<[u8]>::to_vec), any::<u8>().prop_map(|byte| vec![byte])];
    let edit = (any::<Index>(), 0..4_usize, of(piece));
    (written, prop_oneof![Just(Vec::new()), vec(edit, 1..4)]).prop_map(|(written, edits)| {
        let mut bytes = written.into_bytes();
        for (at, cut, piece) in edits {
            let at = at.index(bytes.len() + 1);
            let end = (at + cut).min(bytes.len());
            bytes.splice(at..end, piece.into_iter().flatten());
        }
        Input(bytes)
    })
}

fn pick<T: Clone + fmt::Debug + 'static>(items: impl IntoIterator<Item = T>) -> impl Strategy<Value = T> {
    select(items.into_iter().collect::<Vec<_>>())
}

fn owned<const N: usize>(items: [&str; N]) -> impl Strategy<Value = String> + use<N> {
    select(items.map(str::to_owned).to_vec())
}

/// An object of the members given, each left out at times and at times of a value that it should not have.
fn object_with(members: &[(&'static str, Value)]) -> impl Strategy<Value = Value> + use<> {
    let odd = [
        json!(null),
        json!(""),
        json!("x"),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(1_760_000_000_u64),
        json!([]),
        json!({}),
        json!(true),
    ];
    let member = members.iter().cloned().map(|(name, good)| {
        let odd = pick(odd.clone()).prop_map(Some);
        let value = prop_oneof![30 => Just(Some(good)), 1 => Just(None), 1 => odd];
        value.prop_map(move |value| value.map(|value| (name.to_owned(), value)))
    });
    member.collect::<Vec<_>>().prop_map(|members| Value::Object(members.into_iter().flatten().collect::<Map<_, _>>()))
}

#[test]
fn queries() {
    let name = owned([
        "code",
        "state",
        "error",
        "iss",
        "error_description",
        "login_hint",
        "lang",
        "prompt",
        "identity_provider",
        "c%6fde",
    ]);
    let value = prop_oneof![
        "[a-z0-9-]{0,40}",
        any::<String>().prop_map(|text| edgegate::web::query::encode(&text)),
        owned([
            "",
            "login",
            "https%3A%2F%2Fcognito-idp.us-east-1.amazonaws.com%2Fus-east-1_AbCdEf123",
            "invalid_scope",
            "access_denied"
        ]),
    ];
    let pairs = vec((name, value).prop_map(|(name, value)| format!("{name}={value}")), 0..5);
    holds(CASES, pairs.prop_map(|pairs| pairs.join("&")), web::query);
}

#[test]
fn cookie_headers() {
    let name = prop_oneof![
        owned([
            "__Host-session",
            "__Host-login-abc",
            "session",
            "edgegate-session",
            "edgegate-login-x",
            "EDGEGATE-Sign-ins",
            "__HOST-Session",
            "theme",
            "__Host-",
            "",
            "__Host-session "
        ]),
        "[a-zA-Z_-]{1,10}",
    ];
    let pair =
        (name, owned(["=", "", " = ", "=="]), "[!-~]{0,20}").prop_map(|(name, equals, value)| format!("{name}{equals}{value}"));
    let header = (vec(pair, 0..8), owned(["; ", ";", " ;\t", ", "])).prop_map(|(pairs, separator)| pairs.join(&separator));
    holds(CASES, header, web::cookie_header);
}

fn a_path() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        4 => owned(["public", "staff", "admin", "auth", "login", "a", "about.html", "x"]),
        1 => owned(["", ".", "..", "%2e%2e", "%73taff", "%61uth", "caf%C3%A9", "a b", "a+b", "100%25", "public;x", "é", "%252e", "..;"]),
        1 => "[ -~]{0,6}",
    ];
    vec(segment, 0..6).prop_map(|segments| format!("/{}", segments.join("/")))
}

#[test]
fn paths() {
    holds(CASES, a_path(), web::path);
}

/// An address with everything that it can have, and what comes before it.
fn an_address(hosts: &[&'static str]) -> impl Strategy<Value = String> + use<> {
    let before =
        owned(["https://", "http://", "https://", "HTTP://", "//", "\\\\", "/\\", "https:", "http:/", "https:///", "", " //"]);
    let user = prop_oneof![9 => Just(""), 1 => select(vec!["u@", "u:p@", "@", "u@v@"])];
    let port = prop_oneof![5 => Just(""), 4 => select(vec![":80", ":443", ":8443", ":", ":0", ":00080", ":65535"]), 1 => select(vec![":65536", ":x", ":+1"])];
    let rest = owned(["", "?", "?a='b'&c=\"d\"", "#a", "?a#b", "#a?b", "?next=https://evil.example/", " "]);
    let path = prop_oneof![4 => a_path(), 1 => Just(String::new())];
    (before, user, select(hosts.to_vec()), port, path, rest)
        .prop_map(|(before, user, host, port, path, rest)| format!("{before}{user}{host}{port}{path}{rest}"))
}

#[test]
fn locations() {
    const HOSTS: [&str; 10] = [
        "d1.cloudfront.net",
        "D1.cloudfront.net",
        "d1.%63loudfront.net",
        "d1.cloudfront.net.",
        "d1.cloudfront.net.evil.example",
        "evil.example",
        "localhost",
        "[::1]",
        "[0::1]",
        "d1.cloudfront\u{3002}net",
    ];
    holds(CASES, an_address(&HOSTS), web::location);
}

#[test]
fn return_paths() {
    let rest = owned(["", "?", "?view=reports&x=%2F%2Fevil", "#a", "?a#b", "?next=https://evil.example/", "@evil.example"]);
    let before =
        prop_oneof![20 => Just(String::new()), 1 => owned(["https://evil.example", "/", "\\", " ", "https:", "javascript:"])];
    holds(CASES, (before, a_path(), rest).prop_map(|(before, path, rest)| format!("{before}{path}{rest}")), web::return_path);
}

#[test]
fn key_sets() {
    let keys: Value = serde_json::from_str(jose::KEYS).unwrap();
    let key = |index: usize| {
        let member = |name| (name, keys["keys"][index][name].clone());
        let known = [
            member("kty"),
            member("kid"),
            member("use"),
            member("alg"),
            member("n"),
            member("e"),
            ("key_ops", json!(["verify"])),
        ];
        object_with(&known)
    };
    let list = vec(prop_oneof![key(0), key(1)], 0..5);
    holds(CASES, list.prop_map(|keys| json!({ "keys": keys }).to_string()), jose::jwks);
}

#[test]
fn tokens() {
    let known = pick(jose::TOKENS.lines().map(str::to_owned));
    holds(TOKEN_CASES, known, jose::jwt);
}

#[test]
fn tokens_signed_here() {
    let issuer = json!("https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEf123");
    let client = json!("1example23456789abcdefghij");
    let header = object_with(&[("alg", json!("RS256")), ("kid", json!("test-only-1")), ("typ", json!("JWT"))]);
    let times =
        [("iat", json!(1_760_000_000_u64)), ("exp", json!(1_760_003_600_u64)), ("sub", json!("subject")), ("iss", issuer)];
    let id = [("aud", client.clone()), ("token_use", json!("id")), ("nonce", json!("nonce"))];
    let access = [("client_id", client), ("token_use", json!("access")), ("username", json!("user"))];
    let claims = prop_oneof![object_with(&[&times[..], &id].concat()), object_with(&[&times[..], &access].concat())];
    let written = (header, claims, owned(["", "\"nbf\":1760000060,", "\"sub\":\"x\",", "\"crit\":[],"])).prop_map(
        |(header, claims, more)| format!("sign\n{header}\n{}", claims.to_string().replacen('{', &format!("{{{more}"), 1)),
    );
    holds(CASES, written, jose::jwt);
}

#[test]
fn token_responses() {
    let tokens = object_with(&[
        ("access_token", json!("a")),
        ("id_token", json!("i")),
        ("refresh_token", json!("r")),
        ("token_type", json!("Bearer")),
        ("expires_in", json!(3600)),
    ]);
    let error = pick(["invalid_grant", "invalid_client", "unauthorized_client", "invalid_scope", "something_new"])
        .prop_map(|error| json!({ "error": error }));
    let status = prop_oneof![6 => Just(200), 4 => Just(400), 1 => pick([201_u16, 301, 401, 403, 404, 429, 500, 503])];
    let body = prop_oneof![3 => tokens, 1 => error];
    let written = (status, of("[ -~]{0,8}"), body).prop_map(|(status, retry_after, body)| {
        let retry_after = retry_after.map(|value| format!(" {value}")).unwrap_or_default();
        format!("{status}{retry_after}\n{body}")
    });
    holds(CASES, written, oidc::token_response);
}

#[test]
fn rule_lists() {
    let pattern = prop_oneof![
        8 => "(/[a-c]{1,2}){0,3}(/\\*|/|/[a-c])",
        1 => "[ -~]{0,6}",
        1 => owned(["/*", "*", "/a//*", "/a/../b", "/é/*", "/a*"]),
    ];
    let allow = prop_oneof![
        8 => pick([json!("public"), json!("signed-in"), json!({"groups": ["admin"]}), json!({"groups": ["a", "b"]})]),
        1 => pick([json!("everybody"), json!({"groups": []}), json!({"groups": [""]}), json!({"public": null}), json!(null)]),
    ];
    let rule = (pattern, allow).prop_map(|(path, allow)| json!({"path": path, "allow": allow}));
    holds(CASES, vec(rule, 0..5).prop_map(|rules| Value::from(rules).to_string()), config::rules);
}

#[test]
fn key_rings() {
    let base64 = |bytes: Vec<u8>| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(bytes)
    };
    let bytes =
        prop_oneof![12 => vec(any::<u8>(), 32), 1 => vec(any::<u8>(), 0..40), 1 => any::<u8>().prop_map(|byte| vec![byte; 32])];
    let name = prop_oneof![12 => "[a-z0-9_-]{1,16}", 1 => owned(["v1", "", "v.1", "aaaaaaaaaaaaaaaaa"])];
    let key = (name, bytes).prop_map(move |(name, bytes)| format!("{name}:{}", base64(bytes)));
    let ring = prop_oneof![20 => vec(key.clone(), 1..4), 1 => vec(key, 7..10)];
    holds(CASES, (ring, owned([",", " , "])).prop_map(|(keys, comma)| keys.join(&comma)), config::session_keys);
}

#[test]
fn flow_cookies() {
    let genuine = include_str!("fuzz/seeds/flow_cookie/genuine").to_owned();
    let plain = object_with(&[
        ("state", json!(session::STATE)),
        ("nonce", json!("nonce")),
        ("verifier", json!("verifier")),
        ("return_path", json!("/")),
        ("expires_at", json!(1_760_000_600_u64)),
    ]);
    holds(CASES, prop_oneof![Just(genuine), plain.prop_map(|plain| plain.to_string())], session::flow_cookie);
}

#[test]
fn session_cookies() {
    let [record, sealed] =
        [include_str!("fuzz/seeds/session_cookie/record"), include_str!("fuzz/seeds/session_cookie/record-sealed")];
    let written = prop_oneof!["[A-Za-z0-9_-]{64}", "[A-Za-z0-9_-]{60,68}", owned([record, sealed])];
    holds(CASES, written, session::session_cookie);
}
