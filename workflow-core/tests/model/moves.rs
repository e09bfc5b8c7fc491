//! Every run state and every move: what `apply` makes of it, as an explicit table.

use std::sync::Arc;

use bytes::Bytes;
use workflow_core::RunState::{
    self, Cancelled, Completed, DataDeleted, Initiated, Paused, RequestedDataDeleted, Running, Unknown,
};
use workflow_core::{Move, PausedBy, Record, Refusal, Transition, apply};

use super::sample::{record, status};

/// The moves, in the order of the table's columns.
fn moves() -> [Move; 8] {
    let go = |terminal| Move::Go { to: status(3), description: "Shipped".into(), terminal };
    [
        go(false),
        go(true),
        Move::Repeat,
        Move::Pause { reason: "no stock".into(), by: PausedBy::Step },
        Move::Resume,
        Move::Cancel { reason: "changed their mind".into() },
        Move::RequestDelete { reason: "asked by mail".into() },
        Move::Deleted,
    ]
}

/// The state that each move wants, whatever the run's own is.
const WANTED: [RunState; 8] =
    [Running, Completed, Running, Paused, Running, Cancelled, RequestedDataDeleted, DataDeleted];

/// For each state whether each move is allowed:
/// go, go to a terminal status, repeat, pause, resume, cancel, request deletion, deleted.
const TABLE: [(RunState, [bool; 8]); 8] = [
    (Unknown, [false, false, false, false, false, false, false, false]),
    (Initiated, [true, true, true, true, false, true, false, false]),
    (Running, [true, true, true, true, false, true, false, false]),
    (Paused, [false, false, false, false, true, true, false, false]),
    (Cancelled, [false, false, false, false, false, false, true, false]),
    (Completed, [false, false, false, false, false, false, true, false]),
    (DataDeleted, [false, false, false, false, false, false, true, false]),
    (RequestedDataDeleted, [false, false, false, false, false, false, false, true]),
];

fn of_state(run_state: RunState) -> Record {
    let paused_by = (run_state == Paused).then_some(PausedBy::Operator);
    Record { run_state, paused_by, ..record() }
}

#[test]
fn every_move_of_every_state_is_allowed_or_refused_as_the_table_says() {
    assert_eq!(TABLE.map(|line| line.0), RunState::ALL, "the table has every state");
    for (from, row) in TABLE {
        for ((to, wanted), allowed) in moves().into_iter().zip(WANTED).zip(row) {
            let made = apply(&of_state(from), Transition { to: to.clone(), object: None });
            let state = made.map(|next| next.run_state);
            let expected = if allowed { Ok(wanted) } else { Err(Refusal { from, to: wanted }) };
            assert_eq!(state, expected, "{from}: {to:?}");
        }
    }
}

#[test]
fn a_refusal_names_both_states() {
    let refusal = apply(&of_state(Completed), Transition { to: Move::Deleted, object: None }).unwrap_err();
    assert_eq!(refusal.to_string(), "a run that is Completed cannot become DataDeleted");
}

#[test]
fn every_allowed_move_stores_one_version_more_under_a_later_event() {
    for (from, row) in TABLE {
        for to in moves().into_iter().zip(row).filter_map(|(to, allowed)| allowed.then_some(to)) {
            let before = of_state(from);
            let next = apply(&before, Transition { to, object: None }).unwrap();
            assert_eq!(next.version.get(), before.version.get() + 1);
            assert!(next.last_event_id > before.last_event_id);
            assert_eq!(next.object, before.object, "no object was given");
        }
    }
}

/// What a move leaves in the record: reason, status, its description, and who paused it.
type Left = (&'static str, i32, &'static str, Option<PausedBy>);

#[test]
fn every_move_leaves_its_reason_status_and_pauser() {
    let kept = "why it is so";
    let cases: [(RunState, usize, Left); 9] = [
        (Running, 0, ("", 3, "Shipped", None)),
        (Running, 1, ("", 3, "Shipped", None)),
        (Running, 2, ("", 2, "Paid", None)),
        (Running, 3, ("no stock", 2, "Paid", Some(PausedBy::Step))),
        (Paused, 4, ("", 2, "Paid", None)),
        (Paused, 5, ("changed their mind", 2, "Paid", None)),
        (Running, 5, ("changed their mind", 2, "Paid", None)),
        (Completed, 6, ("asked by mail", 2, "Paid", None)),
        (RequestedDataDeleted, 7, (kept, 2, "Paid", None)),
    ];
    for (from, which, (reason, code, description, paused_by)) in cases {
        let to = moves()[which].clone();
        let next = apply(&of_state(from), Transition { to: to.clone(), object: None }).unwrap();
        let left = (&*next.run_state_reason, next.status, &*next.status_description, next.paused_by);
        assert_eq!(left, (reason, status(code), description, paused_by), "{from}: {to:?}");
    }
}

#[test]
fn a_move_stores_the_object_that_it_is_given_and_nothing_else_changes() {
    let object = Bytes::from_static(b"{}");
    let before = of_state(Running);
    let next = apply(&before, Transition { to: Move::Repeat, object: Some(object.clone()) }).unwrap();
    let expected = Record {
        object,
        version: before.version.next(),
        last_event_id: next.last_event_id,
        run_state_reason: Arc::default(),
        ..before
    };
    assert_eq!(next, expected);
}
