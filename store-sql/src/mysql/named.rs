//! Statements that lock the rows they name, and no other.
//!
//! For a list of keys (`in`, `or`) the optimizer reads a small table from end to end, whatever index it is told to use, and
//! waits for every row that another transaction has written. A join that begins with the keys looks each of them up: they
//! come as one value in JSON, so that a statement has one text for any number of them.

use serde_json::Value;
use sqlx::SqlStr;
use sqlx::mysql::MySqlRow;

use super::server::Conn;

/// How many keys a statement takes at most.
const KEYS_MAX: usize = 256;

/// The keys of rows of runs, as a table.
macro_rules! named_runs {
    () => {
        "json_table(?, '$[*]' columns (run_id varchar(64) character set ascii path '$'))"
    };
}
pub(super) use named_runs;

/// The deletion of all rows of some runs from a table, by an index.
macro_rules! delete_of_runs {
    ($table:literal, $index:literal) => {
        $crate::mysql::named::Named(concat!(
            "delete t from ",
            $crate::mysql::named::named_runs!(),
            " d straight_join ",
            $table,
            " t force index (",
            $index,
            ") on t.run_id = d.run_id"
        ))
    };
}
pub(super) use delete_of_runs;

/// A statement whose first value is a list of keys in JSON, and whose only one it is.
pub(super) struct Named(pub(super) &'static str);

impl Named {
    /// Runs the statement for all rows.
    pub(super) async fn run<R>(
        &self,
        connection: &mut Conn<'_>,
        rows: &[R],
        key: impl Fn(&R) -> Value,
    ) -> Result<(), sqlx::Error> {
        for part in rows.chunks(KEYS_MAX) {
            let text = connection.sql(self.0);
            sqlx::query(text).bind(keys(part, &key)).execute(connection.raw()).await?;
        }
        Ok(())
    }

    /// Runs the statement for all rows and gives what it returns.
    pub(super) async fn fetch<R>(
        &self,
        connection: &mut Conn<'_>,
        rows: &[R],
        key: impl Fn(&R) -> Value,
    ) -> Result<Vec<MySqlRow>, sqlx::Error> {
        let mut returned = Vec::new();
        for part in rows.chunks(KEYS_MAX) {
            let text: SqlStr = connection.sql(self.0);
            returned.extend(sqlx::query(text).bind(keys(part, &key)).fetch_all(connection.raw()).await?);
        }
        Ok(returned)
    }
}

/// The keys as the statements take them.
pub(super) fn keys<R>(rows: &[R], key: impl Fn(&R) -> Value) -> String {
    Value::Array(rows.iter().map(key).collect()).to_string()
}

/// The width is that of adopted tables, whose own character set the ids are compared in: ASCII is a part of each.
const DELETE_OUTBOX: Named = Named(
    "delete o from json_table(?, '$[*]' columns (id varchar(255) character set ascii path '$')) d straight_join \
     workflow_outbox o force index (primary) on o.id = d.id",
);

const DELETE_OUTBOX_ROW: &str = "delete from workflow_outbox where id = ?";

/// Deletes outbox rows, in the order of their ids, so that two who do so cannot lock each other out.
pub(super) async fn delete_outbox(connection: &mut Conn<'_>, ids: &[&str]) -> Result<(), sqlx::Error> {
    let (mut many, mut single): (Vec<&str>, Vec<&str>) = ids.iter().partition(|id| id.is_ascii());
    many.sort_unstable();
    if many.len() == 1 {
        single.append(&mut many);
    }
    DELETE_OUTBOX.run(connection, &many, |id| Value::from(*id)).await?;
    // Others than the store may have given ids of their own to rows of adopted tables.
    for id in single {
        let text = connection.sql(DELETE_OUTBOX_ROW);
        sqlx::query(text).bind(id).execute(connection.raw()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_one_value_whatever_is_in_them() {
        let rows = [("a\"b", 1), ("\u{0}ü", 2)];
        assert_eq!(keys(&rows, |(id, _)| Value::from(*id)), r#"["a\"b","\u0000ü"]"#);
        assert_eq!(keys(&rows[..1], |(id, of)| serde_json::json!([id, of])), r#"[["a\"b",1]]"#);
    }
}
