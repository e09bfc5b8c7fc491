//! `migrate`: the tables, made or brought up to date.

use serde::Serialize;
use store_sql::{Migration, SchemaVersion};

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
    before: Option<i32>,
    /// The version now.
    after: Option<i32>,
    /// The version that this program makes.
    program: i64,
    /// Whether records and outbox were made elsewhere, and taken over.
    adopted: bool,
    /// What was done, or would be.
    steps: Vec<String>,
}

pub(crate) async fn run(args: &MigrateArgs, settings: &Settings, output: &Output) -> Result<Answer, Failure> {
    let mut options = settings.options();
    if let Some(indexes) = args.indexes {
        options = options.indexes(indexes.into());
    }
    if args.cancel_duplicates {
        options = options.cancel_duplicates();
    }
    if args.guard || args.no_guard {
        options = options.guard(args.guard);
    }
    let migration = match args.dry_run {
        true => options.plan_migration(&settings.dsn).await?,
        false => options.migrate_at(&settings.dsn).await?,
    };
    let migrated = Migrated::new(args.dry_run, &migration);
    output.show(&migrated, human)?;
    Ok(Answer::unless(args.dry_run && !migration.done.is_empty()))
}

impl Migrated {
    fn new(dry_run: bool, migration: &Migration) -> Self {
        Self {
            dry_run,
            before: migration.from,
            after: if dry_run { migration.from } else { Some(migration.to) },
            program: SchemaVersion::made_by_this_program(),
            adopted: migration.adopted,
            steps: migration
                .done
                .iter()
                .map(|done| if dry_run { done.planned() } else { done.to_string() })
                .collect(),
        }
    }
}

fn human(migrated: &Migrated) -> String {
    let Migrated { dry_run, before, after, program, adopted, ref steps } = *migrated;
    let were = if dry_run { "are" } else { "were" };
    let tables = match before {
        Some(version) => format!("the tables have version {version}"),
        None if adopted => format!("there {were} tables that were made elsewhere"),
        None => format!("there {were} no tables"),
    };
    if steps.is_empty() {
        return format!("{tables}: nothing to do\n");
    }
    let then = match (dry_run, after) {
        (true, _) if before.map(i64::from) == Some(program) => {
            "their indexes or guard would change".to_owned()
        }
        (true, _) => format!("version {program} would be made"),
        (false, after) if after == before => "their indexes or guard have changed".to_owned(),
        (false, after) => format!("now they have version {}", after.map_or(program, i64::from)),
    };
    format!("{tables}: {then}\n  {}\n", steps.join("\n  "))
}
