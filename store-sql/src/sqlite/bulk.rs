//! One statement for many rows.
//!
//! A statement costs a hop to SQLite's thread and back, which is worth hundreds of rows. Statements come in a few sizes
//! so that they stay prepared; a part that does not fill its statement leaves the last rows unbound, which SQLite reads
//! as NULL and the statement passes over.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use sqlx::Sqlite;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};

use super::open::Conn;

/// How many rows a statement can take.
const SIZES: [usize; 5] = [1, 4, 16, 64, 256];

/// A query that is being bound.
pub(super) type Bound<'q> = Query<'q, Sqlite, SqliteArguments>;

/// A statement over rows of values: `before (values (?, ?), (?, ?)) after`.
pub(super) struct Bulk {
    pub(super) before: &'static str,
    pub(super) columns: usize,
    pub(super) after: &'static str,
}

impl Bulk {
    /// Runs the statement for all rows and gives what it returns.
    pub(super) async fn fetch<R>(
        &self,
        connection: &mut Conn<'_>,
        rows: &[R],
        bind: impl for<'q> Fn(Bound<'q>, &'q R) -> Bound<'q>,
    ) -> Result<Vec<SqliteRow>, sqlx::Error> {
        let mut returned = Vec::new();
        for part in parts(rows) {
            let mut query = sqlx::query(connection.sql(self.text(size_of(part.len()))));
            for row in part {
                query = bind(query, row);
            }
            returned.extend(query.fetch_all(connection.raw()).await?);
        }
        Ok(returned)
    }

    /// Runs the statement for all rows; tells how many rows of the table it wrote.
    ///
    /// Every row that a statement gives back is a wake-up from SQLite's thread to this one and costs more than to write
    /// it: a count is all that is asked for where all rows are expected to be written.
    pub(super) async fn run<R>(
        &self,
        connection: &mut Conn<'_>,
        rows: &[R],
        bind: impl for<'q> Fn(Bound<'q>, &'q R) -> Bound<'q>,
    ) -> Result<usize, sqlx::Error> {
        let mut written = 0;
        for part in parts(rows) {
            let mut query = sqlx::query(connection.sql(self.text(size_of(part.len()))));
            for row in part {
                query = bind(query, row);
            }
            written += query.execute(connection.raw()).await?.rows_affected();
        }
        Ok(usize::try_from(written).unwrap_or(usize::MAX))
    }

    /// The statement's text in a size, with the default names; made once.
    fn text(&self, size: usize) -> &'static str {
        static TEXTS: OnceLock<Mutex<HashMap<(&'static str, usize), &'static str>>> = OnceLock::new();
        let mut texts = TEXTS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        texts.entry((self.before, size)).or_insert_with(|| {
            let row = format!("({})", vec!["?"; self.columns].join(","));
            let rows = vec![row; size].join(",");
            // There are a few dozen of them in a program's life.
            Box::leak(format!("{} (values {rows}) {}", self.before, self.after).into_boxed_str())
        })
    }
}

fn parts<R>(rows: &[R]) -> impl Iterator<Item = &[R]> {
    rows.chunks(SIZES[SIZES.len() - 1])
}

fn size_of(rows: usize) -> usize {
    SIZES.into_iter().find(|size| *size >= rows).unwrap_or(SIZES[SIZES.len() - 1])
}
