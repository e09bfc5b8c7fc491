//! A migration, step by step, on a database of any kind.

use std::future::Future;

use workflow_core::adapter::BackendError;

use super::{
    Definition, Done, Duplicate, Found, IndexSet, MigrateError, Migration, Plan, Step, VERSION, Wish, plan,
};
use crate::names::{Table, TableNames};

/// What a migration is asked to do beside making tables.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Order {
    /// `None` leaves the indexes that are there, and makes new tables with the lean set.
    pub(crate) indexes: Option<IndexSet>,
    /// `None` leaves the guard as it is, and makes new tables without.
    pub(crate) guard: Option<bool>,
    /// Cancel all but the newest of several unfinished runs of a foreign id, instead of refusing.
    pub(crate) cancel_duplicates: bool,
    /// Only say what would be done.
    pub(crate) only_plan: bool,
}

/// How a migration that is made whole ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All of it stays.
    Commit,
    /// Nothing of it stays.
    Rollback,
}

/// A database whose tables are migrated; nobody else migrates them meanwhile.
pub(crate) trait Target: Send {
    /// Where it is, in messages.
    fn place(&self) -> &str;

    fn names(&self) -> &TableNames;

    /// An error of a statement as one of the store.
    fn wrap(&self, what: &str, error: sqlx::Error) -> BackendError;

    /// Whether the user lacks a right.
    fn is_denied(&self, error: &sqlx::Error) -> bool;

    /// What there is.
    fn found(&mut self) -> impl Future<Output = Result<Found, sqlx::Error>> + Send;

    /// Begins what is to be made whole or not at all, where the database can; what is altered beside running work is not.
    fn begin(&mut self) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Ends it.
    fn end(&mut self, end: End) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Runs a statement that a step consists of.
    fn execute(&mut self, text: String) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Foreign ids with several unfinished runs.
    fn duplicates(&mut self) -> impl Future<Output = Result<Vec<Duplicate>, sqlx::Error>> + Send;

    /// Cancels all but the first run of each.
    fn cancel(
        &mut self,
        duplicates: &[Duplicate],
    ) -> impl Future<Output = Result<Vec<Done>, MigrateError>> + Send;
}

/// Makes the tables what they are to be.
pub(crate) async fn migrate(
    target: &mut impl Target,
    definition: &Definition,
    order: Order,
) -> Result<Migration, MigrateError> {
    let found = target.found().await.map_err(|error| target.wrap("read what tables there are", error))?;
    let names = target.names().clone();
    let wish = Wish { place: target.place(), names: &names, indexes: order.indexes, guard: order.guard };
    let plan = plan(definition, &found, wish)?;
    if !plan.only_makes_tables() || order.only_plan {
        return steps(target, definition, &plan, order).await;
    }
    target.begin().await.map_err(|error| target.wrap("migrate", error))?;
    let made = steps(target, definition, &plan, order).await;
    let end = if made.is_ok() { End::Commit } else { End::Rollback };
    let ended = target.end(end).await.map_err(|error| target.wrap("migrate", error));
    let migration = made?;
    ended?;
    Ok(migration)
}

async fn steps(
    target: &mut impl Target,
    definition: &Definition,
    plan: &Plan,
    order: Order,
) -> Result<Migration, MigrateError> {
    let mut migration = Migration { from: plan.from, to: plan.to, adopted: plan.adopted, done: Vec::new() };
    for step in &plan.steps {
        if !order.only_plan || *step == Step::EndDuplicates {
            migration.done.extend(take(target, definition, plan, step, order).await?);
        }
        migration.done.extend(step.done(definition.dialect, target.names()));
    }
    Ok(migration)
}

/// Takes one step.
async fn take(
    target: &mut impl Target,
    definition: &Definition,
    plan: &Plan,
    step: &Step,
    order: Order,
) -> Result<Vec<Done>, MigrateError> {
    if *step == Step::EndDuplicates {
        return end_duplicates(target, order).await;
    }
    for text in step.statements(definition, target.names(), plan.adopted) {
        if let Err(error) = target.execute(text).await {
            return Err(failed(target, definition, plan, step, error).await);
        }
    }
    Ok(Vec::new())
}

async fn end_duplicates(target: &mut impl Target, order: Order) -> Result<Vec<Done>, MigrateError> {
    let duplicates = duplicates(target).await?;
    if duplicates.is_empty() {
        return Ok(Vec::new());
    }
    if !order.cancel_duplicates {
        return Err(MigrateError::Duplicates { place: target.place().to_owned(), duplicates });
    }
    if order.only_plan {
        let spare = duplicates.into_iter().flat_map(|duplicate| duplicate.runs.into_iter().skip(1));
        return Ok(spare.map(|run_id| Done::RunCancelled { run_id }).collect());
    }
    target.cancel(&duplicates).await
}

async fn duplicates(target: &mut impl Target) -> Result<Vec<Duplicate>, MigrateError> {
    let found = target.duplicates().await;
    Ok(found.map_err(|error| target.wrap("look for duplicate runs", error))?)
}

/// What it means that a statement of a step failed.
async fn failed(
    target: &mut impl Target,
    definition: &Definition,
    plan: &Plan,
    step: &Step,
    error: sqlx::Error,
) -> MigrateError {
    let place = target.place().to_owned();
    if matches!(step, Step::MakeGuard | Step::DropGuard) && target.is_denied(&error) {
        let table = target.names().qualified(Table::Records);
        return MigrateError::GuardNotAllowed { place, table, source: Box::new(error) };
    }
    if target.is_denied(&error) {
        return MigrateError::NotAllowed {
            place,
            found: plan.from,
            needed: VERSION,
            source: Box::new(error),
        };
    }
    if let Step::MakeIndex { table, index, .. } = step
        && index.unique
        && let Ok(duplicates) = duplicates(target).await
        && !duplicates.is_empty()
    {
        // Somebody has made them since they were looked for. What is left of the index would refuse new ones, unseen.
        let left = Step::DropIndex { table: *table, index: index.clone() };
        for text in left.statements(definition, target.names(), plan.adopted) {
            // There may be nothing left; the next migration looks again in any case.
            let _ = target.execute(text).await;
        }
        return MigrateError::Duplicates { place: target.place().to_owned(), duplicates };
    }
    target.wrap("migrate", error).into()
}

/// What a migration would do where there is nothing yet.
#[cfg(feature = "sqlite")]
pub(crate) fn planned_from_nothing(
    definition: &Definition,
    wish: Wish<'_>,
) -> Result<Migration, MigrateError> {
    let plan = plan(definition, &Found::default(), wish)?;
    let done = plan.steps.iter().filter_map(|step| step.done(definition.dialect, wish.names)).collect();
    Ok(Migration { from: plan.from, to: plan.to, adopted: plan.adopted, done })
}
