//! Every verdict: all kinds of consumer, versions, run states, statuses and event ids, against the rules as sentences.

use std::cmp::Ordering;

use workflow_core::RunState::{Cancelled, Completed, DataDeleted, Paused, RequestedDataDeleted};
use workflow_core::{Consumer, Event, Record, RunState, Skip, Verdict, judge};

use super::sample::{event, event_id, record, status, version};

const CONSUMERS: [Consumer; 6] = [
    Consumer::Step,
    Consumer::Hook(Paused),
    Consumer::Hook(Cancelled),
    Consumer::Hook(Completed),
    Consumer::Delete,
    Consumer::PausedRetry,
];

/// How the event's id stands to the record's.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ids {
    Same,
    Different,
    EventHasNone,
    RecordHasNone,
    NeitherHas,
}

const IDS: [Ids; 5] = [Ids::Same, Ids::Different, Ids::EventHasNone, Ids::RecordHasNone, Ids::NeitherHas];

/// One case: an event's version against the record's (none if the header is missing), and what else may differ.
#[derive(Clone, Copy, Debug)]
struct Case {
    consumer: Consumer,
    version: Option<Ordering>,
    /// Of the event.
    event_state: RunState,
    /// Of the record.
    record_state: RunState,
    same_status: bool,
    ids: Ids,
}

impl Case {
    fn event(self) -> Event {
        Event {
            version: self.version.map(|relation| match relation {
                Ordering::Less => version(4),
                Ordering::Equal => version(5),
                Ordering::Greater => version(6),
            }),
            run_state: self.event_state,
            status: if self.same_status { record().status } else { status(9) },
            event_id: match self.ids {
                Ids::Same | Ids::RecordHasNone => record().last_event_id,
                Ids::Different => Some(event_id(9)),
                Ids::EventHasNone | Ids::NeitherHas => None,
            },
            ..event()
        }
    }

    fn record(self) -> Record {
        let last_event_id = match self.ids {
            Ids::RecordHasNone | Ids::NeitherHas => None,
            Ids::Same | Ids::Different | Ids::EventHasNone => record().last_event_id,
        };
        Record { run_state: self.record_state, last_event_id, ..record() }
    }

    /// The rules, one sentence each, the first that applies.
    fn expected(self) -> Verdict {
        let wanted = match self.consumer {
            Consumer::Step => None,
            Consumer::Hook(state) => Some(state),
            Consumer::Delete => Some(RequestedDataDeleted),
            Consumer::PausedRetry => Some(Paused),
        };
        let is_hook = matches!(self.consumer, Consumer::Hook(_));
        // Hooks, deletions and resumes match the event's own run state.
        if wanted.is_some_and(|wanted| wanted != self.event_state) {
            return Verdict::Skip(Skip::NotWanted);
        }
        match self.version {
            // The event is ahead of the record: a stale read, never skipped.
            Some(Ordering::Greater) => return Verdict::Stale,
            // The record has moved on: processed already, but hooks are still called.
            Some(Ordering::Less) if is_hook => return Verdict::Process,
            Some(Ordering::Less) => return Verdict::Skip(Skip::AlreadyProcessed),
            // The version may be that of a commit which a fail-over lost.
            Some(Ordering::Equal) if self.ids == Ids::Different => return Verdict::Skip(Skip::Phantom),
            Some(Ordering::Equal) | None => {}
        }
        let stopped = [Paused, Cancelled, DataDeleted, RequestedDataDeleted].contains(&self.record_state);
        match wanted {
            // Steps and timeouts skip a run that is stopped, and do not run one that has ended.
            None if stopped => Verdict::Skip(Skip::Stopped),
            None if self.record_state == Completed => Verdict::Skip(Skip::AlreadyProcessed),
            // Equal, or without a version: processed if the status matches,
            None if self.same_status => Verdict::Process,
            // or the run state does.
            Some(wanted) if wanted == self.record_state => Verdict::Process,
            // Without a version, a hook is called if the status matches: a fast delete must not swallow it.
            Some(_) if is_hook && self.version.is_none() && self.same_status => Verdict::Process,
            _ => Verdict::Skip(Skip::Mismatch),
        }
    }
}

fn cases() -> impl Iterator<Item = Case> {
    let versions = [None, Some(Ordering::Less), Some(Ordering::Equal), Some(Ordering::Greater)];
    CONSUMERS.into_iter().flat_map(move |consumer| {
        versions.into_iter().flat_map(move |version| {
            RunState::ALL.into_iter().flat_map(move |event_state| {
                RunState::ALL.into_iter().flat_map(move |record_state| {
                    [true, false].into_iter().flat_map(move |same_status| {
                        IDS.into_iter().map(move |ids| Case {
                            consumer,
                            version,
                            event_state,
                            record_state,
                            same_status,
                            ids,
                        })
                    })
                })
            })
        })
    })
}

#[test]
fn every_event_is_judged_as_the_rules_say() {
    let mut count = 0;
    for case in cases() {
        let verdict = judge(&case.event(), Some(&case.record()), case.consumer);
        assert_eq!(verdict, case.expected(), "{case:?}");
        count += 1;
    }
    assert_eq!(count, 6 * 4 * 8 * 8 * 2 * 5);
}

#[test]
fn an_event_of_a_run_that_does_not_exist_is_missing_for_everybody() {
    for case in cases() {
        assert_eq!(judge(&case.event(), None, case.consumer), Verdict::Skip(Skip::Missing));
    }
}

/// The same once more, as lines that can be read: the cases that matter most.
#[test]
fn what_matters_most_is_judged_right() {
    let base = Case {
        consumer: Consumer::Step,
        version: Some(Ordering::Equal),
        event_state: RunState::Running,
        record_state: RunState::Running,
        same_status: true,
        ids: Ids::Same,
    };
    let completed = Case { consumer: Consumer::Hook(Completed), event_state: Completed, ..base };
    let lines = [
        (base, Verdict::Process),
        (Case { ids: Ids::EventHasNone, ..base }, Verdict::Process),
        (Case { version: None, ..base }, Verdict::Process),
        (Case { version: None, same_status: false, ..base }, Verdict::Skip(Skip::Mismatch)),
        (Case { version: Some(Ordering::Less), ..base }, Verdict::Skip(Skip::AlreadyProcessed)),
        (Case { version: Some(Ordering::Greater), record_state: Paused, ..base }, Verdict::Stale),
        (Case { ids: Ids::Different, ..base }, Verdict::Skip(Skip::Phantom)),
        (Case { record_state: Paused, ..base }, Verdict::Skip(Skip::Stopped)),
        (Case { record_state: Completed, ..completed }, Verdict::Process),
        (Case { version: Some(Ordering::Less), record_state: DataDeleted, ..completed }, Verdict::Process),
        (Case { version: None, record_state: DataDeleted, ..completed }, Verdict::Process),
        (Case { event_state: Cancelled, ..completed }, Verdict::Skip(Skip::NotWanted)),
    ];
    for (case, verdict) in lines {
        assert_eq!(judge(&case.event(), Some(&case.record()), case.consumer), verdict, "{case:?}");
    }
}

#[test]
fn labels_of_skips_are_those_of_the_metrics() {
    let labels = [
        (Skip::AlreadyProcessed, "already_processed"),
        (Skip::Stopped, "stopped"),
        (Skip::NotWanted, "not_wanted"),
        (Skip::Mismatch, "mismatch"),
        (Skip::Phantom, "phantom"),
        (Skip::Missing, "missing"),
    ];
    assert!(labels.iter().all(|(skip, label)| skip.as_str() == *label));
}
