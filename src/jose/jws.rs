//! The compact serialization of a JWS (RFC 7515 §3.1, §7.1): jwt-compact parses the structure, then the header is checked against
//! our allow-list. Nothing in the token is trusted yet.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_compact::{Claims, Header, UntrustedToken};
use serde_json::{Map, Value};

use super::unique_json::{self, UniqueMembers};

/// A well-formed token whose header is accepted. It exposes the key id only: claims come from [`super::verify`] after the
/// signature check.
pub struct UnverifiedToken<'a> {
    signed: &'a str,
    key_id: String,
    token: UntrustedToken<'a, Map<String, Value>>,
}

/// Why a token is refused before its signature is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StructureError {
    /// Longer than [`MAX_TOKEN_BYTES`].
    #[error("token too long")]
    TooLong,
    /// Not three parts of canonical base64url without padding, or a header that is not a JSON object with valid members.
    #[error("not a compact signed token")]
    NotCompact,
    /// A repeated header member.
    #[error("header member repeated")]
    RepeatedMember,
    /// Any algorithm but RS256, `none` included (RFC 8725 §3.1).
    #[error("algorithm not allowed")]
    AlgorithmNotAllowed,
    /// `crit`, `b64`, `zip` or `enc`: extensions that we do not support (RFC 7515 §4.1.11).
    #[error("header extension not understood")]
    ExtensionNotUnderstood,
    /// `typ` is present and is not `JWT`.
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
    /// The text is not a compact JWS with an accepted header.
    pub fn parse(text: &'a str) -> Result<Self, StructureError> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err(StructureError::TooLong);
        }
        let (signed, _) = text.rsplit_once('.').ok_or(StructureError::NotCompact)?;
        let (header, _) = signed.split_once('.').ok_or(StructureError::NotCompact)?;
        check_unique(header)?;
        let token: UntrustedToken<'a, _> = text.try_into().map_err(|_| StructureError::NotCompact)?;
        let key_id = check_header(token.algorithm(), token.header())?;
        Ok(Self { signed, key_id, token })
    }

    /// The id of the key that the header names.
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
        self.token.signature_bytes()
    }

    /// The claims, for [`super::verify`] alone. `None`: not a JSON object with unique members, or invalid times.
    pub(super) fn claims(&self) -> Option<Claims<UniqueMembers>> {
        self.token.deserialize_claims_unchecked().ok()
    }
}

/// Refuses repeated members: jwt-compact reads the last one, other readers the first.
fn check_unique(header: &str) -> Result<(), StructureError> {
    let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| StructureError::NotCompact)?;
    match unique_json::read::<Map<String, Value>>(&header) {
        Some(_) => Ok(()),
        None if serde_json::from_slice::<Map<String, Value>>(&header).is_ok() => Err(StructureError::RepeatedMember),
        None => Err(StructureError::NotCompact),
    }
}

fn check_header(algorithm: &str, header: &Header<Map<String, Value>>) -> Result<String, StructureError> {
    if algorithm != "RS256" {
        return Err(StructureError::AlgorithmNotAllowed);
    }
    if ["crit", "b64", "zip", "enc"].iter().any(|name| header.other_fields.contains_key(*name)) {
        return Err(StructureError::ExtensionNotUnderstood);
    }
    if header.token_type.as_ref().is_some_and(|token_type| !token_type.eq_ignore_ascii_case("JWT")) {
        return Err(StructureError::TypeNotAllowed);
    }
    header.key_id.clone().filter(|key_id| !key_id.is_empty()).ok_or(StructureError::NoKeyId)
}

/// Cognito's tokens have 1 to 2 kB and grow with groups (100 of 128 characters) and attributes. Cognito promises no maximum.
pub const MAX_TOKEN_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

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
