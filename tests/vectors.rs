//! Public attack vectors, read from the folder that `EDGEGATE_VECTORS` names. They are not part of this repository; without
//! the folder the tests say so; our own tables of the same kind stand beside the code they test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::PathBuf;

use edgegate::jose::jwk::rs256_key;
use edgegate::jose::jws::UnverifiedToken;
use edgegate::ports::RsaPublicKey;
use edgegate::web::return_path::ReturnPath;
use jwt_compact::Algorithm;
use jwt_compact::AlgorithmSignature;
use jwt_compact::alg::{Rsa, RsaPublicKey as JwtRsaKey, RsaSignature};
use jwt_compact::jwk::JsonWebKey;
use serde::Deserialize;
use url::Url;

fn vectors(file: &str) -> Option<String> {
    let Some(folder) = std::env::var_os("EDGEGATE_VECTORS") else {
        eprintln!("EDGEGATE_VECTORS is not set: the public vectors of {file} are not run");
        return None;
    };
    let path = PathBuf::from(folder).join(file);
    Some(fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

#[derive(Deserialize)]
struct JwsCase {
    id: String,
    jwk: serde_json::Value,
    jws: String,
    expect: String,
}

#[test]
fn every_jws_is_judged_as_an_rs256_only_verifier_must() {
    let Some(text) = vectors("rs256_jws_cases.jsonl") else { return };
    let (mut judged, mut accepted) = (0, 0);
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let case: JwsCase = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let verdict = accepts(&case);
        assert_eq!(verdict, case.expect == "valid", "{}", case.id);
        judged += 1;
        accepted += usize::from(verdict);
    }
    assert!(judged >= 455 && accepted == 10, "{judged} judged, {accepted} accepted");
}

fn accepts(case: &JwsCase) -> bool {
    let Some(key) = rs256_key(&case.jwk) else { return false };
    let Ok(token) = UnverifiedToken::parse(&case.jws) else { return false };
    verifies(&key, token.signed(), token.signature())
}

/// RS256 in pure Rust, as the Worker has it from `WebCrypto`.
fn verifies(key: &RsaPublicKey, message: &[u8], signature: &[u8]) -> bool {
    let jwk = JsonWebKey::Rsa { modulus: key.n.clone().into(), public_exponent: key.e.clone().into(), private_parts: None };
    let Ok(key) = JwtRsaKey::try_from(&jwk) else { return false };
    let Ok(signature) = RsaSignature::try_from_slice(signature) else { return false };
    Rsa::rs256().verify_signature(&signature, &key, message)
}

#[test]
fn no_open_redirect_leads_off_the_origin() {
    let Some(text) = vectors("oauth2-proxy_openredirects.txt") else { return };
    let origin = Url::parse("https://app.example.com").expect("an origin");
    let mut judged = 0;
    for line in text.lines().filter(|line| !line.is_empty()) {
        let decoded = url::form_urlencoded::parse(format!("v={}", line.replace('+', "%2B").replace('&', "%26")).as_bytes())
            .next()
            .map(|(_, value)| value.into_owned());
        for value in [Some(line.to_owned()), decoded].into_iter().flatten() {
            let Some(path) = ReturnPath::parse(&value) else { continue };
            let landed = origin.join(path.as_str()).expect("resolves");
            assert_eq!(landed.origin(), origin.origin(), "{value:?} leads to {landed}");
            assert!(!path.as_str().starts_with("//") && !path.as_str().contains('\\'), "{value:?} became {path:?}");
        }
        judged += 1;
    }
    assert!(judged >= 500, "{judged}");
}
