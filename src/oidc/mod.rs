//! OAuth 2.0 and OpenID Connect as Cognito speaks them: builds requests, checks responses. No I/O.

pub mod authorize;
pub mod callback;
pub mod claims;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod login_state;
pub mod logout;
pub mod pkce;
pub mod token_request;
pub mod token_response;

/// A random value of 256 bits as 43 characters of base64url, for state, nonce and PKCE verifier.
#[must_use]
pub fn random_text(random: &impl crate::ports::Random) -> String {
    use base64::Engine as _;
    let mut bytes = [0; 32];
    random.random_bytes(&mut bytes);
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::fixtures::Counting;
    use super::random_text;

    #[test]
    fn random_text_is_all_of_256_random_bits_each_time() {
        let random = Counting::default();
        assert_eq!(random_text(&random), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(random_text(&random), "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE");
    }
}
