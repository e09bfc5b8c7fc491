//! How far behind the outbox is, is told for each workflow.
#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use workflow_core::testing::Kit;
use workflow_core::{Client, OutboxOptions, Run, Workflow, after};
use workflow_derive::Status;

#[derive(Status, Clone, Copy, Debug, PartialEq)]
#[status(crate = workflow_core)]
enum Parcel {
    Packed = 1,
    Sent = 2,
}

async fn send(_: &mut Run<(), Parcel>) -> Parcel {
    Parcel::Sent
}

fn sample(client: &Client<(), Parcel>, name: &str) -> f64 {
    let samples = client.metrics().samples();
    let of_outbox =
        |(key, value): &(&'static str, String)| *key == "process_name" && value == "parcels-outbox-consumer";
    let found = samples.iter().find(|each| each.name == name && each.labels.iter().any(of_outbox));
    found.unwrap_or_else(|| panic!("no sample {name} of the outbox")).value
}

#[tokio::test]
async fn an_event_that_nobody_has_dealt_with_makes_the_outbox_lag() {
    let kit = Kit::memory();
    let slow = Duration::from_secs(90);
    let parcels = Workflow::builder("parcels")
        .step(Parcel::Packed, send, [Parcel::Sent])
        .with(workflow_core::Options::new().consume_lag(slow))
        .timeout(Parcel::Packed, after(Duration::from_hours(1)), send, [Parcel::Sent])
        .outbox(OutboxOptions::default().lag_alert(Duration::from_secs(60)))
        .build()
        .unwrap();
    let running = parcels.run(&kit).await.unwrap();
    let client = running.client();
    assert_eq!(sample(&client, "workflow_process_states"), 2.0, "it runs");
    running.trigger("parcel-1", ()).await.unwrap();
    kit.clock().advance(Duration::from_secs(70)).await;
    // The table is read when an engine starts; the row of the event is in it until its step has ended.
    kit.faults().lose_answers(1);
    let _ = running.trigger("parcel-2", ()).await;
    kit.clock().advance(Duration::from_millis(600)).await;
    assert_eq!(sample(&client, "workflow_process_lag_seconds"), 70.0);
    assert_eq!(sample(&client, "workflow_process_lag_alert"), 1.0);
    running.shutdown(Duration::ZERO).await;
    assert_eq!(sample(&client, "workflow_process_states"), 1.0, "it has ended");
}
