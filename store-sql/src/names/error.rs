//! Why a name cannot be used.

use std::fmt;

/// How much of a name that cannot be used is shown.
const SHOWN_CHARS_MAX: usize = 80;

/// What a name is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NamePart {
    /// The schema or database.
    Schema,
    /// What stands before the names of most tables and of the indexes.
    Prefix,
    /// The table of the records.
    Records,
    /// The table of the outbox.
    Outbox,
}

impl fmt::Display for NamePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NamePart::Schema => "schema",
            NamePart::Prefix => "prefix of the tables",
            NamePart::Records => "table of the records",
            NamePart::Outbox => "table of the outbox",
        })
    }
}

/// What is wrong with a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameProblem {
    /// It is empty.
    #[error("it is empty")]
    Empty,
    /// It has a character that identifiers have not.
    #[error("it has the character {0:?}, and names are of ASCII letters, digits and underscores")]
    Character(char),
    /// It begins with a digit.
    #[error("it begins with a digit, and names begin with a letter or an underscore")]
    Digit,
    /// It is too long.
    #[error("it has {bytes} bytes, and {max} are taken at most")]
    TooLong {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        max: usize,
    },
    /// Databases reserve it, or the store's own statements use it for something else.
    #[error("it is a word of SQL or of the store's own statements: add something to it")]
    Reserved,
    /// Databases reserve what begins so.
    #[error("names that begin with {0:?} are the database's own")]
    System(&'static str),
    /// Another of the store's tables or indexes has the same.
    #[error(
        "another of the store's tables or indexes has the same name: choose another one, or another prefix"
    )]
    Taken,
    /// PostgreSQL would change it.
    #[error("it has capital letters, which PostgreSQL makes small: write it in small letters")]
    Folded,
    /// SQLite has no schemas.
    #[error("a SQLite file has no schemas: leave it away")]
    NoSchemas,
}

/// A name that cannot be used: which one, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {part} cannot be named {name:?}: {problem}")]
pub struct NameError {
    part: NamePart,
    name: String,
    problem: NameProblem,
}

impl NameError {
    pub(super) fn new(part: NamePart, name: &str, problem: NameProblem) -> Self {
        Self { part, name: name.chars().take(SHOWN_CHARS_MAX).collect(), problem }
    }

    /// What the name was for.
    pub fn part(&self) -> NamePart {
        self.part
    }

    /// What is wrong with it.
    pub fn problem(&self) -> &NameProblem {
        &self.problem
    }
}
