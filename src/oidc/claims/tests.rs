use super::*;
use crate::config::Config;
use serde_json::json;

const CLIENT: &str = "1example23456789abcdefghij";
const ISSUER: &str = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEf123";

fn cognito() -> Cognito {
    let var = |name: &str| {
        let value = match name {
            "PUBLIC_URL" => "https://app.example.com",
            "COGNITO_USER_POOL_ID" => "us-east-1_AbCdEf123",
            "COGNITO_CLIENT_ID" => CLIENT,
            "COGNITO_DOMAIN" => "https://auth.example.com",
            "SESSION_KEYS" => "v1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
            _ => return None,
        };
        Some(value.to_owned())
    };
    Config::parse(var).expect("valid").cognito
}

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
    assert_eq!(token.profile.display_name(), Some("u-1"));
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
        ("iss", json!([ISSUER]), ClaimError::WrongIssuer),
        ("aud", Value::Null, ClaimError::WrongAudience),
        ("aud", json!("other"), ClaimError::WrongAudience),
        ("aud", json!([CLIENT, "other"]), ClaimError::WrongAudience),
        ("aud", json!([]), ClaimError::WrongAudience),
        ("azp", json!("other"), ClaimError::WrongAuthorizedParty),
        ("azp", json!(1), ClaimError::WrongAuthorizedParty),
        ("token_use", Value::Null, ClaimError::WrongTokenUse),
        ("token_use", json!("access"), ClaimError::WrongTokenUse),
        ("nonce", Value::Null, ClaimError::WrongNonce),
        ("nonce", json!("n-2"), ClaimError::WrongNonce),
        ("nonce", json!(["n-1"]), ClaimError::WrongNonce),
        ("at_hash", json!("wrong"), ClaimError::WrongAccessTokenHash),
        ("at_hash", json!(1), ClaimError::WrongAccessTokenHash),
        ("sub", Value::Null, ClaimError::BadSubject),
        ("sub", json!(""), ClaimError::BadSubject),
        ("sub", json!("x".repeat(256)), ClaimError::BadSubject),
        ("sub", json!("ü"), ClaimError::BadSubject),
        ("sub", json!(7), ClaimError::BadSubject),
    ] {
        assert_eq!(login(name, &value).err(), Some(error), "{name}={value}");
    }
    assert!(login("sub", &json!("x".repeat(255))).is_ok());
}

#[test]
fn after_a_refresh_the_nonce_may_be_missing_but_not_different() {
    let refresh =
        |value: &Value| check_id_token(&changed(id_claims(), "nonce", value), &cognito(), Nonce::AbsentOr("n-1"), None).err();
    assert_eq!(refresh(&Value::Null), None);
    assert_eq!(refresh(&json!("n-1")), None);
    assert_eq!(refresh(&json!("n-2")), Some(ClaimError::WrongNonce));
}

#[test]
fn each_wrong_claim_of_an_access_token_is_refused() {
    let check = |name: &str, value: &Value| check_access_token(&changed(access_claims(), name, value), &cognito());
    assert!(check("aud", &json!("https://api.example.com")).is_ok());
    assert_eq!(check("x", &json!(1)).ok().and_then(|token| token.profile.username), Some("u-1".to_owned()));
    for (name, value, error) in [
        ("iss", json!("https://evil.example"), ClaimError::WrongIssuer),
        ("client_id", Value::Null, ClaimError::WrongAudience),
        ("client_id", json!("other"), ClaimError::WrongAudience),
        ("token_use", json!("id"), ClaimError::WrongTokenUse),
        ("sub", Value::Null, ClaimError::BadSubject),
    ] {
        assert_eq!(check(name, &value).err(), Some(error), "{name}={value}");
    }
}

#[test]
fn the_name_falls_back_from_name_to_user_name() {
    let name =
        |claims: Value| Profile::read(claims.as_object().expect("object"), "cognito:username").display_name().map(str::to_owned);
    assert_eq!(name(json!({"name":"N","preferred_username":"P","cognito:username":"U"})).as_deref(), Some("N"));
    assert_eq!(name(json!({"name":"","preferred_username":"P","cognito:username":"U"})).as_deref(), Some("P"));
    assert_eq!(name(json!({"cognito:username":"U"})).as_deref(), Some("U"));
    assert_eq!(name(json!({})), None);
}
