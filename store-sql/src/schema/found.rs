//! What a database has.

use std::collections::{BTreeMap, BTreeSet};

use super::{MigrateError, Wish};
use crate::names::Table;

/// The tables of a database, as its catalogue tells them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    pub(crate) tables: BTreeMap<Table, FoundTable>,
    /// Views that have the names of tables.
    pub(crate) views: BTreeSet<Table>,
    /// Whether there is the guard.
    pub(crate) guard: bool,
    /// What is noted of them; `None` if nothing is.
    pub(crate) note: Option<Note>,
}

/// A table that is there.
#[derive(Clone, Debug, Default)]
pub(crate) struct FoundTable {
    /// The names of its columns, in small letters.
    pub(crate) columns: BTreeSet<String>,
    /// Its indexes by name.
    pub(crate) indexes: BTreeMap<String, FoundIndex>,
}

/// An index that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundIndex {
    /// One whose making was interrupted is not.
    pub(crate) whole: bool,
    /// What it is on, in its order.
    pub(crate) columns: Vec<String>,
}

/// The row that says what the tables are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) version: i32,
    pub(crate) oldest_program: i32,
    /// Since version 2: records and outbox, and whether they were made elsewhere.
    pub(crate) marks: Option<Marks>,
}

/// For which tables a note is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) records: String,
    pub(crate) outbox: String,
    pub(crate) adopted: bool,
}

impl Note {
    /// Whether the tables were made elsewhere.
    pub(crate) fn is_adopted(&self) -> bool {
        self.marks.as_ref().is_some_and(|marks| marks.adopted)
    }

    /// Refuses the note of another store's tables, which has the same prefix.
    pub(crate) fn refuse_other_store(&self, wish: Wish<'_>) -> Result<(), MigrateError> {
        let Some(marks) = &self.marks else { return Ok(()) };
        if marks.records == wish.names.records() && marks.outbox == wish.names.outbox() {
            return Ok(());
        }
        Err(MigrateError::OtherStore {
            place: wish.place.to_owned(),
            prefix: wish.names.prefix().to_owned(),
            records: marks.records.clone(),
            outbox: marks.outbox.clone(),
        })
    }
}
