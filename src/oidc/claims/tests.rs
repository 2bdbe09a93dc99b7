use super::*;
use crate::oidc::fixtures::{CLIENT, ISSUER, cognito};
use serde_json::json;

fn id_claims() -> Value {
    json!({"iss":ISSUER,"aud":CLIENT,"token_use":"id","sub":"s-1","nonce":"n-1","auth_time":5,
        "email":"a@example.com","email_verified":true,"cognito:username":"u-1","cognito:groups":["admin"]})
}

fn access_claims() -> Value {
    json!({"iss":ISSUER,"client_id":CLIENT,"token_use":"access","sub":"s-1","username":"u-1","scope":"openid"})
}

/// `null` deletes the claim.
fn changed(mut claims: Value, name: &str, value: &Value) -> SignedClaims {
    let members = claims.as_object_mut().expect("object");
    if value.is_null() {
        members.remove(name);
    } else {
        members.insert(name.to_owned(), value.clone());
    }
    let times = TokenTimes { issued_at: 1, expires_at: 2 };
    SignedClaims { times, members: members.clone() }
}

fn login(name: &str, value: &Value) -> Result<IdToken, ClaimError> {
    check_id_token(&changed(id_claims(), name, value), &cognito(), Nonce::MustBe("n-1"), Some("at"))
}

#[test]
fn a_cognito_id_token_passes() {
    let Ok(token) = login("x", &json!(1)) else { panic!("refused") };
    assert_eq!(token.subject, "s-1");
    assert_eq!(token.auth_time, Some(5));
    assert_eq!(token.profile.groups, ["admin"]);
    assert_eq!(token.profile.display_name().as_deref(), Some("a@example.com"));
    for (name, value) in
        [("aud", json!([CLIENT])), ("azp", json!(CLIENT)), ("at_hash", json!(access_token_hash("at"))), ("email", Value::Null)]
    {
        assert!(login(name, &value).is_ok(), "{name}={value}");
    }
}

#[test]
fn each_wrong_claim_of_an_id_token_is_refused() {
    for (name, value, error) in [
        ("iss", Value::Null, ClaimError::WrongIssuer),
        ("iss", json!(format!("{ISSUER}/")), ClaimError::WrongIssuer),
        ("iss", json!(ISSUER.to_uppercase()), ClaimError::WrongIssuer),
        ("iss", json!(format!(" {ISSUER}")), ClaimError::WrongIssuer),
        ("iss", json!(&ISSUER[..ISSUER.len() - 1]), ClaimError::WrongIssuer),
        ("aud", Value::Null, ClaimError::WrongAudience),
        ("aud", json!("other"), ClaimError::WrongAudience),
        ("aud", json!([CLIENT, "other"]), ClaimError::WrongAudience),
        ("aud", json!([]), ClaimError::WrongAudience),
        ("aud", json!([CLIENT, CLIENT]), ClaimError::WrongAudience),
        ("aud", json!([[CLIENT]]), ClaimError::WrongAudience),
        ("aud", json!([7]), ClaimError::WrongAudience),
        ("aud", json!(CLIENT.to_uppercase()), ClaimError::WrongAudience),
        ("azp", json!("other"), ClaimError::WrongAuthorizedParty),
        ("token_use", Value::Null, ClaimError::WrongTokenUse),
        ("token_use", json!("access"), ClaimError::WrongTokenUse),
        ("nonce", Value::Null, ClaimError::WrongNonce),
        ("nonce", json!("n-2"), ClaimError::WrongNonce),
        ("nonce", json!("N-1"), ClaimError::WrongNonce),
        ("nonce", json!("n-"), ClaimError::WrongNonce),
        ("nonce", json!("n-1 "), ClaimError::WrongNonce),
        ("at_hash", json!("wrong"), ClaimError::WrongAccessTokenHash),
        ("sub", Value::Null, ClaimError::BadSubject),
        ("sub", json!(""), ClaimError::BadSubject),
        ("sub", json!("x".repeat(256)), ClaimError::BadSubject),
        ("sub", json!("ü"), ClaimError::BadSubject),
    ] {
        assert_eq!(login(name, &value).err(), Some(error), "{name}={value}");
    }
    for sub in ["x".to_owned(), "x".repeat(255)] {
        assert!(login("sub", &json!(sub)).is_ok_and(|token| token.subject == sub), "{sub}");
    }
}

/// A claim of the wrong type is a wrong claim, even `null` or a list of the right text.
fn of_wrong_types(right: &str) -> [Value; 7] {
    [json!(null), json!(true), json!(0), json!(7), json!([]), json!([right]), json!({"value": right})]
}

#[test]
fn claims_of_another_type_are_refused() {
    for (name, right, error) in [
        ("iss", ISSUER, ClaimError::WrongIssuer),
        ("token_use", "id", ClaimError::WrongTokenUse),
        ("azp", CLIENT, ClaimError::WrongAuthorizedParty),
        ("nonce", "n-1", ClaimError::WrongNonce),
        ("at_hash", &access_token_hash("at"), ClaimError::WrongAccessTokenHash),
        ("sub", "s-1", ClaimError::BadSubject),
    ] {
        for wrong in of_wrong_types(right) {
            let mut claims = changed(id_claims(), name, &Value::Null);
            claims.members.insert(name.to_owned(), wrong.clone());
            let checked = check_id_token(&claims, &cognito(), Nonce::MustBe("n-1"), Some("at"));
            assert_eq!(checked.err(), Some(error), "{name}={wrong}");
        }
    }
    for (name, right, error) in [
        ("iss", ISSUER, ClaimError::WrongIssuer),
        ("token_use", "access", ClaimError::WrongTokenUse),
        ("client_id", CLIENT, ClaimError::WrongAudience),
        ("sub", "s-1", ClaimError::BadSubject),
    ] {
        for wrong in of_wrong_types(right) {
            let mut claims = changed(access_claims(), name, &Value::Null);
            claims.members.insert(name.to_owned(), wrong.clone());
            assert_eq!(check_access_token(&claims, &cognito()).err(), Some(error), "{name}={wrong}");
        }
    }
}

#[test]
fn the_access_token_hash_is_that_of_openid_connect_core_appendix_a() {
    assert_eq!(access_token_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"), "77QmUPtjPfzWtF2AnpK9RQ");
}

#[test]
fn without_an_access_token_its_hash_says_nothing() {
    let claims = changed(id_claims(), "at_hash", &json!("wrong"));
    assert!(check_id_token(&claims, &cognito(), Nonce::MustBe("n-1"), None).is_ok());
}

#[test]
fn after_a_refresh_the_nonce_may_be_missing_but_not_different() {
    let refresh =
        |value: &Value| check_id_token(&changed(id_claims(), "nonce", value), &cognito(), Nonce::AbsentOr("n-1"), None).err();
    assert_eq!(refresh(&Value::Null), None);
    assert_eq!(refresh(&json!("n-1")), None);
    assert_eq!(refresh(&json!("n-2")), Some(ClaimError::WrongNonce));
    assert_eq!(refresh(&json!("")), Some(ClaimError::WrongNonce));
    let mut claims = changed(id_claims(), "nonce", &Value::Null);
    claims.members.insert("nonce".to_owned(), Value::Null);
    let checked = check_id_token(&claims, &cognito(), Nonce::AbsentOr("n-1"), None);
    assert_eq!(checked.err(), Some(ClaimError::WrongNonce), "a null is not absent");
}

#[test]
fn on_a_token_of_an_api_client_the_nonce_is_not_looked_at() {
    for nonce in [Value::Null, json!("n-2"), json!(7)] {
        assert!(check_id_token(&changed(id_claims(), "nonce", &nonce), &cognito(), Nonce::Unknown, None).is_ok(), "{nonce}");
    }
}

#[test]
fn the_time_of_login_is_whole_seconds_or_unknown() {
    for (value, read) in [
        (json!(0), Some(0)),
        (json!(u64::MAX), Some(u64::MAX)),
        (json!(-1), None),
        (json!(5.5), None),
        (json!("5"), None),
        (Value::Null, None),
    ] {
        assert!(login("auth_time", &value).is_ok_and(|token| token.auth_time == read), "{value}");
    }
}

#[test]
fn a_profile_takes_what_has_the_right_type_and_leaves_the_rest() {
    let read = |claims: Value| Profile::read(claims.as_object().expect("object"), "username");
    let all = read(json!({
        "email": "e", "email_verified": true, "name": "n", "given_name": "g", "family_name": "f", "preferred_username": "p",
        "username": "u", "cognito:username": "c", "cognito:groups": ["a", "b"], "custom:secret": "x",
    }));
    let text = |value: &str| Some(value.to_owned());
    assert!(
        all == Profile {
            email: text("e"),
            email_verified: Some(true),
            name: text("n"),
            given_name: text("g"),
            family_name: text("f"),
            preferred_username: text("p"),
            username: text("u"),
            groups: vec!["a".to_owned(), "b".to_owned()],
        }
    );
    for wrong in [json!(null), json!(1), json!([]), json!({}), json!([["a"], 1, null])] {
        let none = read(json!({
            "email": wrong, "email_verified": wrong, "name": wrong, "given_name": wrong, "family_name": wrong,
            "preferred_username": wrong, "username": wrong, "cognito:groups": wrong,
        }));
        assert!(none == Profile::default(), "{wrong}");
    }
    for (groups, kept) in [(json!("admin"), vec![]), (json!({"admin": true}), vec![]), (json!([1, "a", null, ["b"]]), vec!["a"])]
    {
        assert_eq!(read(json!({"cognito:groups": groups})).groups, kept, "{groups}");
    }
}

#[test]
fn an_email_is_verified_if_the_token_says_exactly_so() {
    for (value, verified) in [
        (json!(true), Some(true)),
        (json!(false), Some(false)),
        (json!("true"), Some(true)),
        (json!("false"), Some(false)),
        (json!("True"), Some(false)),
        (json!("1"), Some(false)),
        (json!(""), Some(false)),
        (json!(1), None),
        (json!(["true"]), None),
        (Value::Null, None),
    ] {
        assert!(login("email_verified", &value).is_ok_and(|token| token.profile.email_verified == verified), "{value}");
    }
}

#[test]
fn each_wrong_claim_of_an_access_token_is_refused() {
    let check = |name: &str, value: &Value| check_access_token(&changed(access_claims(), name, value), &cognito());
    assert!(check("aud", &json!("https://api.example.com")).is_ok());
    assert_eq!(check("x", &json!(1)).ok().and_then(|token| token.profile.username), Some("u-1".to_owned()));
    for (name, value, error) in [
        ("iss", json!("https://evil.example"), ClaimError::WrongIssuer),
        ("client_id", Value::Null, ClaimError::WrongAudience),
        ("iss", Value::Null, ClaimError::WrongIssuer),
        ("client_id", json!("other"), ClaimError::WrongAudience),
        ("client_id", json!(CLIENT.to_uppercase()), ClaimError::WrongAudience),
        ("token_use", Value::Null, ClaimError::WrongTokenUse),
        ("token_use", json!("id"), ClaimError::WrongTokenUse),
        ("token_use", json!("Access"), ClaimError::WrongTokenUse),
        ("sub", Value::Null, ClaimError::BadSubject),
        ("sub", json!(""), ClaimError::BadSubject),
        ("sub", json!("x".repeat(256)), ClaimError::BadSubject),
    ] {
        assert_eq!(check(name, &value).err(), Some(error), "{name}={value}");
    }
}

#[test]
fn the_name_falls_back_from_name_to_user_name() {
    let name = |claims: Value| Profile::read(claims.as_object().expect("object"), "cognito:username").display_name();
    let all = json!({
        "name": "Name", "given_name": "Given", "family_name": "Family", "preferred_username": "preferred",
        "email": "e@mail.example", "cognito:username": "user",
    });
    for (absent, expected) in [
        (&[][..], Some("Name")),
        (&["name"], Some("Given Family")),
        (&["name", "given_name"], Some("Family")),
        (&["name", "family_name"], Some("Given")),
        (&["name", "given_name", "family_name"], Some("preferred")),
        (&["name", "given_name", "family_name", "preferred_username"], Some("e@mail.example")),
        (&["name", "given_name", "family_name", "preferred_username", "email"], Some("user")),
        (&["name", "given_name", "family_name", "preferred_username", "email", "cognito:username"], None),
    ] {
        for blank in [None, Some(""), Some(" \t"), Some("\u{a0}\u{3000}")] {
            let mut claims = all.clone();
            for claim in absent {
                claims[*claim] = json!(blank);
            }
            assert_eq!(name(claims).as_deref(), expected, "{absent:?} are {blank:?}");
        }
    }
    assert_eq!(name(json!({"name": "  Alice  Kim "})).as_deref(), Some("Alice  Kim"));
}

#[test]
fn claims_that_rules_name_become_texts_and_odd_ones_count_as_absent() {
    for (name, value, texts) in [
        ("custom:plan", json!("pro"), &["pro"][..]),
        ("custom:plan", json!(""), &[""]),
        ("custom:seats", json!(42), &["42"]),
        ("custom:rate", json!(-1.5), &["-1.5"]),
        ("email_verified", json!(true), &["true"]),
        ("email_verified", json!(false), &["false"]),
        ("cognito:groups", json!(["admin", "users"]), &["admin", "users"]),
        ("cognito:groups", json!([]), &[]),
        ("x", json!(["a", 1]), &[]),
        ("x", json!([["a"]]), &[]),
        ("x", json!({"a": "b"}), &[]),
    ] {
        let kept = claims_for_rules(&changed(id_claims(), name, &value), [name, "not-there"].into_iter());
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        assert_eq!(kept, Claims::from([(name.to_owned(), texts), ("not-there".to_owned(), Vec::new())]), "{name}: {value}");
    }
    let mut with_null = changed(id_claims(), "x", &json!(1));
    with_null.members.insert("x".to_owned(), Value::Null);
    assert_eq!(claims_for_rules(&with_null, ["x"].into_iter()), Claims::from([("x".to_owned(), Vec::new())]));
    assert_eq!(claims_for_rules(&with_null, std::iter::empty()), Claims::new(), "only what rules name");
}
