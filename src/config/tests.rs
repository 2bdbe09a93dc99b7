use super::*;
use crate::access::rules::Conditions;

const KEY: &str = "v1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

fn base(name: &str) -> Option<String> {
    let value = match name {
        "PUBLIC_URL" => "https://app.example.com",
        "COGNITO_USER_POOL_ID" => "us-east-1_AbCdEf123",
        "COGNITO_CLIENT_ID" => "1example23456789abcdefghij",
        "COGNITO_DOMAIN" => "https://auth.example.com",
        "SESSION_KEYS" => KEY,
        _ => return None,
    };
    Some(value.to_owned())
}

fn with<'a>(name: &'a str, value: &'a str) -> impl Fn(&str) -> Option<String> + 'a {
    move |asked| if asked == name { Some(value.to_owned()) } else { base(asked) }
}

#[test]
fn the_defaults_are_those_of_the_table() {
    let config = Config::parse(base).expect("valid");
    assert_eq!(config.cognito.issuer, "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEf123");
    assert_eq!(config.jwks_url(), format!("{}/.well-known/jwks.json", config.cognito.issuer));
    assert_eq!(config.cognito.redirect_uri.as_str(), "https://app.example.com/auth/callback");
    assert_eq!(config.redirect_page_path(), None);
    assert_eq!(config.cognito.logout_uri, "https://app.example.com/");
    assert_eq!(config.cognito.scopes, "openid email profile");
    assert_eq!(config.session, SessionLife { ttl_secs: 432_000, idle_secs: None, outage_grace_secs: 600 });
    assert_eq!(config.guard_secs, 10);
    assert_eq!(config.browser_tokens, BrowserTokens::Access);
    assert_eq!(config.site, Site::Assets);
    assert!(!config.keep_fragment);
    assert_eq!(config.rules.access("/robots.txt"), &Access::Public);
    assert_eq!(config.rules.access("/.well-known/x"), &Access::Public);
    assert_eq!(config.rules.access("/index.html"), &Access::SignedIn);
}

#[test]
fn each_wrong_value_is_named_alone() {
    let too_long = "x".repeat(257);
    let table = [
        (
            "PUBLIC_URL",
            vec![
                "",
                "app.example.com",
                "http://app.example.com",
                "https://app.example.com/path",
                "https://u@app.example.com",
                "https://app.example.com:443",
                "https://APP.example.com",
            ],
        ),
        (
            "COGNITO_USER_POOL_ID",
            vec!["", "AbCdEf123", "us-east-1", "us-east-1_", "useast1_A", "us-east-1_A-B", "us-east-1_A/../b"],
        ),
        ("COGNITO_CLIENT_ID", vec!["", "has space", "a/b"]),
        ("COGNITO_DOMAIN", vec!["", "auth.example.com", "http://auth.example.com", "https://auth.example.com/login"]),
        ("COGNITO_ISSUER", vec!["http://issuer.example.com/p", "https://issuer.example.com/p/", "https://i.example.com/p?q"]),
        ("COGNITO_CLIENT_SECRET", vec!["short", "twenty-four-characters-but-dashes"]),
        (
            "REDIRECT_URI",
            vec![
                "/auth/callback",
                "https://evil.example/auth/callback",
                "https://app.example.com/auth/other",
                "https://app.example.com/gated.html",
                "https://app.example.com/robots.txt?x=1",
                "https://app.example.com/config",
            ],
        ),
        ("LOGOUT_URI", vec!["/", "ftp://x.example", "https://app.example.com/#x"]),
        ("SCOPES", vec!["email", "openid  email", "openid offline_access", "openid \"x\""]),
        (
            "SESSION_KEYS",
            vec![
                "",
                "v1",
                "v1:AAAA",
                "v1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                "v1:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=",
                ":MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
            ],
        ),
        ("SESSION_TTL_SECS", vec!["59", "2592001", "5d", "-1", "+60", "60.0"]),
        ("SESSION_IDLE_SECS", vec!["59", "x"]),
        ("OUTAGE_GRACE_SECS", vec!["3601", "-1"]),
        ("GUARD_SECS", vec!["0", "31", "-1", "ten"]),
        ("BROWSER_TOKENS", vec!["all", "ACCESS"]),
        ("API_URL", vec!["api.example.com", "http://api.example.com"]),
        ("WS_URL", vec!["https://ws.example.com", "ws://ws.example.com"]),
        ("ORIGIN_URL", vec!["http://d1.cloudfront.net", "https://d1.cloudfront.net/path"]),
        (
            "ORIGIN_SECRET",
            vec![
                "fifteen-letters",
                "has a space within",
                " sixteen-letters!",
                "sixteen-letters!\r\n",
                "sixteen-létters!",
                &too_long,
            ],
        ),
        ("ALLOWED_ORIGINS", vec!["*", "https://a.example.com,", "https://*.example.com", "null"]),
        (
            "RULES",
            vec![
                "{}",
                "[{\"path\":\"/a\"}]",
                "[{\"path\":\"a\",\"allow\":\"public\"}]",
                "[{\"path\":\"/a\",\"allow\":\"everyone\"}]",
                "[{\"path\":\"/a*\",\"allow\":\"public\"}]",
                "[{\"path\":\"/a\",\"allow\":{\"groups\":[]}}]",
                "[{\"path\":\"/a\",\"allow\":\"public\",\"x\":1}]",
                "[{\"path\":\"/%61\",\"allow\":\"public\"}]",
                "[{\"path\":\"/a//*\",\"allow\":\"public\"}]",
                "[{\"path\":\"//*\",\"allow\":\"public\"}]",
                "[{\"path\":\"/my files/*\",\"allow\":\"public\"}]",
                "[[\"/a\",\"public\"]]",
                "[{\"path\":\"/a\",\"allow\":{\"public\":null}}]",
                "[{\"path\":\"/a\",\"allow\":[[\"admin\"]]}]",
                "[{\"path\":\"/a\",\"allow\":{\"groups\":[\"a\"],\"x\":1}}]",
                "[{\"path\":\"/a\",\"allow\":{\"groups\":[\"a\"],\"groups\":[\"b\"]}}]",
                "[{\"path\":\"/a\",\"allow\":\"signed-in\",\"allow\":\"public\"}]",
            ],
        ),
        (
            "SPA_FALLBACK",
            vec![
                "index.html",
                "https://app.example.com/index.html",
                "//evil.example/index.html",
                "/index.html?v=1",
                "/index.html#top",
                "/a/../index.html",
                "/app%2findex.html",
                "/\u{e9}.html",
                "/*",
                "/auth/login",
                "/config",
            ],
        ),
        ("KEEP_FRAGMENT", vec!["yes", "1", "TRUE", "true "]),
    ];
    for (name, values) in table {
        for value in values {
            let problems = Config::parse(with(name, value)).expect_err(&format!("{name}={value}"));
            let names: Vec<_> = problems.iter().map(|problem| problem.name).collect();
            assert_eq!(names, [name], "{name}={value}");
        }
    }
}

#[test]
fn the_origins_secret_is_any_visible_text_and_never_printed() {
    for secret in ["sixteen-letters!".to_owned(), "~".repeat(256), r#"a"b\c,d;e=f/g+h:i%j"#.to_owned()] {
        let config = Config::parse(with("ORIGIN_SECRET", &secret)).expect(&secret);
        assert_eq!(config.origin_secret.as_ref().map(Secret::expose), Some(secret.as_str()));
        assert!(!format!("{config:?}").contains(&secret));
    }
    let config = Config::parse(with("ORIGIN_SECRET", "")).expect("unset");
    assert_eq!(config.origin_secret, None);
}

#[test]
fn all_problems_come_at_once_and_hold_no_value() {
    let problems = Config::parse(|_| Some("SeCrEtVaLuE !".to_owned())).expect_err("all wrong");
    // An e-mail, a token, a key: whatever was put there by mistake stays out of the log.
    assert!(!format!("{problems:?}").contains("SeCrEtVaLuE"));
    let mut names: Vec<_> = problems.iter().map(|problem| problem.name).collect();
    let mut expected: Vec<_> = VARIABLES.to_vec();
    names.sort_unstable();
    expected.sort_unstable();
    assert_eq!(names, expected);
}

#[test]
fn a_public_page_may_be_the_redirect_uri() {
    let rules = r#"[{"path":"/signed-in.html","allow":"public"}]"#;
    let config = Config::parse(|name| match name {
        "REDIRECT_URI" => Some("https://app.example.com/signed-in.html".to_owned()),
        "RULES" => Some(rules.to_owned()),
        _ => base(name),
    })
    .expect("valid");
    assert_eq!(config.redirect_page_path(), Some("/signed-in.html"));
    // The same page without the rule would send Cognito's answer into another login.
    let problems = Config::parse(with("REDIRECT_URI", "https://app.example.com/signed-in.html")).expect_err("gated");
    assert_eq!(problems.first().map(|problem| problem.name), Some("REDIRECT_URI"));
}

#[test]
fn http_is_for_loopback_only() {
    for origin in ["http://localhost:8787", "http://127.0.0.1:8787", "http://[::1]:8787"] {
        assert!(Config::parse(with("PUBLIC_URL", origin)).is_ok(), "{origin}");
    }
    for origin in ["http://localhost.example.com", "http://127.0.0.2", "http://0.0.0.0"] {
        assert!(Config::parse(with("PUBLIC_URL", origin)).is_err(), "{origin}");
    }
}

#[test]
fn a_host_is_written_as_browsers_write_it() {
    for (host, accepted) in [
        ("api.example.com", true),
        ("API.example.com", true),
        ("api.example.com.", true),
        ("api.example.com:8443", true),
        ("api.example.com:443", true),
        ("api.example.com:", true),
        ("xn--bcher-kva.example", true),
        ("203.0.113.7", true),
        ("[::1]", true),
        ("", false),
        (":443", false),
        ("user@api.example.com", false),
        ("user:password@api.example.com", false),
        ("api.example.com:443@api.example.com", false),
        ("api.example.com:@api.example.com", false),
        ("@api.example.com", false),
        (":@api.example.com", false),
        ("api.example.com@evil.example", false),
        ("evil.example\\@api.example.com", false),
        ("api.example.com:65536", false),
        ("api.example.com:+443", false),
        ("api.example.com:https", false),
        ("api.example.com,b.example", false),
        ("*.example.com", false),
        ("a_b.example", false),
        ("%61pi.example.com", false),
        ("bücher.example", false),
        ("ａpi.example.com", false),
        ("127.1", false),
        ("0x7f.0.0.1", false),
        ("2130706433", false),
        ("127.0.0.01", false),
        ("256.0.0.1", false),
        ("a.0x7f", false),
        ("[0::1]", false),
        ("[2001:db8::1]", false),
        ("[::1", false),
        ("api.exam\tple.com", false),
        (" api.example.com", false),
    ] {
        for (variable, scheme) in [("API_URL", "https"), ("WS_URL", "wss"), ("LOGOUT_URI", "https"), ("COGNITO_ISSUER", "https")]
        {
            let url = format!("{scheme}://{host}/a");
            assert_eq!(Config::parse(with(variable, &url)).is_ok(), accepted, "{variable}={url}");
        }
    }
    for url in
        ["https:api.example.com/a", "https:/api.example.com/a", "https:///api.example.com/a", "https:\\\\api.example.com/a"]
    {
        assert!(Config::parse(with("API_URL", url)).is_err(), "{url}");
    }
}

#[test]
fn regions_of_every_partition_make_an_issuer() {
    for (pool, issuer) in [
        ("cn-north-1_Abc", "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_Abc"),
        ("us-gov-west-1_Abc", "https://cognito-idp.us-gov-west-1.amazonaws.com/us-gov-west-1_Abc"),
    ] {
        let config = Config::parse(with("COGNITO_USER_POOL_ID", pool)).expect(pool);
        assert_eq!(config.cognito.issuer, issuer);
    }
}

#[test]
fn a_key_ring_keeps_its_order_and_refuses_repeated_names() {
    let two = format!("v2:{},{KEY}", "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=");
    let ring = KeyRing::parse(&two).expect("valid");
    assert_eq!(ring.newest().name(), "v2");
    assert!(ring.find(b"v1").is_some());
    assert!(ring.find(b"v3").is_none());
    assert_eq!(KeyRing::parse(&format!("{KEY},{KEY}")), None);
    assert!(!format!("{ring:?}").contains("ZmVk"));
}

#[test]
fn the_first_matching_rule_wins() {
    let rules = Rules::parse(
        r#"[{"path":"/admin/open","allow":"public"},{"path":"/admin/*","allow":{"groups":["admin","ops"]}},{"path":"/","allow":"public"}]"#,
    )
    .expect("valid");
    let groups = Some(vec!["admin".to_owned(), "ops".to_owned()]);
    let groups = Access::Only(Conditions { groups, ..Conditions::default() });
    for (path, access) in [
        ("/admin", &groups),
        ("/admin/", &groups),
        ("/admin/x", &groups),
        ("/admin/open", &Access::Public),
        ("/admin/open/x", &groups),
        ("/administrator", &Access::SignedIn),
        ("/Admin/x", &Access::SignedIn),
        ("/", &Access::Public),
        ("/x", &Access::SignedIn),
    ] {
        assert_eq!(rules.access(path), access, "{path}");
    }
}

#[test]
fn a_wrong_rule_is_named_in_the_problem() {
    let good = r#"{"path":"/a","allow":"public"}"#;
    for (json, told) in [
        ("SeCrEt", "not JSON at line 1, column 1"),
        ("{}", r#"a JSON list of rules, each {"path","allow"}"#),
        (
            r#"[GOOD,{"path":"/a","allow":"signedin"}]"#,
            r#"rule 2: "allow" is "signedin"; wanted "public", "signed-in" or {"groups":["name"],"claims":{"name":["value"]}}, one member or both"#,
        ),
    ] {
        let problems = Config::parse(with("RULES", &json.replace("GOOD", good))).expect_err(json);
        let [problem] = problems.as_slice() else { panic!("{json}: {problems:?}") };
        assert_eq!((problem.name, &*problem.wanted), ("RULES", told), "{json}");
    }
}

#[test]
fn a_rule_for_a_folders_page_is_for_both_of_its_names() {
    let rules = |path: &str| Rules::parse(&format!(r#"[{{"path":"{path}","allow":{{"groups":["admin"]}}}}]"#)).expect("valid");
    for (pattern, path, covered) in [
        ("/admin/", "/admin/index.html", true),
        ("/admin/index.html", "/admin/", true),
        ("/admin/index.html", "/admin/index.html", true),
        ("/admin/index.html", "/admin", false),
        ("/admin/", "/admin/x/index.html", false),
        ("/admin", "/admin/index.html", false),
        ("/admin/xindex.html", "/admin/x", false),
        ("/", "/index.html", false),
        ("/index.html", "/", false),
    ] {
        assert_eq!(matches!(rules(pattern).access(path), Access::Only(_)), covered, "{pattern} {path}");
    }
}
