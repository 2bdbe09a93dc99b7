//! Key sets and tokens.

use edgegate::config::Cognito;
use edgegate::jose::jwk::KeySet;
use edgegate::jose::jws::{MAX_TOKEN_BYTES, UnverifiedToken};
use edgegate::jose::verify::{SignedClaims, verify};
use edgegate::oidc::claims::{Nonce, check_access_token, check_id_token};
use edgegate::ports::{RsaPublicKey, SignatureCheckFailed, Signatures};
use jwt_compact::alg::{Rsa, RsaPublicKey as JwtRsaKey, RsaSignature};
use jwt_compact::jwk::JsonWebKey;
use jwt_compact::{Algorithm, AlgorithmSignature};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::oracle::{BASE64URL, base64, object, unique_object};
use super::support::{CLIENT, ISSUER, START, config};
use super::{Verdict, text};

/// TEST ONLY: two keys whose private halves were thrown away after they had signed [`TOKENS`].
pub const KEYS: &str = include_str!("jwks.json");
/// All there will ever be: an ID token, an access token, one with times only.
pub const TOKENS: &str = include_str!("tokens.txt");

/// A key set: of each id the first key, and that only if it can verify RS256.
pub fn jwks(data: &[u8]) -> Verdict {
    let set = KeySet::parse(data);
    assert_eq!(set, KeySet::parse(data), "the same each time");
    let list = unique_object(data).and_then(|set| set.get("keys").and_then(Value::as_array).cloned());
    let Some(list) = list else {
        assert!(set.is_err(), "not a key set");
        return Verdict::Refused;
    };
    let id = |jwk: &Value| jwk.get("kid").and_then(Value::as_str).map(str::to_owned);
    let mut kept = Vec::new();
    for (index, jwk) in list.iter().enumerate() {
        let Some(id) = id(jwk) else { continue };
        let first = list.iter().position(|other| other.get("kid").and_then(Value::as_str) == Some(&id)) == Some(index);
        if let Some(key) = verification_key(jwk).filter(|_| first) {
            kept.push((id, key));
        }
    }
    let Ok(set) = set else {
        assert!(kept.is_empty(), "{kept:?} was refused");
        return Verdict::Refused;
    };
    assert!(!kept.is_empty(), "nothing in it can verify");
    for id in list.iter().filter_map(id).chain([String::new(), "absent".to_owned()]) {
        let expected = kept.iter().find(|(kept, _)| *kept == id).map(|(_, (n, e))| RsaPublicKey { n: n.clone(), e: e.clone() });
        assert_eq!(set.find(&id), expected.as_ref(), "{id:?}");
    }
    // Neither a second copy of everything nor leaving out the unusable changes it.
    let reparsed = |list: &[Value]| KeySet::parse(json!({ "keys": list }).to_string().as_bytes());
    assert_eq!(reparsed(&[&list[..], &list].concat()).as_ref(), Ok(&set));
    let usable: Vec<Value> =
        kept.iter().map(|(id, (n, e))| json!({"kty": "RSA", "kid": id, "n": encoded(n), "e": encoded(e)})).collect();
    assert_eq!(reparsed(&usable).as_ref(), Ok(&set));
    Verdict::Accepted
}

/// RFC 7517 §4, RFC 7518 §6.3 and our own limits: modulus and exponent.
fn verification_key(jwk: &Value) -> Option<(Vec<u8>, Vec<u8>)> {
    let is = |name: &str, wanted: &str| jwk.get(name) == Some(&json!(wanted));
    let open = |name: &str| jwk.get(name).is_none();
    let may_verify = open("key_ops") || jwk["key_ops"].as_array().is_some_and(|all| all.contains(&json!("verify")));
    if !is("kty", "RSA") || !(open("use") || is("use", "sig")) || !(open("alg") || is("alg", "RS256")) || !may_verify {
        return None;
    }
    let number = |name: &str| {
        let bytes = base64(jwk[name].as_str()?, BASE64URL)?;
        let start = bytes.iter().position(|byte| *byte != 0)?;
        Some(bytes[start..].to_vec())
    };
    let (n, e) = (number("n")?, number("e")?);
    let bits = n.len() * 8 - usize::try_from(n[0].leading_zeros()).unwrap();
    let sound = (2048..=4096).contains(&bits) && bits % 8 == 0 && n[n.len() - 1] % 2 == 1 && e == [1, 0, 1];
    sound.then_some((n, e))
}

/// A token, or after `sign` and a line break a header and a payload on the next lines, to be signed here and now.
pub fn jwt(data: &[u8]) -> Verdict {
    if let Some(written) = data.strip_prefix(b"sign\n") {
        let mut lines = written.splitn(2, |byte| *byte == b'\n');
        return signed_here(lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    }
    let Some(text) = text(data) else { return Verdict::Refused };
    let Some(claims) = judge(text, &Rs256) else { return Verdict::Refused };
    assert!(TOKENS.lines().any(|token| token == text), "nobody has signed {text:?}");
    checks_claims(&claims);
    Verdict::Accepted
}

fn signed_here(header: &[u8], payload: &[u8]) -> Verdict {
    let signed = format!("{}.{}", encoded(header), encoded(payload));
    let keys = KeySet::parse(KEYS.as_bytes()).expect("keys");
    let key_id = object(header).and_then(|header| header.get("kid").and_then(Value::as_str).map(str::to_owned));
    let Some(key) = key_id.and_then(|id| keys.find(&id).cloned()) else {
        assert!(judge(&format!("{signed}.{}", encoded(b"signature")), &Keyed).is_none(), "no key of ours is named");
        return Verdict::Refused;
    };
    let text = format!("{signed}.{}", encoded(&Keyed::sign(&key, signed.as_bytes())));
    let (claims, written) = (judge(&text, &Keyed), unique_object(payload));
    let Some(claims) = claims else {
        assert!(!is_plain(header, written.as_ref()) || text.len() > MAX_TOKEN_BYTES, "a plain token was refused: {text}");
        return Verdict::Refused;
    };

    let written = written.expect("a payload without repeated members");
    let time = |name: &str| written.get(name).and_then(Value::as_f64);
    let (iat, exp) = (time("iat").expect("iat"), time("exp").expect("exp"));
    // Seconds may be written with a fraction (RFC 7519 §2), which does not count.
    let whole = |written: f64, read: u64| (0.0..1.0).contains(&(written - as_float(read)));
    assert!(whole(iat, claims.times.issued_at) && whole(exp, claims.times.expires_at));
    let now = as_float(START);
    assert!(exp > now && iat < now + 61.0 && time("nbf").is_none_or(|nbf| nbf < now + 61.0));
    let times = ["exp", "iat", "nbf"];
    let others: Map<_, _> = written.into_iter().filter(|(name, _)| !times.contains(&name.as_str())).collect();
    assert_eq!(claims.members, others, "the claims are those that were signed");
    checks_claims(&claims);

    // Any other character somewhere: not what was signed.
    let digest = Sha256::digest(&text);
    let at = usize::from(u16::from_be_bytes([digest[0], digest[1]])) % text.len();
    let other = BASE64URL.chars().chain(['.', '=', '+', ' ']).nth(usize::from(digest[2]) % 68).unwrap();
    if !text[at..].starts_with(other) {
        let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
        assert!(judge(&changed, &Keyed).is_none(), "{text} was accepted as {changed}");
    }
    assert!(judge(&text, &Rs256).is_none(), "signed by nobody's key");
    Verdict::Accepted
}

fn as_float(secs: u64) -> f64 {
    f64::from(u32::try_from(secs >> 16).unwrap()) * 65536.0 + f64::from(u16::try_from(secs & 0xffff).unwrap())
}

/// What no verifier may refuse: nothing but the members that are needed, and whole times that hold.
fn is_plain(header: &[u8], payload: Option<&Map<String, Value>>) -> bool {
    let (Some(header), Some(payload)) = (unique_object(header), payload) else { return false };
    let only = header.keys().all(|name| ["alg", "kid", "typ"].contains(&name.as_str()));
    let typed = header.get("typ").is_none_or(|typ| *typ == json!("JWT"));
    let time = |name: &str| payload.get(name).and_then(Value::as_u64);
    let holds = time("iat").is_some_and(|iat| iat <= START) && time("exp").is_some_and(|exp| exp > START && exp < START * 2);
    only && typed && header.get("alg") == Some(&json!("RS256")) && holds && !payload.contains_key("nbf")
}

/// The claims of a token that is well formed, names one of our keys, verifies and holds now.
fn judge(text: &str, signatures: &impl Signatures) -> Option<SignedClaims> {
    let token = UnverifiedToken::parse(text).ok()?;
    let parts: Vec<&str> = text.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("{} parts", parts.len()) };
    assert!(text.len() <= MAX_TOKEN_BYTES && base64(payload, BASE64URL).is_some(), "canonical");
    assert_eq!(token.signature(), base64(signature, BASE64URL).expect("canonical"));
    assert_eq!(token.signed(), format!("{header}.{payload}").as_bytes());
    let header = unique_object(&base64(header, BASE64URL).expect("canonical")).expect("unique members");
    assert_eq!(header.get("alg"), Some(&json!("RS256")));
    assert_eq!(header.get("kid"), Some(&json!(token.key_id())));
    assert!(!token.key_id().is_empty());
    assert!(header.get("typ").is_none_or(|typ| typ.is_null() || typ.as_str().unwrap().eq_ignore_ascii_case("JWT")));
    assert!(["crit", "b64", "zip", "enc"].iter().all(|name| !header.contains_key(*name)));

    let keys = KeySet::parse(KEYS.as_bytes()).expect("keys");
    let key = keys.find(token.key_id())?;
    futures_executor::block_on(verify(&token, key, signatures, START)).ok()
}

/// What signed claims are good for follows from what they say.
fn checks_claims(claims: &SignedClaims) {
    let config = config(&[]);
    let cognito: &Cognito = &config.cognito;
    let says = |name: &str, wanted: &str| claims.members.get(name) == Some(&json!(wanted));
    let named = claims
        .members
        .get("sub")
        .and_then(Value::as_str)
        .is_some_and(|sub| !sub.is_empty() && sub.len() <= 255 && sub.is_ascii());
    let audience = says("aud", CLIENT) || claims.members.get("aud") == Some(&json!([CLIENT]));
    let party = !claims.members.contains_key("azp") || says("azp", CLIENT);
    let id = says("iss", ISSUER) && says("token_use", "id") && audience && party && named;
    let access = says("iss", ISSUER) && says("token_use", "access") && says("client_id", CLIENT) && named;

    assert_eq!(check_access_token(claims, cognito).is_ok(), access);
    assert_eq!(check_id_token(claims, cognito, Nonce::Unknown, None).is_ok(), id);
    assert_eq!(check_id_token(claims, cognito, Nonce::MustBe("nonce"), None).is_ok(), id && says("nonce", "nonce"));
    let silent = !claims.members.contains_key("nonce");
    assert_eq!(check_id_token(claims, cognito, Nonce::AbsentOr("nonce"), None).is_ok(), id && (silent || says("nonce", "nonce")));
    let digest = Sha256::digest("an access token");
    let bound = !claims.members.contains_key("at_hash") || says("at_hash", &encoded(&digest[..16]));
    assert_eq!(check_id_token(claims, cognito, Nonce::Unknown, Some("an access token")).is_ok(), id && bound);
}

/// Base64url, from the second reader's alphabet.
pub fn encoded(bytes: &[u8]) -> String {
    let digit = |bits: u32| char::from(BASE64URL.as_bytes()[usize::try_from(bits & 63).unwrap()]);
    bytes
        .chunks(3)
        .flat_map(|chunk| {
            let held = chunk.iter().chain([&0; 2]).take(3).fold(0_u32, |held, byte| held << 8 | u32::from(*byte));
            [18, 12, 6, 0].map(|shift| digit(held >> shift)).into_iter().take(chunk.len() + 1)
        })
        .collect()
}

/// RS256 in pure Rust, as the Worker has it from `WebCrypto`.
struct Rs256;

impl Signatures for Rs256 {
    async fn verify_rs256(&self, key: &RsaPublicKey, message: &[u8], signature: &[u8]) -> Result<bool, SignatureCheckFailed> {
        let jwk = JsonWebKey::Rsa { modulus: key.n.clone().into(), public_exponent: key.e.clone().into(), private_parts: None };
        let Ok(key) = JwtRsaKey::try_from(&jwk) else { return Ok(false) };
        let Ok(signature) = RsaSignature::try_from_slice(signature) else { return Ok(false) };
        Ok(Rsa::rs256().verify_signature(&signature, &key, message))
    }
}

/// Stands for a signature that can be made here: a hash over key and message.
struct Keyed;

impl Keyed {
    fn sign(key: &RsaPublicKey, message: &[u8]) -> Vec<u8> {
        Sha256::new().chain_update(&key.n).chain_update(message).finalize().to_vec()
    }
}

impl Signatures for Keyed {
    async fn verify_rs256(&self, key: &RsaPublicKey, message: &[u8], signature: &[u8]) -> Result<bool, SignatureCheckFailed> {
        Ok(Self::sign(key, message) == signature)
    }
}
