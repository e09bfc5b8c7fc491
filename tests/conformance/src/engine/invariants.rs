//! What must hold for every run, whatever went wrong: by its history alone.

use workflow_core::adapter::ListQuery;
use workflow_core::{HistoryEntry, RunId, RunState, Status, StatusCode};

use super::{Counter, Stage};

/// The transitions that the workflow of a scenario declares.
pub fn declared(edges: &[(Stage, Stage)]) -> Vec<(StatusCode, StatusCode)> {
    edges.iter().map(|(from, to)| (from.code(), to.code())).collect()
}

/// Checks a run by its history: versions are dense (I2), each transition is declared and each move of the run state is
/// allowed (I4). Gives the history.
pub async fn holds_for(
    client: &Counter,
    run: &RunId,
    declared: &[(StatusCode, StatusCode)],
) -> Vec<HistoryEntry> {
    let history = client.history(run).await.unwrap();
    let record = client.get(run).await.unwrap();
    assert_eq!(history.len() as u64, record.version().get(), "I2: one entry for each version");
    for (at, entry) in history.iter().enumerate() {
        assert_eq!(entry.version.get(), at as u64 + 1, "I2: versions are dense: {history:?}");
    }
    assert_eq!(history[0].run_state, RunState::Initiated);
    for pair in history.windows(2) {
        legal(&pair[0], &pair[1], declared);
    }
    let last = history.last().unwrap();
    assert_eq!((last.to_status, last.run_state), (record.record().status, record.run_state()));
    one_live_run(client, record.foreign_id().as_str()).await;
    history
}

fn legal(before: &HistoryEntry, after: &HistoryEntry, declared: &[(StatusCode, StatusCode)]) {
    assert_eq!(after.from_status, Some(before.to_status), "I4: a version follows the one before");
    let (from, to) = (before.to_status, after.to_status);
    assert!(from == to || declared.contains(&(from, to)), "I4: {from} -> {to} is not declared");
    let (from, to) = (before.run_state, after.run_state);
    let stays = from == RunState::Running && to == RunState::Running;
    assert!(stays || from.can_move(to), "I4: {from} -> {to} is not allowed");
}

/// Checks that a business key has at most one unfinished run (I13).
async fn one_live_run(client: &Counter, foreign_id: &str) {
    let query = ListQuery {
        foreign_ids: vec![workflow_core::ForeignId::new(foreign_id).unwrap()],
        run_states: vec![RunState::Initiated, RunState::Running, RunState::Paused],
        ..ListQuery::default()
    };
    let live = client.list(query).await.unwrap();
    assert!(live.runs.len() <= 1, "I13: {foreign_id} has {} live runs", live.runs.len());
}
