//! Where the next page begins, as a token: it is passed back as it was given.

use std::str::FromStr;

use store_sql::maintenance::LetterCursor;
use workflow_core::adapter::Cursor;
use workflow_core::{RunId, Timestamp};

/// What the token of a list is not.
const NO_TOKEN: &str = "it is no token of this list: pass the one that the page before ended with, as it is";

/// A place in the list of runs, in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunToken {
    pub(crate) cursor: Cursor,
    pub(crate) newest_first: bool,
}

impl RunToken {
    pub(crate) fn text(self) -> String {
        let order = if self.newest_first { 'n' } else { 'o' };
        let at = self.cursor.created_at.as_millis();
        format!("{order}{:016x}{}", at as u64, self.cursor.run_id.as_uuid().simple())
    }
}

impl FromStr for RunToken {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let newest_first = match text.chars().next() {
            Some('n') => true,
            Some('o') => false,
            _ => return Err(NO_TOKEN),
        };
        let (at, run) = text.get(1..17).zip(text.get(17..)).ok_or(NO_TOKEN)?;
        let created_at = instant(at).ok_or(NO_TOKEN)?;
        let run_id: RunId = run.parse().map_err(|_| NO_TOKEN)?;
        Ok(Self { cursor: Cursor { created_at, run_id }, newest_first })
    }
}

/// A place in the list of dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LetterToken(pub(crate) LetterCursor);

impl LetterToken {
    pub(crate) fn text(&self) -> String {
        let id: String = self.0.id.bytes().map(|byte| format!("{byte:02x}")).collect();
        format!("d{:016x}{id}", self.0.created_at.as_millis() as u64)
    }
}

impl FromStr for LetterToken {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix('d').ok_or(NO_TOKEN)?;
        let (at, id) = rest.get(..16).zip(rest.get(16..)).ok_or(NO_TOKEN)?;
        let created_at = instant(at).ok_or(NO_TOKEN)?;
        let id = bytes(id).and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(NO_TOKEN)?;
        Ok(Self(LetterCursor { created_at, id: id.into() }))
    }
}

fn instant(hex: &str) -> Option<Timestamp> {
    u64::from_str_radix(hex, 16).ok().map(|bits| Timestamp::from_millis(bits as i64))
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    if !hex.is_ascii() || !hex.len().is_multiple_of(2) {
        return None;
    }
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back() {
        for millis in [-1, 0, 1_767_225_600_000] {
            let created_at = Timestamp::from_millis(millis);
            let run = RunToken {
                cursor: Cursor { created_at, run_id: RunId::generate() },
                newest_first: millis == 0,
            };
            assert_eq!(run.text().parse(), Ok(run));
            let letter = LetterToken(LetterCursor { created_at, id: "läuft/'x".into() });
            assert_eq!(letter.text().parse(), Ok(letter));
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in ["", "n", "x0000", "n00000000000000zz", "o0000000000000000nope", "oééééééééé"] {
            assert!(text.parse::<RunToken>().is_err(), "{text}");
        }
        for text in ["", "d", "d0000", "d0000000000000000abc", "d0000000000000000ff", "déééééééééé"]
        {
            assert!(text.parse::<LetterToken>().is_err(), "{text}");
        }
    }
}
