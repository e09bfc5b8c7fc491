//! One statement for many rows.
//!
//! A statement costs a round trip to the server, which is worth dozens of rows. Statements come in a few sizes so that
//! they stay prepared: where a row twice does no harm, the last one fills the statement up; where it does, a number of
//! rows is made of powers of two.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use sqlx::MySql;
use sqlx::mysql::{MySqlArguments, MySqlRow};
use sqlx::query::Query;

use super::server::Conn;

/// How many rows a statement takes at most.
const ROWS_MAX: usize = 256;

/// How many bytes of values a statement takes at most, unless one row alone has more; servers take 16 MiB by default.
const BYTES_MAX: usize = 2 * 1024 * 1024;

/// A query that is being bound.
pub(super) type Bound<'q> = Query<'q, MySql, MySqlArguments>;

/// What is done with a number of rows that is no size.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    /// The last row is there again, which does no harm.
    Repeat,
    /// Each row is there once.
    Exact,
}

/// A statement over rows of values: `before row separator row after`.
pub(super) struct Bulk {
    pub(super) before: &'static str,
    pub(super) row: &'static str,
    pub(super) separator: &'static str,
    pub(super) after: &'static str,
    pub(super) fill: Fill,
}

impl Bulk {
    /// A condition of the form `column in (?, ?)`.
    pub(super) const fn any_of(before: &'static str, after: &'static str) -> Self {
        Self { before, row: "?", separator: ",", after, fill: Fill::Repeat }
    }

    /// A condition of the form `(a = ? and b = ?) or (..)`.
    pub(super) const fn any_where(before: &'static str, row: &'static str, after: &'static str) -> Self {
        Self { before, row, separator: " or ", after, fill: Fill::Repeat }
    }

    /// An insertion: `insert into .. values (?, ?), (?, ?)`.
    pub(super) const fn insert(before: &'static str, row: &'static str, after: &'static str) -> Self {
        Self { before, row, separator: ",", after, fill: Fill::Exact }
    }

    /// Runs the statement for all rows and gives what it returns.
    pub(super) async fn fetch<R>(
        &self,
        connection: &mut Conn<'_>,
        rows: &[R],
        bind: impl for<'q> Fn(Bound<'q>, &'q R) -> Bound<'q>,
    ) -> Result<Vec<MySqlRow>, sqlx::Error> {
        let mut returned = Vec::new();
        for part in self.parts(rows, |_| 0) {
            returned.extend(self.query(connection, part, &bind).fetch_all(connection.raw()).await?);
        }
        Ok(returned)
    }

    /// Runs the statement for all rows and gives how many it affected.
    pub(super) async fn run<R>(
        &self,
        connection: &mut Conn<'_>,
        rows: &[R],
        bind: impl for<'q> Fn(Bound<'q>, &'q R) -> Bound<'q>,
    ) -> Result<u64, sqlx::Error> {
        self.run_weighed(connection, rows, |_| 0, bind).await
    }

    /// The same for rows with large values; `bytes` says how large.
    pub(super) async fn run_weighed<R>(
        &self,
        connection: &mut Conn<'_>,
        rows: &[R],
        bytes: impl Fn(&R) -> usize,
        bind: impl for<'q> Fn(Bound<'q>, &'q R) -> Bound<'q>,
    ) -> Result<u64, sqlx::Error> {
        let mut affected = 0;
        for part in self.parts(rows, bytes) {
            affected += self.query(connection, part, &bind).execute(connection.raw()).await?.rows_affected();
        }
        Ok(affected)
    }

    fn query<'q, R>(
        &self,
        connection: &Conn<'_>,
        part: &'q [R],
        bind: impl Fn(Bound<'q>, &'q R) -> Bound<'q>,
    ) -> Bound<'q> {
        let size = self.size_of(part.len());
        let last = part.last().into_iter().cycle().take(size - part.len());
        let query = sqlx::query(connection.sql(self.text(size)));
        part.iter().chain(last).fold(query, bind)
    }

    /// How many rows the statement for so many rows has.
    fn size_of(&self, rows: usize) -> usize {
        match self.fill {
            Fill::Exact => rows,
            Fill::Repeat => rows.next_power_of_two().min(ROWS_MAX),
        }
    }

    /// The rows in parts that are each one statement.
    fn parts<'r, R>(&self, rows: &'r [R], bytes: impl Fn(&R) -> usize) -> Vec<&'r [R]> {
        let (mut parts, mut rest) = (Vec::new(), rows);
        while !rest.is_empty() {
            let (mut count, mut sum) = (0, 0);
            while count < rest.len().min(ROWS_MAX) {
                sum += bytes(&rest[count]);
                if count > 0 && sum > BYTES_MAX {
                    break;
                }
                count += 1;
            }
            if self.fill == Fill::Exact {
                // The largest power of two that is not larger.
                count = 1 << count.ilog2();
            }
            let (part, after) = rest.split_at(count);
            parts.push(part);
            rest = after;
        }
        parts
    }

    /// The statement's text in a size, with the default names; made once.
    fn text(&self, size: usize) -> &'static str {
        type Key = (&'static str, &'static str, &'static str, usize);
        static TEXTS: OnceLock<Mutex<HashMap<Key, &'static str>>> = OnceLock::new();
        let mut texts = TEXTS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        texts.entry((self.before, self.row, self.after, size)).or_insert_with(|| {
            let rows = vec![self.row; size].join(self.separator);
            // There are a few hundred of them in a program's life.
            Box::leak(format!("{}{rows}{}", self.before, self.after).into_boxed_str())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXACT: Bulk = Bulk::insert("insert into t values ", "(?)", "");
    const REPEAT: Bulk = Bulk::any_of("select * from t where id in (", ")");

    fn sizes(bulk: &Bulk, rows: usize, bytes: usize) -> Vec<usize> {
        bulk.parts(&vec![(); rows], |()| bytes).into_iter().map(<[()]>::len).collect()
    }

    #[test]
    fn rows_that_must_be_there_once_are_made_of_powers_of_two() {
        assert_eq!(sizes(&EXACT, 300, 0), [256, 32, 8, 4]);
        assert_eq!(sizes(&EXACT, 1, 0), [1]);
        assert!(sizes(&EXACT, 0, 0).is_empty());
    }

    #[test]
    fn rows_that_may_be_there_twice_fill_their_statement_up() {
        assert_eq!(sizes(&REPEAT, 300, 0), [256, 44]);
        assert_eq!(REPEAT.size_of(44), 64);
        assert_eq!(REPEAT.text(2), "select * from t where id in (?,?)");
        let locking = Bulk { after: ") for update", ..REPEAT };
        assert_eq!(
            locking.text(2),
            "select * from t where id in (?,?) for update",
            "each has a text of its own"
        );
    }

    #[test]
    fn large_values_make_small_statements() {
        assert_eq!(sizes(&EXACT, 5, BYTES_MAX / 2), [2, 2, 1]);
        assert_eq!(sizes(&EXACT, 2, BYTES_MAX * 3), [1, 1], "one row goes in any case");
    }
}
