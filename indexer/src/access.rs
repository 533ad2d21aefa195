//! Who may write and read what. No data path without a [`Scope`] (reading) or a [`Source`] (writing).

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

impl Source {
    /// The only source and grant while nobody can log in: `local/default`.
    pub fn local() -> Source {
        Source { owner: "local".to_owned(), environment: "default".to_owned() }
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
    /// Whose events may be read.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Of which environment.
    pub fn environment(&self) -> &str {
        &self.environment
    }
}
