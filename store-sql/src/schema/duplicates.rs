//! Several unfinished runs of one foreign id, as tables that were made elsewhere may have them.

use workflow_core::adapter::Store;
use workflow_core::{Operator, OperatorError, RunId};

use super::{Done, Duplicate, MigrateError};

/// Why the runs are cancelled, as it is stored.
const REASON: &str = "a newer unfinished run of the same foreign id was kept when the tables were migrated";

/// Workflow, foreign id and run of each row, in this order and the newest run first, as duplicates.
pub(crate) fn duplicates_of(rows: Vec<(String, String, String)>) -> Vec<Duplicate> {
    let mut duplicates: Vec<Duplicate> = Vec::new();
    for (workflow_name, foreign_id, run_id) in rows {
        match duplicates.last_mut() {
            Some(last) if last.workflow_name == workflow_name && last.foreign_id == foreign_id => {
                last.runs.push(run_id);
            }
            _ => duplicates.push(Duplicate { workflow_name, foreign_id, runs: vec![run_id] }),
        }
    }
    duplicates
}

/// Cancels all but the first run of each, as an operator would: with version, event and history.
pub(crate) async fn cancel(
    store: &impl Store,
    place: &str,
    duplicates: &[Duplicate],
) -> Result<Vec<Done>, MigrateError> {
    let mut done = Vec::new();
    for run_id in duplicates.iter().flat_map(|duplicate| &duplicate.runs[1..]) {
        let Ok(id) = run_id.parse::<RunId>() else {
            let why = "its id is no UUID".to_owned();
            return Err(MigrateError::NotCancelled { place: place.to_owned(), run_id: run_id.clone(), why });
        };
        if cancel_one(store, place, id).await? {
            done.push(Done::RunCancelled { run_id: run_id.clone() });
        }
    }
    Ok(done)
}

/// Cancels a run; `false` if it has ended by itself.
async fn cancel_one(store: &impl Store, place: &str, run_id: RunId) -> Result<bool, MigrateError> {
    match Operator::on(store).cancel(run_id, REASON).await {
        Ok(_) => Ok(true),
        Err(OperatorError::Missing { .. }) => Ok(false),
        Err(OperatorError::Refused { refusal, .. }) if !refusal.from.is_live() => Ok(false),
        Err(error) => Err(MigrateError::not_cancelled(place, run_id, &error)),
    }
}
