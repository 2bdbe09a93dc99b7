//! Fixtures of this layer's unit tests.

use std::cell::Cell;

use crate::config::{Cognito, Config};
use crate::ports::Random;

pub(crate) const CLIENT: &str = "1example23456789abcdefghij";
pub(crate) const ISSUER: &str = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEf123";

/// A public client.
pub(crate) fn cognito() -> Cognito {
    cognito_with(None)
}

/// A confidential client.
pub(crate) fn confidential() -> Cognito {
    cognito_with(Some("TESTONLYTESTONLYTESTONLY"))
}

fn cognito_with(client_secret: Option<&str>) -> Cognito {
    let var = |name: &str| {
        let value = match name {
            "PUBLIC_URL" => "https://app.example.com",
            "COGNITO_USER_POOL_ID" => "us-east-1_AbCdEf123",
            "COGNITO_CLIENT_ID" => CLIENT,
            "COGNITO_CLIENT_SECRET" => client_secret?,
            "COGNITO_DOMAIN" => "https://auth.example.com",
            "SESSION_KEYS" => "v1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
            _ => return None,
        };
        Some(value.to_owned())
    };
    Config::parse(var).expect("valid").cognito
}

/// Fills with 0, then with 1, and so on, so that every value is different and known.
#[derive(Default)]
pub(crate) struct Counting(Cell<u8>);

impl Random for Counting {
    fn random_bytes(&self, bytes: &mut [u8]) {
        bytes.fill(self.0.get());
        self.0.set(self.0.get().wrapping_add(1));
    }
}
