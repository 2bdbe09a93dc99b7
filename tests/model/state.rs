//! A state of the whole world, and what it remembers for the properties' sake.

use std::collections::BTreeSet;

use super::gateways::Past;
use super::isolate::Task;
use super::texts::Text;
use super::world::{Tokens, Versions};

/// Two gateways, KV, Cognito, the guard, the clock, and what may still happen.
///
/// Equal states go on equally: gateways with the same past behave alike (`gateways`), and all else that a step depends on is
/// a field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub now_ms: u32,
    /// The session's record, the mark of its end, and the mark of a sign-out everywhere.
    pub kv: [Versions; 3],
    pub tokens: Tokens,
    /// The guard's row of the session, as JSON.
    pub row: Option<Text>,
    pub row_changes: u8,
    pub places: [Place; 2],
    /// The scenario's requests that have begun, a bit each.
    pub begun: u16,
    pub left: Left,
    pub told: Told,
    /// Broken promises, a bit each.
    pub broken: u8,
}

/// A gateway.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// What has happened to its isolate.
    pub past: Past,
    /// How many isolates there were before.
    pub crashes: u8,
    /// Its requests that were not answered yet: task, request, when it began.
    pub open: Vec<(Task, u8, u32)>,
    /// Who rests between two questions to the guard, and how often its row had changed by then.
    pub resting: Vec<(Task, u8)>,
    pub known: Known,
    /// Those that Cognito has refused to it.
    pub refused: BTreeSet<Text>,
}

/// The newest record that a gateway has come to know, if it still remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Known {
    pub version: u64,
    /// Two may be of one version.
    pub tokens: BTreeSet<Text>,
    pub until_ms: u32,
}

/// What may still happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Left {
    pub faults: u8,
    pub crashes: u8,
    pub cancels: u8,
    pub passes: u8,
}

/// What the properties need to know of the past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Told {
    /// Somebody has begun to sign out, or to sign in anew.
    pub ending: bool,
    /// When the first sign-out was answered as done.
    pub ended_at_ms: Option<u32>,
    /// A crash, a request that was dropped, or an answer of Cognito that was lost: then a new token may be lost with it.
    pub mishap: bool,
    /// Writes that KV refused, up to two.
    pub failed_writes: u8,
    /// A write came to KV late, over a newer record.
    pub overtaken: bool,
}

impl Told {
    /// Whether something has happened that may lose a refresh token.
    pub fn excuses_a_loss(&self) -> bool {
        self.mishap || self.overtaken || self.failed_writes > 1
    }
}

/// What must always hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Property {
    Kept,
    Replaced,
    SentToLogin,
    Served,
    Lost,
    StrictlySentToLogin,
    StrictlyNewer,
}

impl Property {
    pub const ALL: [Self; 7] =
        [Self::Kept, Self::Replaced, Self::SentToLogin, Self::Served, Self::Lost, Self::StrictlySentToLogin, Self::StrictlyNewer];

    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Kept => "no record is deleted but by a sign-out or a new sign-in",
            Self::Replaced => {
                "no gateway replaces a record whose refresh token is good by one whose token is not and which it knows to be older"
            }
            Self::SentToLogin => {
                "nobody is sent to the login before Cognito has refused the newest token that the gateway knew of"
            }
            Self::Served => "nothing is served for longer than the stated bound after a sign-out",
            Self::Lost => {
                "a refresh token is lost only by a crash, a lost answer, a write that is overtaken, or a store that twice takes nothing"
            }
            Self::StrictlySentToLogin => {
                "in strict mode nobody is sent to the login while the newest persisted refresh token is good"
            }
            Self::StrictlyNewer => "in strict mode the guard never gives up a record for an older one",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl State {
    pub fn breaks(&mut self, property: Property) {
        self.broken |= property.bit();
    }

    pub fn keeps(&self, property: Property) -> bool {
        self.broken & property.bit() == 0
    }
}
