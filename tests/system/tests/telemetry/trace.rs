//! One order is one trace: the shop triggers it, the relay publishes its events, and workers make its steps.

use crate::collector::Received;
use crate::stack::{RELAY, SHOP};

/// The statuses that the order goes through, as codes; the version of each is its place.
const STATUSES: [&str; 4] = ["1", "2", "3", "9"];

/// Whether the relay has published the run's last event.
pub(crate) fn has_ended(spans: &[Received], order: &str) -> bool {
    let trigger = spans.iter().find(|it| it.span.name == "trigger" && it.has(&[("foreign_id", order)]));
    let Some(run) = trigger.and_then(|it| it.attribute("run_id")) else { return false };
    let ended = [("run_id", &*run), ("version", "4")];
    let found = |name: &str| spans.iter().any(|it| it.span.name == name && it.has(&ended));
    found("publish") && found("commit") && found("attempt")
}

/// The spans of a service with this name and these attributes: there is one.
fn the<'a>(spans: &'a [Received], service: &str, name: &str, attributes: &[(&str, &str)]) -> &'a Received {
    let mut found =
        spans.iter().filter(|it| it.service == service && it.span.name == name && it.has(attributes));
    let the = found.next().unwrap_or_else(|| panic!("no {name} {attributes:?} of {service}: {spans:#?}"));
    assert!(found.next().is_none(), "two {name} {attributes:?} of {service}");
    the
}

/// Looks at the trace span by span.
pub(crate) fn assert_trace(spans: &[Received], order: &str, owners: &[String]) {
    let trigger = the(spans, SHOP, "trigger", &[("foreign_id", order), ("status", "1")]);
    assert!(trigger.span.parent_span_id.is_empty(), "nothing was before the trigger");
    let run = trigger.attribute("run_id").unwrap();
    let of_run = |version: &'static str| [("run_id", run.clone()), ("version", version.to_owned())];
    let mut children = Vec::new();
    let (mut before, mut stored_by) = (trigger, SHOP);
    for (at, status) in STATUSES.iter().enumerate() {
        let version = ["1", "2", "3", "4"][at];
        let of_run = of_run(version);
        let of_run: Vec<(&str, &str)> = of_run.iter().map(|(name, value)| (*name, &**value)).collect();
        let with = |more: (&'static str, &'static str)| [&of_run[..], &[more]].concat();
        children.push((before, the(spans, stored_by, "commit", &with(("status", status)))));
        children.push((before, the(spans, RELAY, "publish", &with(("status", status)))));
        let Some(owner) = owners.get(at) else {
            // The order is at its end: its receipt is sent by whoever has that role.
            let mut hook = spans.iter().filter(|it| it.span.name == "attempt" && it.has(&of_run));
            children.push((before, hook.next().unwrap()));
            break;
        };
        let step = the(spans, owner, "attempt", &with(("attempt", "1")));
        children.push((before, step));
        (before, stored_by) = (step, owner);
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
}
