//! Deploys: what an earlier or a later version has written, key rings that rotate, another pool or client. Nothing is guessed,
//! nothing that this version cannot read is touched, and nobody loses a session that could be kept.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edgegate::ports::{HttpRequest, JwksCache};
use edgegate::session::id::SessionId;
use edgegate::session::record::Record;
use edgegate::session::seal::{Purpose, open, seal};
use serde_json::{Value, json};
use support::golden;
use support::world::Ports;
use support::{Browser, ISSUER, START, Trouble, World, config};

/// A browser with the session of an earlier version.
fn with_record(sealed: &str) -> Browser {
    let browser = Browser::new(&World::new());
    let entry = (sealed.to_owned(), START + 432_000);
    browser.world.kv.entries.borrow_mut().insert(golden::RECORD_KEY.to_owned(), entry);
    browser.cookies.borrow_mut().insert("__Host-session".to_owned(), golden::COOKIE.to_owned());
    browser
}

/// A browser with the login flow of an earlier version, and the callback that Cognito sends it to.
fn with_flow(sealed: &str) -> (Browser, String) {
    let browser = Browser::new(&World::new());
    browser.cookies.borrow_mut().insert(golden::FLOW_COOKIE.to_owned(), sealed.to_owned());
    golden::NONCE.clone_into(&mut browser.world.cognito.nonce.borrow_mut());
    (browser, format!("/auth/callback?code=c-1&state={}", golden::STATE))
}

/// The text with another first byte, the number of its format.
fn of_format(number: u8, sealed: &str) -> String {
    let mut bytes = URL_SAFE_NO_PAD.decode(sealed).unwrap();
    bytes[0] = number;
    URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn a_record_of_the_first_format_opens_for_ever() {
    let ring = &config(&[]).sealing_keys;
    let id = SessionId::parse(golden::COOKIE).unwrap();
    let record = Record::open(golden::RECORD, ring, &id).expect("opens");
    // The line breaks of the text are this file's alone; no space is in a value.
    let text: String = golden::RECORD_TEXT.split_whitespace().collect();
    assert_eq!(record.encode(), text);
    assert_eq!(id.names().record_key(), golden::RECORD_KEY);

    let browser = with_record(golden::RECORD);
    assert!(browser.open("/app/").site && browser.open("/admin/").site);
    assert_eq!(browser.get("/user-info").json()["email"], "alice@example.com");
    assert_eq!(browser.post("/auth/refresh", "").json()["access_token"], "golden-access-token");
    assert_eq!(browser.post("/auth/logout", "").status, 200);
    assert!(!browser.world.kv.keys().iter().any(|key| key == golden::RECORD_KEY));
}

#[test]
fn a_login_flow_of_the_first_format_ends_in_a_session() {
    let ring = &config(&[]).sealing_keys;
    for (sealed, text, again) in
        [(golden::FLOW_WITHOUT_AGAIN, golden::FLOW_WITHOUT_AGAIN_TEXT, false), (golden::FLOW, golden::FLOW_TEXT, true)]
    {
        let plain = open(ring, Purpose::LoginState, golden::STATE.as_bytes(), golden::FLOW_COOKIE, sealed).expect("opens");
        let (plain, text): (Value, Value) = (serde_json::from_slice(&plain).unwrap(), serde_json::from_str(text).unwrap());
        assert_eq!(plain, text);

        let (browser, callback) = with_flow(sealed);
        let reply = browser.open(&callback);
        assert_eq!((reply.status, reply.location()), (303, "/app/?view=golden"));
        assert!(browser.restarted().open("/app/").site);
        let forms = browser.world.cognito.token_forms.borrow();
        assert!(forms[0].contains("code_verifier=golden-verifier-golden-verifier-golden-verifier"), "{}", forms[0]);
        let rounds = browser.cookies.borrow()["__Host-sign-ins"].clone();
        assert!(rounds.starts_with(if again { "1." } else { "0." }), "a sign-in that is a round is counted: {rounds}");
    }
}

#[test]
fn a_key_set_that_an_earlier_version_left_in_the_cache_is_used() {
    let (world, config) = (World::new(), config(&[]));
    let ports = Ports(world.clone());
    let url = config.jwks_url();
    let request = HttpRequest { url, headers: Vec::new(), form: None, timeout_ms: 1000, max_body_bytes: 65_536 };
    let key_set = world.cognito.answer(&request, START).expect("a key set").body;
    let plain = format!(r#"{{"fetched_at":{START},"body":{}}}"#, json!(String::from_utf8(key_set).unwrap()));
    let sealed = seal(&config.sealing_keys, Purpose::KeySet, &[], ISSUER, plain.as_bytes(), &ports).expect("seals");
    futures_executor::block_on(ports.jwks_cache_put(&sealed, 86_400));
    world.cognito.keys_down.set(true);
    assert_eq!(Browser::new(&world).sign_in("/app/").status, 303);
    assert_eq!(world.cognito.key_fetches.get(), 1, "this test's own");
}

#[test]
fn a_record_of_an_unknown_format_is_an_ended_session_and_is_left_alone() {
    let not_sealed_text = ["", "1", "{}", "a=b", "null"].map(str::to_owned);
    let numbered = [0, 2, 3, 255].map(|number| of_format(number, golden::RECORD));
    for sealed in numbered.into_iter().chain(not_sealed_text) {
        let browser = with_record(&sealed);
        let before = browser.world.kv.entries.borrow().clone();
        assert_eq!(browser.get("/user-info").code(), "session_expired", "{sealed:.8}");
        assert_eq!(browser.post("/auth/refresh", r#"{"force":true}"#).code(), "session_expired", "{sealed:.8}");
        assert_eq!(browser.get("/auth/status").json()["authenticated"], false, "{sealed:.8}");
        assert_eq!(browser.open("/app/").location(), "/auth/login?return_to=%2Fapp%2F", "{sealed:.8}");
        assert_eq!(*browser.world.kv.entries.borrow(), before, "{sealed:.8}");
        assert!(!browser.world.logged("Error"), "{sealed:.8}: no alarm");
        assert!(browser.cookies.borrow().contains_key("__Host-session"), "{sealed:.8}: a version that reads it may be back");
    }
    // The nearest that is one: this format, and somebody has written to it.
    let mut bytes = URL_SAFE_NO_PAD.decode(golden::RECORD).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let browser = with_record(&URL_SAFE_NO_PAD.encode(bytes));
    assert_eq!(browser.get("/user-info").code(), "session_expired");
    assert!(browser.world.logged("Error session_record_does_not_open"));
}

#[test]
fn a_login_flow_of_an_unknown_format_has_expired_and_spends_no_code() {
    for sealed in [of_format(0, golden::FLOW), of_format(2, golden::FLOW), String::new(), "flow".to_owned()] {
        let (browser, callback) = with_flow(&sealed);
        let reply = browser.get(&callback);
        assert_eq!((reply.status, reply.code().as_str()), (400, "login_expired"), "{sealed:.8}");
        assert_eq!(browser.world.cognito.token_requests(), 0, "{sealed:.8}");
        assert!(!browser.world.logged("Error"), "{sealed:.8}: no alarm");
        assert_eq!(browser.sign_in("/app/").status, 303, "{sealed:.8}: and the next login is one like any other");
    }
}

#[test]
fn a_record_of_a_later_version_with_members_that_this_one_does_not_know_opens() {
    let config = config(&[]);
    let id = SessionId::parse(golden::COOKIE).unwrap();
    let mut text: Value = serde_json::from_str(golden::RECORD_TEXT).unwrap();
    text["device"] = json!({"name": "of a later version"});
    text["profile"]["phone_number"] = json!("+821012345678");
    let ports = Ports(World::new());
    let plain = text.to_string();
    let sealed = seal(&config.sealing_keys, Purpose::Session, id.secret(), golden::RECORD_KEY, plain.as_bytes(), &ports).unwrap();
    let browser = with_record(&sealed);
    assert!(browser.open("/app/").site);
    assert_eq!(browser.get("/user-info").json()["email"], "alice@example.com");
    // A member that this version needs and does not find is no session, and no alarm.
    text.as_object_mut().unwrap().remove("version");
    let plain = text.to_string();
    let sealed = seal(&config.sealing_keys, Purpose::Session, id.secret(), golden::RECORD_KEY, plain.as_bytes(), &ports).unwrap();
    let browser = with_record(&sealed);
    assert_eq!(browser.get("/user-info").code(), "session_expired");
    assert!(!browser.world.logged("Error"));
}

/// TEST ONLY. The rings of a rotation in its order: the new key is appended, then moved first, then the old one is dropped.
const STAGES: [&str; 4] = [
    V1,
    "v1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=,v2:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=",
    "v2:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=,v1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "v2:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=",
];
const V1: &str = "v1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

fn at_stage(browser: &Browser, stage: usize) -> Browser {
    browser.deployed(config(&[("SESSION_KEYS", STAGES[stage])]))
}

/// During a deploy, gateways of two stages serve one browser.
#[test]
fn a_key_ring_rotates_in_two_deploys_under_sessions_and_logins() {
    for (one, other) in [(0, 1), (1, 0), (1, 2), (2, 1)] {
        let case = format!("stages {one} and {other}");
        let browser = at_stage(&Browser::new(&World::new()), one);
        let callback = browser.begin("/app/");
        let other_side = at_stage(&browser, other);
        assert_eq!(other_side.open(&callback).status, 303, "{case}: a login begun before, ended after");
        let back = at_stage(&other_side, one);
        assert!(back.open("/app/").site, "{case}: its session");
        for stage in [one, other, one] {
            browser.world.pass(3600);
            let renewed = at_stage(&back, stage).post("/auth/refresh", "");
            assert_eq!(renewed.status, 200, "{case}: renewed at {stage}");
            for reader in [one, other] {
                assert!(at_stage(&back, reader).open("/app/").site, "{case}: renewed at {stage}, read at {reader}");
            }
        }
        assert_eq!(at_stage(&back, other).post("/auth/logout", "").status, 200, "{case}");
        assert_eq!(at_stage(&back, one).get("/user-info").code(), "session_expired", "{case}");
        assert!(!browser.world.logged("Error"), "{case}");
    }
}

#[test]
fn dropping_the_old_key_ends_what_was_never_sealed_anew_and_nothing_else() {
    // Made under the old key: one renewed after the new one was first, one not, and a login under way.
    let old = at_stage(&Browser::new(&World::new()), 1);
    assert_eq!(old.sign_in("/app/").status, 303);
    let renewed = at_stage(&Browser::new(&old.world), 1);
    assert_eq!(renewed.sign_in("/app/").status, 303);
    let signing_in = at_stage(&Browser::new(&old.world), 1);
    let callback = signing_in.begin("/app/");
    old.world.pass(300);
    assert_eq!(at_stage(&renewed, 2).post("/auth/refresh", r#"{"force":true}"#).status, 200);

    let before = old.world.kv.entries.borrow().clone();
    assert!(at_stage(&renewed, 3).open("/app/").site, "sealed anew; its id is of the old key, and that is no matter");
    assert_eq!(at_stage(&old, 3).get("/user-info").code(), "session_expired");
    assert_eq!(at_stage(&signing_in, 3).get(&callback).code(), "login_expired");
    assert_eq!(*old.world.kv.entries.borrow(), before, "nothing is deleted or overwritten");
    assert!(!old.world.logged("Error"), "no alarm");
    assert!(at_stage(&old, 2).open("/app/").site, "and with the key back, it is as it was");
}

/// Why it takes two deploys: gateways that do not have the new key yet cannot open what it has sealed. They lose nothing.
#[test]
fn a_key_that_seals_before_all_have_it_shuts_out_for_a_while_and_loses_nothing() {
    let new = at_stage(&Browser::new(&World::new()), 2);
    assert_eq!(new.sign_in("/app/").status, 303);
    assert_eq!(at_stage(&new, 0).get("/user-info").code(), "session_expired");
    assert!(at_stage(&new, 2).open("/app/").site && !new.world.logged("Error"));
}

#[test]
fn another_pool_or_client_ends_the_sessions_of_the_old_one_without_a_loop() {
    let other_issuer = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Another12";
    let other_client = "2example23456789abcdefghij";
    for (variable, value, claims) in [
        ("COGNITO_CLIENT_ID", other_client, json!({"aud": other_client, "client_id": other_client})),
        ("COGNITO_ISSUER", other_issuer, json!({"iss": other_issuer})),
    ] {
        let old = Browser::new(&World::new());
        assert_eq!(old.sign_in("/app/").status, 303);
        let before = old.world.kv.entries.borrow().clone();
        let browser = old.deployed(config(&[(variable, value)]));
        assert_eq!(browser.get("/user-info").code(), "session_expired", "{variable}");
        assert_eq!(browser.post("/auth/refresh", "").code(), "session_expired", "{variable}");
        assert_eq!(browser.open("/app/").location(), "/auth/login?return_to=%2Fapp%2F", "{variable}");
        assert_eq!(*old.world.kv.entries.borrow(), before, "{variable}: the record is left alone");
        assert_eq!(old.world.cognito.token_requests(), 1, "{variable}: and nobody asks with its refresh token");
        assert!(old.restarted().open("/app/").site, "{variable}: rolled back, it is as it was");

        browser.world.cognito.also_publish_keys_for(value);
        browser.world.cognito.will(Trouble::Claims(claims));
        assert_eq!(browser.sign_in("/app/").status, 303, "{variable}");
        assert!(browser.open("/app/").site && browser.restarted().open("/app/").site, "{variable}: one sign-in, no loop");
        assert!(!browser.world.logged("login_loop") && !browser.world.logged("Error"), "{variable}");
    }
}
