//! Rows that are not what the tables say: read as far as they can be, or set aside so that the rest go on.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use workflow_core::{RunId, Timestamp, Version};

use super::open::Conn;
use crate::record_row::as_i64;

/// The text of a column, whatever it holds.
pub(super) fn text(row: &SqliteRow, at: usize) -> String {
    match row.try_get(at) {
        Ok(text) => text,
        Err(_) => String::from_utf8_lossy(&bytes(row, at)).into_owned(),
    }
}

/// The number of a column, whatever it holds; what is no number is 0.
pub(super) fn number(row: &SqliteRow, at: usize) -> i64 {
    row.try_get_unchecked(at).unwrap_or_default()
}

/// The bytes of a column, whatever it holds: those of a number are its digits, as in SQLite's `cast(.. as blob)`.
pub(super) fn bytes(row: &SqliteRow, at: usize) -> Vec<u8> {
    row.try_get_unchecked(at).unwrap_or_default()
}

/// A column as SQLite's `quote` writes it, which is how the outbox is told to delete a row whose id is no text.
pub(super) fn quoted(row: &SqliteRow, at: usize) -> String {
    let hex: String = bytes(row, at).iter().map(|byte| format!("{byte:02X}")).collect();
    format!("X'{hex}'")
}

/// The run of a column, if it is written as this store writes it: only then is the row found again by it.
pub(super) fn run_id(row: &SqliteRow, at: usize) -> Option<RunId> {
    let text: &str = row.try_get(at).ok()?;
    text.parse().ok().filter(|run_id: &RunId| run_id.to_string() == text)
}

/// The version of a column, if it is one.
pub(super) fn version(row: &SqliteRow, at: usize) -> Option<Version> {
    let number: i64 = row.try_get(at).ok()?;
    u64::try_from(number).ok().and_then(Version::new)
}

/// A table whose rows are found by when they are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Timeouts,
    Retries,
}

impl Table {
    const fn name(self) -> &'static str {
        match self {
            Table::Timeouts => "workflow_timeouts",
            Table::Retries => "workflow_retries",
        }
    }

    const fn delete(self) -> &'static str {
        match self {
            Table::Timeouts => {
                "delete from workflow_timeouts where cast(run_id as blob) = ? and cast(entered as blob) = ? and \
                 cast(name as blob) = ?"
            }
            Table::Retries => {
                "delete from workflow_retries where cast(run_id as blob) = ? and cast(version as blob) = ? and \
                 cast(process as blob) = ?"
            }
        }
    }
}

/// A due row that cannot be read.
#[derive(Debug)]
pub(super) struct Damaged {
    table: Table,
    /// The primary key, as bytes: it may be what is damaged.
    key: [Vec<u8>; 3],
    workflow_name: String,
    run_id: Option<RunId>,
    version: Option<Version>,
    reason: String,
    data: Vec<u8>,
}

impl Damaged {
    /// A row whose primary key is its first three columns, and which has its workflow's name and what is to be kept of
    /// it at these places.
    pub(super) fn new(table: Table, row: &SqliteRow, [name_at, data_at]: [usize; 2], why: &str) -> Self {
        let reason = format!("a row of {} cannot be read: {why}", table.name());
        tracing::error!(run_id = %text(row, 0), reason, "a row is set aside");
        Self {
            table,
            key: [bytes(row, 0), bytes(row, 1), bytes(row, 2)],
            workflow_name: text(row, name_at),
            run_id: run_id(row, 0),
            version: version(row, 1),
            reason,
            data: bytes(row, data_at),
        }
    }

    /// Moves the row to the dead letters.
    pub(super) async fn set_aside(
        &self,
        connection: &mut Conn<'_>,
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let key = self.key.each_ref().map(|part| String::from_utf8_lossy(part));
        let insert = "insert into workflow_dead_letters (id, workflow_name, run_id, version, process, reason, data, \
                      created_at) values (?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing";
        sqlx::query(connection.sql(insert))
            .bind(format!("{}/{}", self.table.name(), key.join("/")))
            .bind(&self.workflow_name)
            .bind(self.run_id.map(|run_id| run_id.to_string()))
            .bind(self.version.map(|version| as_i64(version.get())))
            .bind(&*key[2])
            .bind(&self.reason)
            .bind(&self.data)
            .bind(now.as_millis())
            .execute(connection.raw())
            .await?;
        let [first, second, third] = &self.key;
        let delete = sqlx::query(connection.sql(self.table.delete())).bind(first).bind(second).bind(third);
        delete.execute(connection.raw()).await.map(drop)
    }
}
