//! The graph of a definition, and its diagram.

use std::time::Duration;

use workflow_core::{Edge, EdgeKind, after};

use super::shop::{Green, Off, Red, call, empty, sound, step};

#[test]
fn the_diagram_is_the_golden_one() {
    let built = empty()
        .step(Red, step, [Green, Red, Off])
        .callback(Green, call, [Off, Red])
        .callback(Green, call, [Off])
        .timeout(Green, after(Duration::from_secs(60)), step, [Off])
        .build()
        .unwrap();
    assert_eq!(built.graph().mermaid(), include_str!("../golden/lights.mmd"));
}

#[test]
fn arrows_come_in_the_order_of_the_definition_and_once_each() {
    let built = sound().callback(Green, call, [Off]).build().unwrap();
    let edge = |from, to, kind| Edge { from, to, kind };
    let expected = [
        edge("Red", "Green", EdgeKind::Step),
        edge("Red", "Off", EdgeKind::Step),
        edge("Green", "Off", EdgeKind::Callback),
    ];
    assert_eq!(built.graph().edges(), expected);
}

#[test]
fn runs_start_where_the_first_part_takes_them_or_where_it_is_said() {
    assert_eq!(sound().build().unwrap().graph().start(), "Red");
    let other_way_round = || empty().callback(Green, call, [Off]).step(Red, step, [Green, Off]);
    assert_eq!(other_way_round().start_at(Red).build().unwrap().graph().start(), "Red");
    assert!(other_way_round().build().is_err(), "it starts at green, and red is not reached");
}

#[test]
fn what_nothing_leaves_is_terminal() {
    assert_eq!(sound().build().unwrap().graph().terminal().collect::<Vec<_>>(), ["Off"]);
    let flat = empty().step(Red, step, [Green, Off]).build().unwrap();
    assert_eq!(flat.graph().terminal().collect::<Vec<_>>(), ["Green", "Off"]);
}
