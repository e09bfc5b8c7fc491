//! What is only looked at.

use std::time::Duration;

use store_sql::maintenance::WorkflowOutbox;
use workflow_conformance::samples::{ack_all, new_run_of, start, start_as, take_effect, workflow};
use workflow_core::adapter::{Effect, Store};

use crate::place::Place;

pub(crate) async fn the_outbox_is_counted_by_workflow(place: Place, store: impl Store) {
    let maintenance = place.maintenance();
    let empty = maintenance.outbox_status().await.unwrap();
    assert_eq!((empty.rows(), empty.oldest_age(), empty.dead_letters), (0, None, 0));
    start(&store, "sent").await;
    ack_all(&store).await;
    let first = start(&store, "order-1").await;
    place.pass(Duration::from_secs(60)).await;
    start(&store, "order-2").await;
    let refund = start_as(&store, &new_run_of(workflow("refunds"), "refund-1")).await;
    let letter = workflow_conformance::samples::dead_letter(&refund, "x");
    take_effect(&store, &refund, vec![Effect::PutDeadLetter(letter)]).await;
    place.pass(Duration::from_secs(5)).await;
    let status = maintenance.outbox_status().await.unwrap();
    let waiting = |name: &str, rows, oldest| WorkflowOutbox { workflow_name: name.into(), rows, oldest };
    let expected = [waiting("orders", 2, first.created_at), waiting("refunds", 1, refund.created_at)];
    assert_eq!(status.workflows, expected);
    assert_eq!(status.oldest_age(), Some(Duration::from_secs(65)));
    assert_eq!((status.rows(), status.dead_letters), (3, 1));
}

pub(crate) async fn each_table_has_its_size(place: Place, store: impl Store) {
    start(&store, "order-1").await;
    let sizes = place.maintenance().sizes().await.unwrap();
    let names: Vec<&str> = sizes.iter().map(|size| &*size.table).collect();
    let expected = [
        "workflow_dead_letters",
        "workflow_history",
        "workflow_inbox",
        "workflow_outbox",
        "workflow_records",
        "workflow_retries",
        "workflow_roles",
        "workflow_schema",
        "workflow_slots",
        "workflow_timeouts",
    ];
    assert_eq!(names, expected);
    let records = &sizes[4];
    assert!(records.data_bytes > 0 && records.index_bytes > 0, "{records:?}");
    assert_eq!(records.total_bytes(), records.data_bytes + records.index_bytes);
}
