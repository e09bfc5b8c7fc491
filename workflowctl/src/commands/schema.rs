//! `schema`: the SQL that makes the tables.

use serde::Serialize;
use store_sql::{guard_sql, schema_sql};

use super::Answer;
use crate::args::{Global, SchemaArgs};
use crate::failure::Failure;
use crate::output::Output;
use crate::settings;

/// The tables as text.
#[derive(Serialize)]
struct Schema {
    sql: String,
}

pub(crate) fn run(args: &SchemaArgs, global: &Global, output: &Output) -> Result<Answer, Failure> {
    let tables = settings::tables(global, args.dialect)?;
    let mut sql = schema_sql(args.dialect, &tables, args.indexes.into());
    if args.guard {
        sql.push('\n');
        sql.push_str(&guard_sql(args.dialect, &tables));
    }
    let schema = Schema { sql };
    output.show(&schema, |schema| schema.sql.clone())?;
    Ok(Answer::Done)
}
