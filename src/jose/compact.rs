//! The compact serialization of a JWS (RFC 7515 §3.1, §7.1): its structure, then the header against our allow-list. Nothing is
//! believed yet. What is read here jwt-compact reads the same way (`tests/properties/jose.rs`): in the Worker its reader, made for any
//! header, would be a tenth of all code.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::Value;

use crate::json::{self, Members};

/// A well-formed token whose header we accept. It gives away the key id and nothing else: claims come from
/// [`super::verify`] after the signature.
pub struct UnverifiedToken<'a> {
    signed: &'a str,
    payload: Vec<u8>,
    key_id: String,
    signature: Vec<u8>,
}

/// Why a token is refused before any key is touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StructureError {
    /// Longer than [`MAX_TOKEN_BYTES`].
    #[error("token too long")]
    TooLong,
    /// Not three non-empty parts of canonical base64url without padding, or a header that is no JSON object.
    #[error("not a compact signed token")]
    NotCompact,
    /// A header member stands there twice.
    #[error("header member repeated")]
    RepeatedMember,
    /// Any algorithm but RS256, `none` included (RFC 8725 §3.1).
    #[error("algorithm not allowed")]
    AlgorithmNotAllowed,
    /// `crit`, `b64`, `zip` or `enc`: nothing that we understand (RFC 7515 §4.1.11).
    #[error("header extension not understood")]
    ExtensionNotUnderstood,
    /// `typ` is there and is not `JWT`.
    #[error("token type not allowed")]
    TypeNotAllowed,
    /// No `kid`; Cognito always sends one.
    #[error("no key id")]
    NoKeyId,
}

impl<'a> UnverifiedToken<'a> {
    /// Splits and decodes a token.
    ///
    /// # Errors
    /// It is not a compact JWS with exactly the header that we accept.
    pub fn parse(text: &'a str) -> Result<Self, StructureError> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err(StructureError::TooLong);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(StructureError::NotCompact)?;
        let (header, payload) = signed.split_once('.').ok_or(StructureError::NotCompact)?;
        // The alphabet has no dot: a fourth part is none of the three.
        let decoded = |part: &str| Base64UrlUnpadded::decode_vec(part).map_err(|_| StructureError::NotCompact);
        let (header, payload, signature) = (decoded(header)?, decoded(payload)?, decoded(signature)?);
        let key_id = check_header(&header)?;
        Ok(Self { signed, payload, key_id, signature })
    }

    /// Which key is said to have signed.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The octets that the signature covers.
    #[must_use]
    pub fn signed(&self) -> &[u8] {
        self.signed.as_bytes()
    }

    /// The signature as sent.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// The claims, for [`super::verify`] alone.
    pub(super) fn payload(&self) -> Option<Members> {
        Members::parse(&self.payload)
    }
}

/// The header as JSON; its key id.
fn check_header(header: &[u8]) -> Result<String, StructureError> {
    let mut members = Members::parse(header).ok_or_else(|| match json::parse(header, 0) {
        Some(Value::Object(_)) => StructureError::RepeatedMember,
        _ => StructureError::NotCompact,
    })?;
    let is_there = |name: &&str| members.0.contains_key(*name);
    let extended = ["crit", "b64", "zip", "enc"].iter().any(is_there);
    let mut text = |name: &str| members.optional_text(name).ok_or(StructureError::NotCompact);
    let (algorithm, token_type, key_id) = (text("alg")?, text("typ")?, text("kid")?);
    for name in ["jku", "x5u", "x5t", "x5t#S256"] {
        text(name)?;
    }
    if text("cty")?.is_some_and(|content| !content.eq_ignore_ascii_case("json")) {
        return Err(StructureError::NotCompact);
    }
    if algorithm.ok_or(StructureError::NotCompact)? != "RS256" {
        return Err(StructureError::AlgorithmNotAllowed);
    }
    if extended {
        return Err(StructureError::ExtensionNotUnderstood);
    }
    if token_type.is_some_and(|token_type| !token_type.eq_ignore_ascii_case("JWT")) {
        return Err(StructureError::TypeNotAllowed);
    }
    key_id.filter(|key_id| !key_id.is_empty()).ok_or(StructureError::NoKeyId)
}

/// Cognito's tokens have 1 to 2 kB and grow with groups (100 of 128 characters) and attributes; no size is promised.
pub const MAX_TOKEN_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    fn parse(header: &str) -> Result<String, StructureError> {
        let text = format!("{}.e30.c2ln", URL_SAFE_NO_PAD.encode(header));
        UnverifiedToken::parse(&text).map(|token| token.key_id().to_owned())
    }

    #[test]
    fn cognitos_header_is_accepted_and_each_deviation_is_not() {
        assert_eq!(parse(r#"{"kid":"abc=","alg":"RS256"}"#).as_deref(), Ok("abc="));
        assert_eq!(parse(r#"{"kid":"abc=","alg":"RS256","typ":"jwt"}"#).as_deref(), Ok("abc="));
        for (header, error) in [
            (r#"{"kid":"a","alg":"none"}"#, StructureError::AlgorithmNotAllowed),
            (r#"{"kid":"a","alg":"HS256"}"#, StructureError::AlgorithmNotAllowed),
            (r#"{"kid":"a","alg":"rs256"}"#, StructureError::AlgorithmNotAllowed),
            (r#"{"kid":"a","alg":"RS512"}"#, StructureError::AlgorithmNotAllowed),
            (r#"{"kid":"a"}"#, StructureError::NotCompact),
            (r#"{"kid":"a","alg":"RS256","crit":[]}"#, StructureError::ExtensionNotUnderstood),
            (r#"{"kid":"a","alg":"RS256","crit":["exp"],"exp":1}"#, StructureError::ExtensionNotUnderstood),
            (r#"{"kid":"a","alg":"RS256","crit":null}"#, StructureError::ExtensionNotUnderstood),
            (r#"{"kid":"a","alg":"RS256","b64":true}"#, StructureError::ExtensionNotUnderstood),
            (r#"{"kid":"a","alg":"RS256","zip":"DEF"}"#, StructureError::ExtensionNotUnderstood),
            (r#"{"kid":"a","alg":"RS256","enc":"A128GCM"}"#, StructureError::ExtensionNotUnderstood),
            (r#"{"kid":"a","alg":"RS256","typ":"at+jwt"}"#, StructureError::TypeNotAllowed),
            (r#"{"kid":"a","alg":"RS256","typ":""}"#, StructureError::TypeNotAllowed),
            (r#"{"kid":"a","alg":"RS256","typ":"JWT "}"#, StructureError::TypeNotAllowed),
            (r#"{"kid":"a","alg":"RS256","typ":7}"#, StructureError::NotCompact),
            (r#"{"kid":"a","alg":""}"#, StructureError::AlgorithmNotAllowed),
            (r#"{"kid":"a","alg":"RS256 "}"#, StructureError::AlgorithmNotAllowed),
            (r#"{"kid":"a","alg":["RS256"]}"#, StructureError::NotCompact),
            (r#"{"alg":"RS256"}"#, StructureError::NoKeyId),
            (r#"{"kid":"","alg":"RS256"}"#, StructureError::NoKeyId),
            (r#"{"kid":7,"alg":"RS256"}"#, StructureError::NotCompact),
            (r#"{"kid":["a"],"alg":"RS256"}"#, StructureError::NotCompact),
            (r#"{"kid":"a","alg":"RS256","x":1,"x":2}"#, StructureError::RepeatedMember),
            (r#"{"kid":"a","alg":"RS256","x":1,"\u0078":2}"#, StructureError::RepeatedMember),
            (r#"{"kid":"a","alg":"RS256","alg":"none"}"#, StructureError::RepeatedMember),
            (r#"{"kid":"a","alg":"RS256","cty":"cbor"}"#, StructureError::NotCompact),
            (r#"{"kid":"a","alg":"RS256","jku":7}"#, StructureError::NotCompact),
            (r#"{"kid":"a","alg":null}"#, StructureError::NotCompact),
            ("[]", StructureError::NotCompact),
            ("\u{feff}{\"kid\":\"a\",\"alg\":\"RS256\"}", StructureError::NotCompact),
        ] {
            assert_eq!(parse(header), Err(error), "{header}");
        }
    }

    #[test]
    fn the_shape_is_strict() {
        let header = URL_SAFE_NO_PAD.encode(r#"{"kid":"a","alg":"RS256"}"#);
        for text in [
            String::new(),
            header.clone(),
            format!("{header}.e30"),
            format!("{header}.e30.c2ln.c2ln"),
            format!("{header}.e30=.c2ln"),
            format!("{header}.e30.c2ln="),
            format!(" {header}.e30.c2ln"),
            format!("{header}.e30.c2lp\n"),
            format!("{header}.e31.c2ln"),
            format!("{header}.e3+.c2ln"),
            "{}".to_owned(),
        ] {
            assert_eq!(UnverifiedToken::parse(&text).err(), Some(StructureError::NotCompact), "{text:?}");
        }
    }

    #[test]
    fn a_token_has_at_most_65536_bytes() {
        let header = URL_SAFE_NO_PAD.encode(r#"{"kid":"a","alg":"RS256"}"#);
        let of_length = |bytes: usize| format!("{header}.{}.c2ln", "A".repeat(bytes - header.len() - 6));
        for (bytes, error) in
            [(65_532, None), (65_536, None), (65_537, Some(StructureError::TooLong)), (65_540, Some(StructureError::TooLong))]
        {
            let text = of_length(bytes);
            assert_eq!(text.len(), bytes);
            assert_eq!(UnverifiedToken::parse(&text).err(), error, "{bytes}");
        }
    }

    #[test]
    fn the_signature_covers_header_and_payload_as_sent() {
        let header = URL_SAFE_NO_PAD.encode("{ \"kid\" : \"a\", \"alg\" : \"RS256\" }");
        let text = format!("{header}.e30.c2ln");
        let Ok(token) = UnverifiedToken::parse(&text) else { panic!("refused") };
        assert_eq!(token.signed(), format!("{header}.e30").as_bytes());
        assert_eq!(token.signature(), b"sig");
    }
}
