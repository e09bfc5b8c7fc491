//! A relay that is killed between publishing and deleting.

use workflow_system_tests::ground::{Kind, Session};

use crate::check::eventually;
use crate::stage::{NEVER, Stage};

const JOURNEYS: usize = 200;

/// A look that keeps others from deleting what it has seen, but not from reading it or from adding more.
const HOLD: &str = "begin; select id from workflow_outbox for update";

/// Otherwise MariaDB keeps others from adding rows, too.
const ROWS_ALONE: &str = "set session transaction isolation level read committed";

async fn duplicates_change_nothing(kind: Kind) {
    let stage = Stage::shared(kind).await;
    let worker = stage.worker(NEVER).await;
    worker.begin("journey", JOURNEYS).await;
    let mut holder: Session = stage.ground.session().await;
    if kind == Kind::MariaDb {
        holder.run(ROWS_ALONE).await.unwrap();
    }
    holder.run(HOLD).await.unwrap();
    let relay = stage.relay().await;
    let published = "workflow_outbox_published_total";
    let all = 4 * JOURNEYS;
    // Rows that were published and not deleted hold up no run: what follows them is published, too.
    eventually("all events are published", async || relay.metric(published).await >= all as f64).await;
    stage.ended(JOURNEYS).await;
    assert_eq!(stage.rows("outbox").await, all, "nothing could be deleted");
    relay.kill();
    holder.run("rollback").await.unwrap();
    let relay = stage.relay().await;
    stage.all_ended(JOURNEYS).await;
    stage.all_published().await;
    assert_eq!(relay.metric(published).await, all as f64, "the next relay cannot know what was published");
    assert_eq!(stage.published().await.len(), 2 * all, "every event is on its topic twice");
    let skipped = || worker.metric("workflow_process_skipped_events_count", Some("already_processed"));
    eventually("duplicates are known by their version", async || skipped() >= 3.0 * JOURNEYS as f64).await;
    assert_eq!(worker.walked.again(), 0, "no step was taken twice");
    assert_eq!(stage.rows("dead_letters").await, 0);
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_killed_before_it_deletes_repeats_events_that_are_skipped_on_postgres() {
    duplicates_change_nothing(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_killed_before_it_deletes_repeats_events_that_are_skipped_on_mariadb() {
    duplicates_change_nothing(Kind::MariaDb).await;
}
