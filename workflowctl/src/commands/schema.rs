//! `schema`: the SQL that makes the tables.

use store_sql::schema_sql;

use super::Answer;
use crate::args::{Global, SchemaArgs};
use crate::failure::Failure;
use crate::output::Output;
use crate::settings;

pub(crate) fn run(args: &SchemaArgs, global: &Global, output: &Output) -> Result<Answer, Failure> {
    let tables = settings::tables(global, args.dialect)?;
    output.raw(schema_sql(args.dialect, &tables, args.indexes.into()).as_bytes())?;
    Ok(Answer::Done)
}
