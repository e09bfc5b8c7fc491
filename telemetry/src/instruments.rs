//! The engine's metrics as instruments of OpenTelemetry: names, units and meanings.

/// What an instrument is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
}

/// One instrument whose values the engine keeps.
pub(crate) struct Kept {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) unit: &'static str,
    pub(crate) meaning: &'static str,
}

const fn counter(name: &'static str, unit: &'static str, meaning: &'static str) -> Kept {
    Kept { name, kind: Kind::Counter, unit, meaning }
}

const fn gauge(name: &'static str, unit: &'static str, meaning: &'static str) -> Kept {
    Kept { name, kind: Kind::Gauge, unit, meaning }
}

/// Values that are kept a workflow.
pub(crate) const OF_WORKFLOWS: [Kept; 13] = [
    gauge("workflow_process_lag_seconds", "s", "Age of the newest event when it was taken"),
    gauge("workflow_process_lag_alert", "1", "1 if the lag is above what the process allows"),
    gauge("workflow_process_states", "1", "0 unknown, 1 shut down, 2 running, 3 waiting for its role"),
    gauge("workflow_role_owned", "1", "1 if this instance owns the role"),
    counter("workflow_role_takeovers", "{takeover}", "How often this instance became the role's owner"),
    counter("workflow_process_error_count", "{attempt}", "Failed attempts, repetitions in place included"),
    counter("workflow_process_skipped_events_count", "{event}", "Events that needed no work, by reason"),
    counter("workflow_run_state_changes", "{change}", "Runs that went from one run state to another"),
    counter("workflow_commit_conflicts", "{change}", "Changes that lost a race and were judged anew"),
    counter(
        "workflow_reconciled_runs",
        "{run}",
        "Runs whose event was sent again because nothing drove them",
    ),
    counter("workflow_dead_letters", "{event}", "Events that were set aside for an operator"),
    counter("workflow_retries_scheduled", "{retry}", "Retry rows that were stored"),
    gauge(
        "workflow_retries_waiting",
        "{retry}",
        "Failed attempts that wait for the next one, counted up to 10000",
    ),
];

/// Values that are kept for all workflows of a backend.
pub(crate) const OF_BACKENDS: [Kept; 2] = [
    counter("workflow_commit_failures", "{commit}", "Transactions that the store did not take"),
    counter("workflow_publish_failures", "{batch}", "Batches that the stream did not take"),
];

/// A histogram, measured as the engine goes.
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) bounds: &'static [f64],
}

/// The histograms.
pub(crate) const MEASURED: [Measured; 4] = [
    Measured {
        name: "workflow_process_latency_seconds",
        unit: "s",
        meaning: "How long functions ran",
        bounds: &workflow_core::LATENCY_BOUNDS_SECONDS,
    },
    Measured {
        name: "workflow_commit_latency_seconds",
        unit: "s",
        meaning: "How long transactions took",
        bounds: &workflow_core::LATENCY_BOUNDS_SECONDS,
    },
    Measured {
        name: "workflow_commit_batch_changes",
        unit: "{change}",
        meaning: "How many changes one transaction stored",
        bounds: &workflow_core::BATCH_BOUNDS,
    },
    Measured {
        name: "workflow_publish_batch_events",
        unit: "{event}",
        meaning: "How many events one batch had",
        bounds: &workflow_core::BATCH_BOUNDS,
    },
];
