//! One order is one trace: the shop triggers it, the relay publishes its events, and workers make its steps.

use std::collections::BTreeSet;

use crate::collector::Received;
use crate::stack::{RELAY, SHOP};

/// The statuses that the order goes through, as codes; the version of each is its place.
const STATUSES: [&str; 4] = ["1", "2", "3", "9"];

/// Whether all has come of a run that has ended: each process pushes its own spans, whenever it does.
pub(crate) fn has_ended(spans: &[Received], order: &str) -> bool {
    let trigger = spans.iter().find(|it| it.span.name == "trigger" && it.has(&[("foreign_id", order)]));
    let Some(run) = trigger.and_then(|it| it.attribute("run_id")) else { return false };
    let found = |name: &str, version: &str| {
        spans.iter().any(|it| it.span.name == name && it.has(&[("run_id", &run), ("version", version)]))
    };
    let names = ["commit", "publish", "attempt"];
    ["1", "2", "3", "4"].iter().all(|version| names.iter().all(|name| found(name, version)))
}

/// The spans of a service with this name and these attributes: there is one.
fn the<'a>(spans: &'a [Received], service: &str, name: &str, attributes: &[(&str, &str)]) -> &'a Received {
    let mut found =
        spans.iter().filter(|it| it.service == service && it.span.name == name && it.has(attributes));
    let the = found.next().unwrap_or_else(|| panic!("no {name} {attributes:?} of {service}: {spans:#?}"));
    assert!(found.next().is_none(), "two {name} {attributes:?} of {service}");
    the
}

/// Looks at the trace span by span; gives the workers that made the steps.
pub(crate) fn assert_trace(spans: &[Received], order: &str) -> BTreeSet<String> {
    let trigger = the(spans, SHOP, "trigger", &[("foreign_id", order), ("status", "1")]);
    assert!(trigger.span.parent_span_id.is_empty(), "nothing was before the trigger");
    let run = trigger.attribute("run_id").unwrap();
    let (mut children, mut workers) = (Vec::new(), BTreeSet::new());
    let (mut before, mut stored_by) = (trigger, SHOP);
    for (version, status) in ["1", "2", "3", "4"].into_iter().zip(STATUSES) {
        let of_run = [("run_id", &*run), ("version", version), ("status", status)];
        children.push((before, the(spans, stored_by, "commit", &of_run)));
        children.push((before, the(spans, RELAY, "publish", &of_run)));
        let made = made_on(spans, &of_run);
        children.push((before, made));
        assert!(made.service.starts_with("worker-"), "{made:?}");
        workers.insert(made.service.clone());
        (before, stored_by) = (made, &made.service);
    }
    assert_eq!(children.len(), 12, "each of four events is stored, published and worked on");
    for (parent, child) in children {
        let what = format!("{} of {}", child.span.name, child.service);
        assert_eq!(child.span.trace_id, trigger.span.trace_id, "{what}");
        assert_eq!(child.span.parent_span_id, parent.span.span_id, "{what}: {child:?}");
        assert!(child.has(&[("workflow_name", "orders")]), "{what}: {child:?}");
        let (begun, ended) = (child.span.start_time_unix_nano, child.span.end_time_unix_nano);
        assert!(parent.span.start_time_unix_nano <= begun && begun <= ended, "{what}: {child:?}");
        assert_eq!(child.span.status.as_ref().map_or(0, |status| status.code), 0, "{what} has succeeded");
    }
    let of_others: Vec<_> = spans.iter().filter(|it| it.span.trace_id != trigger.span.trace_id).collect();
    assert!(of_others.iter().all(|it| it.attribute("run_id").as_ref() != Some(&run)), "{of_others:#?}");
    workers
}

/// The attempt on an event of a run that was stored. Where a role changes hands at this moment, there may be another one,
/// which was not. The last one, that of the hook, stores nothing in the trace.
fn made_on<'a>(spans: &'a [Received], of_run: &[(&str, &str)]) -> &'a Received {
    let attempts: Vec<_> = spans.iter().filter(|it| it.span.name == "attempt" && it.has(of_run)).collect();
    let commits = || spans.iter().filter(|it| it.span.name == "commit");
    let stored = |it: &&&Received| commits().any(|commit| commit.span.parent_span_id == it.span.span_id);
    attempts.iter().find(stored).or(attempts.first()).unwrap_or_else(|| panic!("no attempt {of_run:?}"))
}
