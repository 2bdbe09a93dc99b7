//! The world around the gateways, as a value: KV that lags, Cognito's refresh tokens, strict mode's guard, the clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::texts::Text;

/// How long KV's reads may lag behind: 60 s is what Cloudflare calls typical.
pub const LAG_MS: u32 = 60_000;
/// KV takes one write a second per key.
pub const WRITE_INTERVAL_MS: u32 = 1000;

/// What Cognito does with a refresh token that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rotation {
    Off,
    /// A used token stays good for so long.
    GraceMs(u32),
}

/// The values that a key has had. Reads may give any of them that was current within the lag, and not always a newer one
/// later: any location, any cache.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Versions(Vec<(Option<Text>, u32)>);

impl Versions {
    pub fn new(value: Option<Text>) -> Self {
        Self(vec![(value, 0)])
    }

    /// What the store itself has.
    pub fn newest(&self) -> Option<Text> {
        self.0.last().and_then(|(value, _)| *value)
    }

    /// What a read may give, the newest first.
    pub fn readable(&self, now_ms: u32) -> Vec<Option<Text>> {
        let mut values = Vec::new();
        for index in (0..self.0.len()).rev() {
            let current = self.0.get(index + 1).is_none_or(|(_, until_ms)| until_ms + LAG_MS >= now_ms);
            if current && !values.contains(&self.0[index].0) {
                values.push(self.0[index].0);
            }
        }
        values
    }

    pub fn written_lately(&self, now_ms: u32) -> bool {
        self.0.last().is_some_and(|(_, from_ms)| *from_ms > 0 && now_ms < from_ms + WRITE_INTERVAL_MS)
    }

    pub fn put(&mut self, value: Option<Text>, now_ms: u32) {
        self.0.push((value, now_ms));
    }

    /// Forgets what no read can give any more: it makes no difference between two states.
    pub fn forget(&mut self, now_ms: u32) {
        while self.0.get(1).is_some_and(|(_, from_ms)| from_ms + LAG_MS < now_ms) {
            self.0.remove(0);
        }
    }
}

/// A refresh token, by its name: those that came of `r` are `r.1`, `r.2` and so on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Token {
    used_at_ms: Option<u32>,
    revoked: bool,
    children: u8,
}

/// Cognito refuses the token.
pub struct InvalidGrant;

/// Cognito's refresh tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tokens(BTreeMap<Arc<str>, Token>);

impl Tokens {
    pub fn issue(&mut self, name: &str) {
        self.0.insert(name.into(), Token::default());
    }

    pub fn is_good(&self, name: &str, rotation: Rotation, now_ms: u32) -> bool {
        let Some(token) = self.0.get(name) else { return false };
        let spent = match (rotation, token.used_at_ms) {
            (Rotation::Off, _) | (_, None) => false,
            (Rotation::GraceMs(grace_ms), Some(used_at_ms)) => now_ms >= used_at_ms + grace_ms,
        };
        !token.revoked && !spent
    }

    /// A refresh: the new refresh token, if there is one.
    pub fn refresh(&mut self, name: &str, rotation: Rotation, now_ms: u32) -> Result<Option<String>, InvalidGrant> {
        if !self.is_good(name, rotation, now_ms) {
            return Err(InvalidGrant);
        }
        if rotation == Rotation::Off {
            return Ok(None);
        }
        let token = self.0.get_mut(name).ok_or(InvalidGrant)?;
        token.used_at_ms.get_or_insert(now_ms);
        token.children += 1;
        let child = format!("{name}.{}", token.children);
        self.issue(&child);
        Ok(Some(child))
    }

    /// The token is dead, and so is what came of it.
    pub fn revoke(&mut self, name: &str) {
        let below = format!("{name}.");
        for (other, token) in &mut self.0 {
            token.revoked |= other.as_ref() == name || other.starts_with(&below);
        }
    }
}
