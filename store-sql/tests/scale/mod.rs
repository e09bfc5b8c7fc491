//! Goal: many timers that are due at once are taken in pages, the oldest first, and each fires once; those of a workflow
//! whose process is away do not stand before them. Method: 20,000 runs wait for an instant that has passed, and so do
//! those of another workflow, for an earlier one.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use workflow_conformance::engine::Patience;
use workflow_core::adapter::{Backend, Store};
use workflow_core::{
    Due, Options, Run, RunId, Start, Status, StatusCode, Step, StepError, Timestamp, Workflow, WorkflowName,
};

/// How many runs wait.
const RUNS: usize = 20_000;

/// How many runs of the other workflow do.
const AWAY: usize = 3_000;

/// How many are started in one call.
const STARTED_AT_ONCE: usize = 1_000;

/// How many due rows a page has.
const PAGE: usize = 1_000;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Invitation {
    Sent = 1,
    Lapsed = 2,
}

impl Status for Invitation {
    const ALL: &'static [Self] = &[Invitation::Sent, Invitation::Lapsed];
    fn code(self) -> StatusCode {
        StatusCode::from_declared(self as i32)
    }
    fn from_code(code: StatusCode) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.code() == code)
    }
    fn name(self) -> &'static str {
        if self == Invitation::Sent { "Sent" } else { "Lapsed" }
    }
}

/// When it lapses, in milliseconds.
#[derive(Clone, Serialize, Deserialize)]
struct Until(i64);

type Lapses = Arc<AtomicUsize>;

fn until(run: &Run<Until, Invitation>) -> Result<Option<Due>, StepError> {
    Ok(Some(Due::At(Timestamp::from_millis(run.object.0))))
}

async fn lapse(_: &mut Run<Until, Invitation>, lapses: &Lapses) -> Step<Invitation> {
    lapses.fetch_add(1, Ordering::AcqRel);
    Ok(Invitation::Lapsed)
}

fn invitations(name: &str, lapses: &Lapses) -> Workflow<Until, Invitation> {
    Workflow::builder(name)
        .timeout(Invitation::Sent, until, lapse, [Invitation::Lapsed])
        .options(Options::new().in_flight(PAGE))
        .state(Arc::clone(lapses))
        .build()
        .unwrap()
}

/// Starts runs whose timers are due one after the other, the last one first, from `base` on.
async fn start(workflow: &Workflow<Until, Invitation>, backend: &Backend, count: usize, base: i64) {
    let client = workflow.connect(backend.clone()).await.unwrap();
    let numbers: Vec<usize> = (0..count).rev().collect();
    for part in numbers.chunks(STARTED_AT_ONCE) {
        let starts =
            part.iter().map(|number| Start::new(format!("{number:05}"), Until(base + *number as i64)));
        for started in client.trigger_all(starts).await.unwrap() {
            started.unwrap();
        }
    }
}

pub(crate) async fn many_due_timers_are_taken_in_pages_and_fire_once<S: Store>(store: S, backend: Backend) {
    let lapses = Lapses::default();
    let (here, away) = (invitations("invitations", &lapses), invitations("away", &lapses));
    let now = store.clock().now().as_millis();
    start(&away, &backend, AWAY, now - 200_000).await;
    start(&here, &backend, RUNS, now - 100_000).await;
    let name = WorkflowName::new("invitations").unwrap();
    let page = store.due(std::slice::from_ref(&name), PAGE).await.unwrap();
    let due: Vec<String> = page.timers.iter().map(|due| due.timer.foreign_id.to_string()).collect();
    let oldest: Vec<String> = (0..PAGE).map(|number| format!("{number:05}")).collect();
    assert_eq!((due, page.next_in), (oldest, Some(Duration::ZERO)), "the oldest, and more to come");
    let both = store.due(&[name.clone(), WorkflowName::new("away").unwrap()], PAGE).await.unwrap();
    assert!(both.timers.iter().all(|due| due.timer.workflow_name.as_str() == "away"), "the oldest of all");

    let running = here.run(backend.clone()).await.unwrap();
    let patience = Patience::begin();
    while lapses.load(Ordering::Acquire) < RUNS {
        assert!(!patience.is_over(), "only {lapses:?} timers have fired");
        tokio::task::yield_now().await;
    }
    let left = async || store.due(std::slice::from_ref(&name), PAGE).await.unwrap().timers.len();
    while left().await > 0 {
        assert!(!patience.is_over(), "timers stay due");
    }
    running.shutdown(Duration::from_secs(60)).await;
    assert_eq!(lapses.load(Ordering::Acquire), RUNS, "each fired once");
    let ended = workflow_core::adapter::ListQuery {
        workflow_name: Some(name),
        run_states: vec![workflow_core::RunState::Completed],
        limit: 2 * RUNS,
        ..Default::default()
    };
    let ended: HashSet<RunId> =
        store.list(&ended).await.unwrap().records.iter().map(|record| record.run_id).collect();
    assert_eq!(ended.len(), RUNS);
    let waiting = store.due(&[WorkflowName::new("away").unwrap()], 2 * AWAY).await.unwrap();
    assert_eq!(waiting.timers.len(), AWAY, "those of the other workflow still wait");
}
