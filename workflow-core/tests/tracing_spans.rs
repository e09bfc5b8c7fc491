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
use workflow_core::adapter::{Backend, TraceContext, TraceLink};
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
    assert_eq!(trigger["workflow_name"], "orders");
    assert_eq!(trigger["foreign_id"], "order-17");
    assert_eq!(trigger["run_id"], run.to_string());
    let attempt = seen.fields_of("attempt");
    assert_eq!(attempt["process_name"], "\"orders-1-consumer\"");
    assert_eq!(attempt["run_id"], run.to_string());
    assert_eq!(attempt["version"], "1");
    assert_eq!(attempt["attempt"], "1");
    assert!(seen.fields_of("commit").contains_key("changes"));
    assert!(seen.fields_of("publish").contains_key("events"));
    assert_eq!(*seen.around_the_step.lock().unwrap(), ["attempt"], "the step's own line is told of its run");
}

/// Tells of every span where it is by its name, and keeps what was told to follow what.
#[derive(Clone, Default)]
struct Named(Arc<Mutex<Vec<(String, String)>>>);

fn name_of(span: &tracing::Span) -> Option<String> {
    span.metadata().map(|metadata| metadata.name().to_owned())
}

impl TraceLink for Named {
    fn context_of(&self, span: &tracing::Span) -> Option<TraceContext> {
        let traceparent = format!("{}-01", name_of(span)?).into();
        Some(TraceContext { traceparent, tracestate: Some("vendor=1".into()) })
    }

    fn follow(&self, span: &tracing::Span, parent: &TraceContext) {
        let followed = (name_of(span).unwrap_or_default(), parent.traceparent.to_string());
        self.0.lock().unwrap().push(followed);
    }
}

#[tokio::test]
async fn spans_follow_the_one_in_which_their_event_was_made() {
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(Seen::default()));
    let orders = Workflow::builder("orders").step(Order::Placed, pay, [Order::Paid]).build().unwrap();
    let link = Named::default();
    let running = orders.run(Backend::from(Memory::new()).with_trace_link(link.clone())).await.unwrap();
    let run = running.trigger("order-17", ()).await.unwrap();
    running.wait_for(&run).finished().await.unwrap();
    let followed = link.0.lock().unwrap().clone();
    for span in ["commit", "publish"] {
        assert!(followed.contains(&(span.to_owned(), "trigger-01".to_owned())), "{span}: {followed:?}");
    }
    assert!(followed.contains(&("attempt".to_owned(), "trigger-01".to_owned())), "{followed:?}");
    assert!(followed.contains(&("commit".to_owned(), "attempt-01".to_owned())), "{followed:?}");
}

#[test]
fn a_context_rides_in_the_outbox_row_and_is_replaced_as_a_whole() {
    let record = workflow_conformance::samples::new_run("order-17");
    let topic = workflow_core::Topic::of_status(&record.workflow_name, record.status);
    let mut event = workflow_core::Event::of_record(&record, topic);
    let first = TraceContext { traceparent: "00-a-b-01".into(), tracestate: Some("vendor=1".into()) };
    first.put(&mut event);
    let read = workflow_core::decode_outbox(&workflow_core::encode_outbox(&event)).unwrap();
    assert_eq!(TraceContext::of(&read.headers), Some(first));
    let second = TraceContext { traceparent: "00-a-c-00".into(), tracestate: None };
    second.put(&mut event);
    assert_eq!(TraceContext::of(&event.headers), Some(second.clone()), "no state of the first is left");
    assert!(!second.is_sampled());
}
