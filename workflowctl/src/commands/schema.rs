//! `schema`: the SQL that makes the tables.

use super::Answer;
use crate::args::{Dialect, Global, SchemaArgs};
use crate::failure::{Failure, Problems};
use crate::output::Output;

/// What the names of the tables begin with.
const PREFIX: &str = "workflow_";

pub(crate) fn run(args: &SchemaArgs, global: &Global, output: &Output) -> Result<Answer, Failure> {
    if global.table_prefix.as_deref().is_some_and(|prefix| !prefix.is_empty() && prefix != PREFIX) {
        let mut problems = Problems::default();
        problems.add(
            "--table-prefix or WORKFLOW_TABLE_PREFIX",
            format!("the SQL is printed for the prefix {PREFIX} only"),
        );
        return problems.or(None);
    }
    output.raw(text(args.dialect).as_bytes())?;
    Ok(Answer::Done)
}

/// The tables, and the note that they are there.
fn text(dialect: Dialect) -> String {
    let tables = match dialect {
        Dialect::MariaDb => include_str!("../../../store-sql/migrations/mysql/0001_tables.sql"),
        Dialect::Postgres => include_str!("../../../store-sql/migrations/postgres/0001_tables.sql"),
        Dialect::Sqlite => include_str!("../../../store-sql/migrations/sqlite/0001_tables.sql"),
    };
    let versions = match dialect {
        Dialect::Postgres => {
            "create table workflow_schema (version integer not null, oldest_program integer not null);\n"
        }
        Dialect::MariaDb | Dialect::Sqlite => "",
    };
    format!("{tables}\n{versions}insert into workflow_schema (version, oldest_program) values (1, 1);\n")
}
