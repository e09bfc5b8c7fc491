//! Whether tables can be used as they are.

use super::{MigrateError, Note, VERSION, Wish, tolerated};

/// What a note says to a program that wants to use the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// They can be used.
    Ready {
        /// Whether they were made elsewhere.
        adopted: bool,
    },
    /// They are to be migrated first.
    Behind,
}

/// Judges a note, `None` if there is none.
///
/// # Errors
/// If the tables are too new, or are those of another store.
pub(crate) fn readiness(note: Option<&Note>, wish: Wish<'_>) -> Result<Readiness, MigrateError> {
    let Some(note) = note else { return Ok(Readiness::Behind) };
    tolerated(note.version, note.oldest_program, wish.place)?;
    note.refuse_other_store(wish)?;
    if note.version < VERSION {
        return Ok(Readiness::Behind);
    }
    Ok(Readiness::Ready { adopted: note.is_adopted() })
}

/// What a program is told that may not migrate tables that are behind.
pub(crate) fn too_old(note: Option<&Note>, place: &str) -> MigrateError {
    let found = note.map(|note| note.version);
    MigrateError::TooOld { place: place.to_owned(), found, needed: VERSION }
}
