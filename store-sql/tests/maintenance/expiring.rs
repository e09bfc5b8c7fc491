//! Old runs: which of them expire, and what becomes of them.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use store_sql::maintenance::{Batch, Expiry, FinalState, What};
use workflow_conformance::samples::{
    ack_all, callback, completed, dead_letter, found, moved, new_run, new_run_of, orders, paused, retry_row,
    start, start_as, start_key, stepped, store_over, take_effect, timer, workflow,
};
use workflow_core::adapter::{Effect, ListQuery, Store};
use workflow_core::{Due, Move, Record, encode_outbox};

use crate::place::Place;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn rows(batches: &[Batch]) -> u64 {
    batches.iter().map(|batch| batch.rows).sum()
}

fn kept(batches: &[Batch]) -> u64 {
    batches.iter().map(|batch| batch.kept).sum()
}

fn in_batches(of: usize, expiry: Expiry) -> Expiry {
    Expiry { batch: NonZeroUsize::new(of).unwrap(), ..expiry }
}

fn month_old(what: What) -> Expiry {
    Expiry::new(what, 30 * DAY)
}

async fn done(store: &impl Store, foreign_id: &str) -> Arc<Record> {
    let run = start(store, foreign_id).await;
    store_over(store, &run, &completed(&run)).await
}

/// A run whose operator cancelled it.
async fn cancelled(store: &impl Store, foreign_id: &str) -> Arc<Record> {
    let run = start(store, foreign_id).await;
    store_over(store, &run, &moved(&run, Move::Cancel { reason: "no more".into() })).await
}

async fn foreign_ids(store: &impl Store) -> Vec<String> {
    let page = store.list(&ListQuery { limit: 100, ..ListQuery::default() }).await.unwrap();
    let mut ids: Vec<String> = page.records.iter().map(|record| record.foreign_id.to_string()).collect();
    ids.sort();
    ids
}

/// How many rows of a run are left anywhere.
async fn traces(place: &Place, run: &Record) -> i64 {
    let tables = ["records", "outbox", "timeouts", "retries", "history", "dead_letters", "inbox"];
    let mut rows = 0;
    for table in tables {
        let text = format!("select count(*) from workflow_{table} where run_id = '{}'", run.run_id);
        rows += place.number(&text).await;
    }
    rows
}

pub(crate) async fn only_old_runs_that_have_ended_expire(place: Place, store: impl Store) {
    let mut with_all = new_run("done");
    with_all.start_key = Some(start_key("once"));
    let run = start_as(&store, &with_all).await;
    let now = Due::In(Duration::ZERO);
    let belongings = vec![timer(&run, "0", now), Effect::PutCallback(callback(1, "a"))];
    take_effect(&store, &run, belongings).await;
    let whole = store_over(&store, &run, &completed(&run)).await;
    take_effect(&store, &whole, vec![Effect::PutRetry(retry_row(&whole, "step", None))]).await;
    cancelled(&store, "cancelled").await;
    start(&store, "initiated").await;
    let running = start(&store, "running").await;
    store_over(&store, &running, &stepped(&running, 2)).await;
    let held = start(&store, "paused").await;
    store_over(&store, &held, &paused(&held)).await;
    let asked = done(&store, "asked for deletion").await;
    store_over(&store, &asked, &moved(&asked, Move::RequestDelete { reason: "gdpr".into() })).await;
    let late = start(&store, "ended late").await;
    place.pass(31 * DAY).await;
    store_over(&store, &late, &completed(&late)).await;
    done(&store, "young").await;
    ack_all(&store).await;
    let batches = place.expire(&month_old(What::Delete)).await;
    assert_eq!((rows(&batches), kept(&batches)), (2, 0));
    assert_eq!(traces(&place, &run).await, 0);
    let left = ["asked for deletion", "ended late", "initiated", "paused", "running", "young"];
    assert_eq!(foreign_ids(&store).await, left);
    assert!(place.expire(&month_old(What::Delete)).await.iter().all(|batch| batch.rows == 0));
}

pub(crate) async fn what_is_named_is_all_that_expires(place: Place, store: impl Store) {
    done(&store, "done").await;
    cancelled(&store, "cancelled").await;
    let refund = start_as(&store, &new_run_of(workflow("refunds"), "refund")).await;
    store_over(&store, &refund, &completed(&refund)).await;
    ack_all(&store).await;
    place.pass(31 * DAY).await;
    let of_orders = Expiry {
        states: vec![FinalState::Completed],
        workflow_name: Some(orders()),
        ..month_old(What::Delete)
    };
    assert_eq!(rows(&place.expire(&of_orders).await), 1);
    assert_eq!(foreign_ids(&store).await, ["cancelled", "refund"]);
    let deleted = Expiry { states: vec![FinalState::DataDeleted], ..month_old(What::Delete) };
    assert_eq!(rows(&place.expire(&deleted).await), 0);
    assert_eq!(rows(&place.expire(&month_old(What::Delete)).await), 2);
}

pub(crate) async fn what_is_unsent_owed_or_dead_stays(place: Place, store: impl Store) {
    let owed = done(&store, "owed").await;
    let later = Some(Due::In(400 * DAY));
    take_effect(&store, &owed, vec![Effect::PutRetry(retry_row(&owed, "hook", later))]).await;
    let dead = done(&store, "dead").await;
    take_effect(&store, &dead, vec![Effect::PutDeadLetter(dead_letter(&dead, "x"))]).await;
    let foreign = done(&store, "of another program").await;
    let noted = done(&store, "noted").await;
    take_effect(&store, &noted, vec![Effect::PutRetry(retry_row(&noted, "step", None))]).await;
    ack_all(&store).await;
    done(&store, "unsent").await;
    let event = workflow_conformance::samples::event_of(&foreign);
    let hex: String = encode_outbox(&event).iter().map(|byte| format!("{byte:02x}")).collect();
    let data = match place.database() {
        store_sql::Database::Postgres(_) => format!("'\\x{hex}'"),
        _ => format!("x'{hex}'"),
    };
    place.run(&format!(
        "insert into workflow_outbox (id, workflow_name, data, created_at) select 'outbox-id-go', 'orders', {data}, updated_at \
         from workflow_records where run_id = '{}'",
        foreign.run_id
    )).await;
    place.pass(31 * DAY).await;
    let batches = place.expire(&month_old(What::Delete)).await;
    assert_eq!((rows(&batches), kept(&batches)), (1, 4), "{batches:?}");
    assert_eq!(foreign_ids(&store).await, ["dead", "of another program", "owed", "unsent"]);
    // A row that cannot be read may be of any run.
    place.run("update workflow_outbox set data = null where id = 'outbox-id-go'").await;
    let refused = place.maintenance().expire(&month_old(What::Delete)).await.unwrap_err();
    assert!(refused.to_string().contains("outbox-id-go"), "{refused}");
}

pub(crate) async fn a_dry_run_counts_and_changes_nothing(place: Place, store: impl Store) {
    for number in 0..5 {
        done(&store, &format!("order-{number}")).await;
    }
    ack_all(&store).await;
    done(&store, "unsent").await;
    place.pass(31 * DAY).await;
    for (what, wanted) in [(What::Delete, 5), (What::DeleteHistory, 12)] {
        let expiry = in_batches(2, month_old(what));
        let counted = place.expire(&Expiry { dry_run: true, ..expiry.clone() }).await;
        assert_eq!(rows(&counted), wanted, "{:?}", expiry.what);
        assert_eq!(foreign_ids(&store).await.len(), 6);
        assert_eq!(place.number("select count(*) from workflow_history").await, 12);
    }
    let into = What::MoveInto("kept_runs".parse().unwrap());
    let counted = place.expire(&Expiry { dry_run: true, ..month_old(into) }).await;
    assert_eq!((rows(&counted), kept(&counted)), (5, 1));
    let expired = place.expire(&in_batches(2, month_old(What::Delete))).await;
    assert_eq!((rows(&expired), kept(&expired)), (5, 1), "as it was counted");
}

pub(crate) async fn moved_runs_are_whole_in_the_archive(place: Place, store: impl Store) {
    let run = done(&store, "order-1").await;
    ack_all(&store).await;
    place.pass(31 * DAY).await;
    let into = month_old(What::MoveInto("kept_runs".parse().unwrap()));
    assert_eq!(rows(&place.expire(&into).await), 1);
    assert_eq!((traces(&place, &run).await, found(&store, run.run_id).await), (0, None));
    let columns = "workflow_name = 'orders' and foreign_id = 'order-1' and run_state = 5 and status = 9 and version = 2";
    let text = format!("select count(*) from kept_runs where run_id = '{}' and {columns}", run.run_id);
    assert_eq!(place.number(&text).await, 1);
    let text = format!("select count(*) from kept_runs_history where run_id = '{}'", run.run_id);
    assert_eq!(place.number(&text).await, 2);
    // Another time it goes into the same tables.
    done(&store, "order-2").await;
    ack_all(&store).await;
    place.pass(31 * DAY).await;
    assert_eq!(rows(&place.expire(&into).await), 1);
    assert_eq!(place.number("select count(*) from kept_runs").await, 2);
}

pub(crate) async fn who_stops_in_the_middle_leaves_the_rest(place: Place, store: impl Store) {
    for number in 0..7 {
        done(&store, &format!("order-{number}")).await;
    }
    ack_all(&store).await;
    place.pass(31 * DAY).await;
    let expiry = in_batches(2, month_old(What::Delete));
    let mut expiring = place.maintenance().expire(&expiry).await.unwrap();
    let first = expiring.next_batch().await.unwrap().unwrap();
    assert_eq!((first.rows, &*first.workflow_name), (2, "orders"));
    drop(expiring);
    assert_eq!(foreign_ids(&store).await.len(), 5);
    let batches = place.expire(&expiry).await;
    assert!(batches.iter().all(|batch| batch.rows <= 2), "{batches:?}");
    assert_eq!((rows(&batches), batches.last().unwrap().progress), (5, 1.0));
    assert!(foreign_ids(&store).await.is_empty());
}

/// Goal: a piece that has nothing to expire is not the end. Method: more runs that go on than a piece has entries.
pub(crate) async fn runs_behind_many_that_go_on_are_found(place: Place, store: impl Store) {
    let first = start(&store, "first").await;
    let digits = "(select 0 as d union all select 1 union all select 2 union all select 3 union all select 4 union all select \
                  5 union all select 6 union all select 7 union all select 8 union all select 9)";
    let number = "(a.d * 1000 + b.d * 100 + c.d * 10 + e.d)";
    let id = match place.database() {
        store_sql::Database::Sqlite(_) => format!("cast({number} as text)"),
        _ => format!("concat({number}, '')"),
    };
    let live = match place.database() {
        store_sql::Database::Sqlite(_) => (", live", ", 1"),
        _ => ("", ""),
    };
    place.run(&format!(
        "insert into workflow_records (workflow_name, foreign_id, run_id, run_state, status, object, created_at, updated_at, \
         version{}) select r.workflow_name, {id}, {id}, 2, 1, r.object, r.created_at, r.updated_at, 1{} from workflow_records r, \
         {digits} a, {digits} b, {digits} c, {digits} e where r.run_id = '{}'",
        live.0, live.1, first.run_id
    )).await;
    place.pass(DAY).await;
    done(&store, "behind").await;
    ack_all(&store).await;
    place.pass(31 * DAY).await;
    let batches = place.expire(&month_old(What::Delete)).await;
    assert!(batches.len() >= 2, "{batches:?}");
    assert_eq!((rows(&batches), kept(&batches)), (1, 0));
    assert_eq!(place.number("select count(*) from workflow_records where run_state = 2").await, 10_000);
}

pub(crate) async fn a_history_goes_and_its_run_stays(place: Place, store: impl Store) {
    done(&store, "old").await;
    start(&store, "goes on").await;
    place.pass(31 * DAY).await;
    done(&store, "young").await;
    assert_eq!(rows(&place.expire(&month_old(What::DeleteHistory)).await), 2);
    assert_eq!(foreign_ids(&store).await, ["goes on", "old", "young"]);
    assert_eq!(place.number("select count(*) from workflow_history").await, 3);
    assert_eq!(rows(&place.expire(&month_old(What::DeleteHistory)).await), 0);
}

pub(crate) async fn a_long_history_goes_in_small_pieces(place: Place, store: impl Store) {
    let mut run = start(&store, "order-1").await;
    for _ in 0..9 {
        run = store_over(&store, &run, &stepped(&run, 2)).await;
    }
    store_over(&store, &run, &completed(&run)).await;
    done(&store, "order-2").await;
    place.pass(31 * DAY).await;
    let batches = place.expire(&in_batches(3, month_old(What::DeleteHistory))).await;
    assert_eq!(rows(&batches), 13);
    assert!(batches.iter().all(|batch| batch.rows <= 3), "{batches:?}");
}
