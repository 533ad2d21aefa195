//! Who may write and read what. No data path without a [`Scope`] (reading) or a [`Source`] (writing); both come from
//! here only, never from a request's body.
//!
//! Writing: an agent's token names the owner and environment its events go to. While no token was ever made and the
//! server listens on loopback only, events without token go to `local/default`.
//! Reading: until people can log in, whoever reaches the loopback address may read every owner and environment there
//! is; elsewhere nobody may read.

mod tokens;

pub use tokens::{CreateError, TokenError, Tokens};

use crate::store::snapshot::{PartitionKey, Snapshot};

/// Where an agent's events go: made from its token, never from a request's body.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    owner: String,
    environment: String,
}

/// What a reader may see: one owner's environment. Made from a grant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    owner: String,
    environment: String,
}

const LOCAL: (&str, &str) = ("local", "default");

impl Source {
    /// The only source while no token exists: `local/default`.
    pub fn local() -> Source {
        Source { owner: LOCAL.0.to_owned(), environment: LOCAL.1.to_owned() }
    }

    /// Whose events they are.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Of which environment.
    pub fn environment(&self) -> &str {
        &self.environment
    }
}

impl Scope {
    /// The grant of whoever reaches the loopback address: `local/default`.
    pub fn local() -> Scope {
        Scope { owner: LOCAL.0.to_owned(), environment: LOCAL.1.to_owned() }
    }

    /// The grant of whoever reaches the loopback address, to one owner's environment; `None` when there is none of
    /// that name, which must look like one that may not be seen.
    pub fn on_loopback(owner: &str, environment: &str, tokens: &Tokens, snapshot: &Snapshot) -> Option<Scope> {
        let scope = Scope { owner: owner.to_owned(), environment: environment.to_owned() };
        let first = PartitionKey { owner: owner.into(), environment: environment.into(), day: i32::MIN, hour: None };
        let next = snapshot.partitions.range(first..).next();
        let held = next.is_some_and(|(key, _)| *key.owner == *owner && *key.environment == *environment);
        let known = held || (owner, environment) == LOCAL || tokens.names(owner, environment);
        known.then_some(scope)
    }

    /// Whose events may be read.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Of which environment.
    pub fn environment(&self) -> &str {
        &self.environment
    }
}
