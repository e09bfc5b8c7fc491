//! `schema`: the SQL that makes the tables.

use store_sql::{TableNames, schema_sql};

use super::Answer;
use crate::args::{Dialect, Global, SchemaArgs};
use crate::failure::{Failure, Problems};
use crate::output::Output;

pub(crate) fn run(args: &SchemaArgs, global: &Global, output: &Output) -> Result<Answer, Failure> {
    let dialect = dialect(args.dialect);
    let prefix = global.table_prefix.as_deref().filter(|prefix| !prefix.is_empty());
    let names = prefix.map_or_else(|| Ok(TableNames::default()), TableNames::prefixed);
    let names = names.and_then(|names| names.check(dialect).map(|()| names)).map_err(|error| {
        let mut problems = Problems::default();
        problems.add("--table-prefix or WORKFLOW_TABLE_PREFIX", error);
        Failure::Settings(problems)
    })?;
    output.raw(schema_sql(dialect, &names, args.indexes.into()).as_bytes())?;
    Ok(Answer::Done)
}

fn dialect(dialect: Dialect) -> store_sql::Dialect {
    match dialect {
        Dialect::MariaDb => store_sql::Dialect::MariaDb,
        Dialect::MySql => store_sql::Dialect::MySql,
        Dialect::Postgres => store_sql::Dialect::Postgres,
        Dialect::Sqlite => store_sql::Dialect::Sqlite,
    }
}
