//! `migrate`: the tables, made or brought up to date.

use serde::Serialize;
use store_sql::SchemaVersion;

use super::Answer;
use crate::args::MigrateArgs;
use crate::failure::Failure;
use crate::output::Output;
use crate::settings::Settings;

/// What became of the tables.
#[derive(Serialize)]
struct Migrated {
    dry_run: bool,
    /// The version of the tables before; null if there were none.
    before: Option<i64>,
    /// The version now.
    after: Option<i64>,
    /// The version that this program makes.
    program: i64,
}

pub(crate) async fn run(args: &MigrateArgs, settings: &Settings, output: &Output) -> Result<Answer, Failure> {
    let version = async || {
        SchemaVersion::of(&settings.dsn, &settings.tables).await.map(|found| found.map(|found| found.version))
    };
    let before = version().await?;
    let program = SchemaVersion::made_by_this_program(&settings.dsn);
    let after = if args.dry_run {
        before
    } else {
        settings.migrate().await?;
        version().await?
    };
    let migrated = Migrated { dry_run: args.dry_run, before, after, program };
    output.show(&migrated, human)?;
    Ok(Answer::unless(after.is_none_or(|after| after < program)))
}

fn human(migrated: &Migrated) -> String {
    let Migrated { dry_run, before, after, program } = *migrated;
    let tables = before
        .map_or("there are no tables".to_owned(), |version| format!("the tables have version {version}"));
    match (dry_run, before) {
        (true, Some(version)) if version >= program => format!("{tables}: nothing to do\n"),
        (true, _) => format!("{tables}: version {program} would be made\n"),
        (false, _) if before == after => format!("{tables}: nothing to do\n"),
        (false, _) => format!("{tables}: now they have version {}\n", after.unwrap_or(program))
            .replace("there are no tables: now they", "there were no tables: now they"),
    }
}
