//! What the engine tells `tracing`: a span a trigger, attempt, commit and publication, with the fields to find a run by.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use workflow_core::memory::Memory;
use workflow_core::{Run, Status, StatusCode, Step, Workflow};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    Placed = 1,
    Paid = 2,
}

impl Status for Order {
    const ALL: &'static [Self] = &[Order::Placed, Order::Paid];
    fn code(self) -> StatusCode {
        StatusCode::from_declared(self as i32)
    }
    fn from_code(code: StatusCode) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.code() == code)
    }
    fn name(self) -> &'static str {
        if self == Order::Placed { "Placed" } else { "Paid" }
    }
}

async fn pay(_: &mut Run<(), Order>) -> Step<Order> {
    tokio::task::yield_now().await;
    tracing::info!("charging the card");
    Ok(Order::Paid)
}

type Fields = BTreeMap<String, String>;

/// Keeps the fields of every span by name, and in which spans the step's own line was.
#[derive(Clone, Default)]
struct Seen {
    spans: Arc<Mutex<Vec<(&'static str, Fields)>>>,
    around_the_step: Arc<Mutex<Vec<&'static str>>>,
}

struct Reader<'a>(&'a mut Fields);

impl Visit for Reader<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Seen {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let mut fields = Fields::new();
        attributes.record(&mut Reader(&mut fields));
        self.spans.lock().unwrap().push((attributes.metadata().name(), fields));
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::new();
        event.record(&mut Reader(&mut fields));
        if fields.get("message").is_some_and(|message| message == "charging the card") {
            let scope = context.event_scope(event).into_iter().flatten().map(|span| span.name());
            self.around_the_step.lock().unwrap().extend(scope);
        }
    }
}

impl Seen {
    fn fields_of(&self, span: &str) -> Fields {
        let spans = self.spans.lock().unwrap();
        spans.iter().find(|(name, _)| *name == span).map(|(_, fields)| fields.clone()).unwrap_or_default()
    }
}

#[tokio::test]
async fn trigger_attempt_commit_and_publication_are_spans() {
    let seen = Seen::default();
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(seen.clone()));
    let orders = Workflow::builder("orders").step(Order::Placed, pay, [Order::Paid]).build().unwrap();
    let running = orders.run(Memory::new()).await.unwrap();
    let run = running.trigger("order-17", ()).await.unwrap();
    running.wait_for(&run).finished().await.unwrap();

    let trigger = seen.fields_of("trigger");
    assert_eq!(trigger["workflow"], "orders");
    assert_eq!(trigger["foreign_id"], "order-17");
    assert_eq!(trigger["run_id"], run.to_string());
    let attempt = seen.fields_of("attempt");
    assert_eq!(attempt["process"], "\"orders-1-consumer\"");
    assert_eq!(attempt["run_id"], run.to_string());
    assert_eq!(attempt["version"], "1");
    assert_eq!(attempt["attempt"], "1");
    assert!(seen.fields_of("commit").contains_key("changes"));
    assert!(seen.fields_of("publish").contains_key("events"));
    assert_eq!(*seen.around_the_step.lock().unwrap(), ["attempt"], "the step's own line is told of its run");
}
