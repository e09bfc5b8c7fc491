//! The metrics of the relay and the workers are those of the documentation, pushed and pulled alike.

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use workflow_system_tests::patience::until;

use crate::collector::{Collector, Measured};
use crate::documented::{Documented, assert_documented, documented, parsed};
use crate::stack::{Process, RELAY, Stack};

/// The heading of the relay's metrics.
const OF_RELAY: &str = "Metrics of a relay";

/// Metrics that have no series before something has gone wrong, or was not needed; and what only an engine measures that
/// publishes its events itself, without a relay.
const NOT_HERE: [&str; 3] = [
    "workflow_process_error_count",
    "workflow_process_skipped_events_count",
    "workflow_publish_batch_events",
];

/// Looks at what the relay and every worker have pushed, and at their pages.
pub(crate) async fn assert_metrics(collector: &Collector, stack: &Stack) {
    let documented = documented();
    let of = |relay: bool| {
        let of_section = documented.iter().filter(|(_, said)| (said.section == OF_RELAY) == relay);
        of_section.map(|(name, _)| name.clone()).collect::<BTreeSet<String>>()
    };
    let relay_page = assert_pages(&stack.relay, &documented).await;
    assert_eq!(names(&relay_page, "workflow_outbox"), of(true), "each is there, and each is documented");
    let mut of_workers = BTreeSet::new();
    for worker in &stack.workers {
        let page = assert_pages(worker, &documented).await;
        of_workers.extend(names(&page, "workflow_"));
    }
    let wanted = of(false).into_iter().filter(|name| !NOT_HERE.contains(&&**name)).collect();
    let missing: Vec<_> = BTreeSet::difference(&wanted, &of_workers).collect();
    assert!(missing.is_empty(), "they are documented, and no worker has them: {missing:?}");
    let services: Vec<&str> = stack.workers.iter().map(|it| &*it.service).chain([RELAY]).collect();
    for service in services {
        let wanted =
            if service == RELAY { of(true) } else { BTreeSet::from(["workflow_role_owned".to_owned()]) };
        let pushed = collector.metrics_until(service, |all| {
            let pushed: BTreeSet<&str> = of_service(all, service).map(|it| &*it.metric.name).collect();
            wanted.iter().all(|name| pushed.contains(&**name))
        });
        for measured in of_service(&pushed.await, service) {
            assert_pushed(measured, &documented);
        }
    }
}

fn of_service<'a>(all: &'a [Measured], service: &'a str) -> impl Iterator<Item = &'a Measured> {
    all.iter().filter(move |measured| measured.service == service)
}

/// The metrics of a page whose names begin so.
fn names(page: &str, prefix: &str) -> BTreeSet<String> {
    let (types, _) = parsed(page);
    types.into_keys().filter(|name| name.starts_with(prefix)).map(str::to_owned).collect()
}

/// Looks at the pages of a process; gives the metrics.
async fn assert_pages(process: &Process, documented: &BTreeMap<String, Documented>) -> String {
    for path in ["/livez", "/readyz"] {
        assert_eq!(process.page(path).await, (200, "ok\n".to_owned()), "{path} of {}", process.service);
    }
    let counted =
        if process.service == RELAY { "workflow_outbox_published_total" } else { "workflow_role_owned" };
    let mut page = String::new();
    until("the page counts", async || {
        page = process.page("/metrics").await.1;
        let series = page.lines().filter(|line| line.starts_with(counted));
        series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() >= 1.0
    })
    .await;
    assert_documented(&page, documented);
    page
}

/// A metric comes over OTLP with the name, the type, the unit and the labels that are documented.
fn assert_pushed(measured: &Measured, documented: &BTreeMap<String, Documented>) {
    let metric = &measured.metric;
    let said = documented.get(&metric.name).unwrap_or_else(|| panic!("{} is not documented", metric.name));
    assert_eq!(metric.unit.trim_matches(['{', '}']), said.unit, "{}", metric.name);
    assert!(!metric.description.is_empty(), "{}", metric.name);
    let (kind, labels) = match metric.data.as_ref().unwrap() {
        Data::Gauge(gauge) => {
            ("gauge", gauge.data_points.iter().map(|it| &it.attributes).collect::<Vec<_>>())
        }
        Data::Sum(sum) => {
            assert!(sum.is_monotonic, "{}", metric.name);
            ("counter", sum.data_points.iter().map(|it| &it.attributes).collect())
        }
        Data::Histogram(all) => ("histogram", all.data_points.iter().map(|it| &it.attributes).collect()),
        other => panic!("{} is {other:?}", metric.name),
    };
    assert_eq!(kind, said.kind, "{}", metric.name);
    for point in labels {
        let names: BTreeSet<String> = point.iter().map(|label| label.key.clone()).collect();
        assert_eq!(names.into_iter().collect::<Vec<_>>(), said.labels, "{}", metric.name);
    }
}
