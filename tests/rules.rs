//! What the rules make of a request on its way to the origin: methods, conditions, a mode that only reports, identity, the log.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use edgegate::ports::{ForwardedBody, HeaderEdits, KvError, OriginRequest, UpstreamRequest};
use serde_json::{Value, json};
use support::browser::Reply;
use support::{Browser, Fault, PUBLIC_URL, Trouble, World, config};

const ORIGIN: (&str, &str) = ("ORIGIN_URL", "https://d111111abcdef8.cloudfront.net");
const RULES: &str = r#"[
    {"path":["/","/*.css"],"allow":"public"},
    {"path":["/forms/*","/hook"],"methods":["POST","DELETE"],"allow":"signed-in"},
    {"path":"/vote","methods":["POST"],"allow":"public"},
    {"path":"/pro/*","allow":{"claims":{"custom:plan":["pro","team"]}}},
    {"path":"/both","allow":{"groups":["staff"],"claims":{"custom:plan":["pro"]}}},
    {"path":"/lab/*","allow":{"groups":["lab"]},"mode":"report","identity":true},
    {"path":"/trial/*","allow":"signed-in","mode":"report"},
    {"path":"/me","allow":"signed-in","identity":true}]"#;
const OWN: [(&str, &str); 2] = [("origin", PUBLIC_URL), ("sec-fetch-site", "same-origin")];

fn browser() -> Browser {
    Browser::with(&World::new(), config(&[ORIGIN, ("RULES", RULES)]))
}

fn signed_in(groups: &[&'static str], claims: Value) -> Browser {
    let browser = browser();
    browser.world.cognito.groups.replace(groups.to_vec());
    browser.world.cognito.will(Trouble::Claims(claims));
    assert_eq!(browser.sign_in("/").status, 303);
    browser
}

fn ask(browser: &Browser, method: &'static str, path: &str, headers: &[(&'static str, &str)]) -> Reply {
    browser.world.forget_logs();
    browser.ask(method, &format!("{PUBLIC_URL}{path}"), headers)
}

/// What the origin was asked since the last look, if it was.
fn asked(browser: &Browser) -> Option<OriginRequest> {
    let mut asked = browser.world.site.asked.take();
    assert!(asked.len() < 2, "one request");
    asked.pop().map(|request| match request {
        UpstreamRequest::Origin(request) => request,
        UpstreamRequest::Assets { .. } => panic!("the assets"),
    })
}

fn set<'a>(edits: &'a HeaderEdits, name: &str) -> Option<&'a str> {
    let mut values = edits.set.iter().filter(|(key, _)| *key == name).map(|(_, value)| value.as_str());
    let value = values.next();
    assert_eq!(values.next(), None, "{name} once");
    value
}

/// Rule, outcome and reason of the one request that the log tells of.
fn logged(browser: &Browser) -> (String, String, String) {
    let logs = browser.world.logs.borrow();
    let [line] = logs.iter().filter(|line| line.contains(" request [")).collect::<Vec<_>>()[..] else { panic!("{logs:?}") };
    let field = |name: &str| {
        let (_, rest) = line.split_once(&format!("(\"{name}\", \""))?;
        Some(rest.split('"').next().unwrap().to_owned())
    };
    (field("rule").unwrap(), field("outcome").unwrap(), field("reason").unwrap_or_default())
}

fn is_logged(browser: &Browser, rule: &str, outcome: &str, reason: &str) {
    let (logged_rule, logged_outcome, logged_reason) = logged(browser);
    assert_eq!([&*logged_rule, &*logged_outcome, &*logged_reason], [rule, outcome, reason]);
}

#[test]
fn a_rule_opens_the_methods_that_it_names_and_no_other() {
    let nobody = browser();
    let alice = signed_in(&[], json!({}));
    for (method, path, of_nobody, of_alice, rule) in [
        ("POST", "/forms/a", 401, 200, "2"),
        ("DELETE", "/hook", 401, 200, "2"),
        ("POST", "/vote", 200, 200, "3"),
        // Not named: the next rule that matches, or the default.
        ("PUT", "/forms/a", 401, 405, "default"),
        ("GET", "/forms/a", 401, 200, "default"),
        ("DELETE", "/vote", 401, 405, "default"),
        ("GET", "/vote", 401, 200, "default"),
        ("POST", "/", 405, 405, "1"),
        ("POST", "/a.css", 405, 405, "1"),
        ("OPTIONS", "/a.css", 200, 200, "1"),
        ("OPTIONS", "/forms/a", 401, 405, "default"),
        ("GET", "/lab/x.css", 200, 200, "1"),
        ("GET", "/lab/.css", 200, 200, "6"),
    ] {
        for (who, browser, status) in [("nobody", &nobody, of_nobody), ("alice", &alice, of_alice)] {
            let reply = ask(browser, method, path, &OWN);
            assert_eq!((reply.status, reply.site), (status, status == 200), "{method} {path} of {who}");
            assert_eq!(logged(browser).0, rule, "{method} {path} of {who}");
            assert_eq!(asked(browser).is_some(), status == 200, "{method} {path} of {who}");
        }
    }
    for (path, allow) in [("/forms/a", "GET, HEAD, POST, DELETE"), ("/vote", "GET, HEAD, POST"), ("/app", "GET, HEAD")] {
        let reply = ask(&alice, "PATCH", path, &OWN);
        assert_eq!((reply.status, reply.header("allow")), (405, Some(allow)), "{path}");
    }
}

#[test]
fn a_body_goes_to_the_origin_with_its_type_and_nothing_is_stored() {
    let browser = browser();
    let headers = [&OWN[..], &[("content-type", "text/csv"), ("content-length", "9")]].concat();
    assert!(ask(&browser, "POST", "/vote?a=1", &headers).site);
    let sent = asked(&browser).unwrap();
    assert!(sent.url.ends_with("/vote?a=1") && sent.body == ForwardedBody::Streamed && !sent.may_be_cached);
    assert_eq!((set(&sent.headers, "content-type"), sent.timeout_ms), (Some("text/csv"), 30_000));
    assert!(ask(&browser, "GET", "/a.css", &headers).site);
    let sent = asked(&browser).unwrap();
    assert!(sent.body == ForwardedBody::Empty && sent.may_be_cached && set(&sent.headers, "content-type").is_none());
}

#[test]
fn an_unsafe_method_must_be_the_pages_own_before_anything_is_looked_up() {
    let sibling = "https://admin.example.com";
    let config = config(&[ORIGIN, ("RULES", RULES), ("ALLOWED_ORIGINS", sibling)]);
    let alice = Browser::with(&World::new(), config);
    assert_eq!(alice.sign_in("/").status, 303);
    let alice = alice.restarted();
    let reads = alice.world.kv.reads.get();
    for (method, path) in [("POST", "/forms/a"), ("DELETE", "/hook"), ("POST", "/vote")] {
        for headers in [
            &[][..],
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("origin", PUBLIC_URL), ("sec-fetch-site", "cross-site")],
        ] {
            let reply = ask(&alice, method, path, headers);
            assert_eq!((reply.status, &*reply.code()), (403, "csrf_rejected"), "{method} {path} {headers:?}");
            assert_eq!(logged(&alice).1, "", "{method} {path} {headers:?}");
        }
    }
    assert!(alice.world.kv.reads.get() == reads && asked(&alice).is_none(), "neither KV nor origin was asked");
    for headers in [&OWN[..], &[("origin", sibling)]] {
        assert!(ask(&alice, "POST", "/forms/a", headers).site, "{headers:?}");
        alice.world.site.asked.take();
    }
    // A method that is not opened gets its old answer.
    assert_eq!(ask(&alice, "PUT", "/forms/a", &[]).status, 405);
    let preflight = [("origin", sibling), ("access-control-request-method", "POST")];
    for (path, methods) in [("/forms/a", "GET, HEAD, POST, DELETE"), ("/a.css", "GET, HEAD"), ("/app", "GET, HEAD")] {
        let reply = ask(&alice, "OPTIONS", path, &preflight);
        assert_eq!((reply.status, reply.header("access-control-allow-methods")), (204, Some(methods)), "{path}");
    }
}

#[test]
fn the_embedded_site_takes_no_unsafe_method() {
    let embedded = Browser::with(&World::new(), config(&[("RULES", RULES)]));
    let reply = ask(&embedded, "POST", "/vote", &[]);
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")));
    assert_eq!(ask(&embedded, "POST", "/forms/a", &OWN).status, 401);
    assert!(embedded.world.site.asked.borrow().is_empty());
}

#[test]
fn claims_of_the_id_token_decide() {
    for (claims, status, outcome, reason) in [
        (json!({"custom:plan": "pro"}), 200, "allowed", ""),
        (json!({"custom:plan": ["free", "team"]}), 200, "allowed", ""),
        (json!({"custom:plan": "free"}), 403, "forbidden", "claim_missing"),
        (json!({"custom:plan": {"pro": "pro"}}), 403, "forbidden", "claim_missing"),
        (json!({}), 403, "forbidden", "claim_missing"),
    ] {
        let browser = signed_in(&["staff"], claims.clone());
        assert_eq!(ask(&browser, "GET", "/pro/x", &[]).status, status, "{claims}");
        is_logged(&browser, "4", outcome, reason);
        asked(&browser);
    }
    for (groups, plan, status, reason) in
        [(&["staff"][..], "pro", 200, ""), (&["staff"], "team", 403, "claim_missing"), (&["other"], "pro", 403, "group_missing")]
    {
        let browser = signed_in(groups, json!({"custom:plan": plan}));
        assert_eq!(ask(&browser, "GET", "/both", &[]).status, status, "{groups:?} {plan}");
        assert_eq!(logged(&browser).2, reason, "{groups:?} {plan}");
    }
}

#[test]
fn a_session_from_before_the_rule_gets_its_claims_at_the_next_renewal() {
    let old = Browser::with(&World::new(), config(&[ORIGIN]));
    old.world.cognito.will(Trouble::Claims(json!({"custom:plan": "pro"})));
    assert_eq!(old.sign_in("/").status, 303);
    assert!(old.stored().unwrap().rule_claims.is_empty(), "no rule names it");

    let browser = old.deployed(config(&[ORIGIN, ("RULES", RULES)]));
    assert_eq!(ask(&browser, "GET", "/pro/x", &[]).code(), "forbidden");
    is_logged(&browser, "4", "forbidden", "claim_not_kept_yet");
    assert!(browser.open("/app/").site, "and all else is open");

    browser.world.cognito.will(Trouble::Claims(json!({"custom:plan": "pro"})));
    browser.world.pass(3600);
    assert!(ask(&browser, "GET", "/pro/x", &[]).site, "renewed");
    assert_eq!(browser.stored().unwrap().rule_claims["custom:plan"], ["pro"]);
    // And the next renewal takes it away again.
    browser.world.pass(3600);
    assert_eq!(ask(&browser, "GET", "/pro/x", &[]).code(), "forbidden");
    is_logged(&browser, "4", "forbidden", "claim_missing");
}

#[test]
fn a_rule_that_reports_lets_everybody_pass_and_says_whom_it_would_refuse() {
    let nobody = browser();
    let alice = signed_in(&["users"], json!({}));
    let member = signed_in(&["lab"], json!({}));
    for (browser, path, rule, outcome, reason) in [
        (&nobody, "/trial/x", "7", "reported", "session_required"),
        (&alice, "/trial/x", "7", "allowed", ""),
        (&nobody, "/lab/x", "6", "reported", "session_required"),
        (&alice, "/lab/x", "6", "reported", "group_missing"),
        (&member, "/lab/x", "6", "allowed", ""),
    ] {
        let reply = ask(browser, "GET", path, &[("accept", "text/html")]);
        assert!(reply.site, "{path}: {}", reply.status);
        is_logged(browser, rule, outcome, reason);
        assert_eq!(reply.header("cache-control"), Some("private, no-cache"), "{path}: for no shared cache");
        let sent = asked(browser).unwrap();
        assert!(!sent.may_be_cached, "{path}");
        let known = (path == "/lab/x" && reason != "session_required").then_some("user-1");
        assert_eq!(set(&sent.headers, "x-auth-subject"), known, "{path} {reason}");
    }
}

#[test]
fn what_cannot_be_known_passes_a_rule_that_reports_and_no_other() {
    let browser = signed_in(&["users"], json!({}));
    for (path, status, rule, outcome, reason) in
        [("/trial/x", 200, "7", "reported", "kv_unavailable"), ("/app", 503, "default", "", "kv_unavailable")]
    {
        let elsewhere = browser.restarted();
        elsewhere.world.kv.will(2, "read session/", Fault::Refused(KvError::Unavailable));
        assert_eq!(ask(&elsewhere, "GET", path, &[]).status, status, "{path}");
        is_logged(&elsewhere, rule, outcome, reason);
    }
}

#[test]
fn the_origin_is_told_who_it_is_where_a_rule_says_so_and_never_by_the_client() {
    let browser = signed_in(&["admin", "a,b", "한 %"], json!({"email": "al%ice+é@example.com"}));
    let forged = [("x-auth-subject", "forged"), ("x-auth-email", "forged"), ("connection", "x-auth-subject, x-auth-groups")];
    assert!(ask(&browser, "GET", "/me", &forged).site);
    let sent = asked(&browser).unwrap();
    for (name, value) in [
        ("x-auth-subject", "user-1"),
        ("x-auth-email", "al%25ice+%C3%A9@example.com"),
        ("x-auth-groups", "admin,a%2Cb,%ED%95%9C%20%25"),
    ] {
        assert_eq!(set(&sent.headers, name), Some(value), "{name}");
        assert!(!(sent.passes)(name), "{name}");
    }
    assert!(ask(&browser, "GET", "/app", &forged).site, "a rule without identity");
    let sent = asked(&browser).unwrap();
    assert!(sent.headers.set.iter().all(|(name, _)| !name.starts_with("x-auth-")), "{:?}", sent.headers.set);

    for (claims, email) in [
        (json!({"email_verified": false}), None),
        (json!({"email_verified": null}), None),
        (json!({"email": null}), None),
        (json!({"email_verified": "true"}), Some("alice@example.com")),
    ] {
        let browser = signed_in(&[], claims.clone());
        assert!(ask(&browser, "GET", "/me", &[]).site);
        let sent = asked(&browser).unwrap();
        assert_eq!((set(&sent.headers, "x-auth-email"), set(&sent.headers, "x-auth-groups")), (email, None), "{claims}");
    }
}

#[test]
fn a_line_of_the_log_has_method_and_path_and_no_query() {
    let browser = browser();
    let long = format!("/{}", "x".repeat(300));
    for (method, path, fields) in [
        (
            "GET",
            "/%61pp?token=SeCrEt",
            r#"("method", "GET"), ("path", "/app"), ("rule", "default"), ("outcome", "sign_in")"#.to_owned(),
        ),
        ("GET", "/a.css", r#"("method", "GET"), ("path", "/a.css"), ("rule", "1"), ("outcome", "allowed")"#.to_owned()),
        ("GET", "/healthz?SeCrEt", r#"("method", "GET"), ("path", "/healthz"), ("rule", ""), ("outcome", "")"#.to_owned()),
        ("POST", "/auth/refresh", r#"("method", "POST"), ("path", "/auth/refresh"), ("rule", ""), ("outcome", "")"#.to_owned()),
        ("GET", "/a%2fb?SeCrEt", r#"("method", "GET"), ("path", ""), ("rule", ""), ("outcome", "")"#.to_owned()),
        (
            "GET",
            "/u/alice%40example.com/a%E2%80%A8b%E2%80%AEc.css",
            r#"("method", "GET"), ("path", "/u/[e-mail]/a?b?c.css"), ("rule", "1"), ("outcome", "allowed")"#.to_owned(),
        ),
        (
            "VERSION-CONTROL-AND-MORE",
            long.as_str(),
            format!(
                r#"("method", "VERSION-CONTROL-"), ("path", "{}"), ("rule", "default"), ("outcome", "sign_in")"#,
                &long[..200]
            ),
        ),
    ] {
        ask(&browser, method, path, &[]);
        assert!(browser.world.logged(&fields) && !browser.world.logged("SeCrEt"), "{path}: {:?}", browser.world.logs.borrow());
    }
    // A page load that is sent to the login, and one that a rule refuses.
    let page = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    assert_eq!(ask(&browser, "GET", "/app", &page).status, 302);
    is_logged(&browser, "default", "sign_in", "");
    let alice = signed_in(&["users"], json!({}));
    assert_eq!(ask(&alice, "GET", "/both", &page).status, 403);
    is_logged(&alice, "5", "forbidden", "group_missing");
}
