//! The numbers, names and groups of the run states, one line each.

use workflow_core::RunState::{
    self, Cancelled, Completed, DataDeleted, Initiated, Paused, RequestedDataDeleted, Running, Unknown,
};

/// State, number, name, part of a role, and whether it is finished, stopped, live.
type Line = (RunState, i32, &'static str, &'static str, [bool; 3]);

const TABLE: [Line; 8] = [
    (Unknown, 0, "Unknown", "unknown", [false, false, false]),
    (Initiated, 1, "Initiated", "initiated", [false, false, true]),
    (Running, 2, "Running", "running", [false, false, true]),
    (Paused, 3, "Paused", "paused", [false, true, true]),
    (Cancelled, 4, "Cancelled", "cancelled", [true, true, false]),
    (Completed, 5, "Completed", "completed", [true, false, false]),
    (DataDeleted, 6, "DataDeleted", "datadeleted", [true, true, false]),
    (RequestedDataDeleted, 7, "RequestedDataDeleted", "requesteddatadeleted", [true, true, false]),
];

/// Which state may follow which: rows are where a run is, columns where it goes, both by number.
const MOVES: [&str; 8] = [
    "........", // Unknown
    "..ypcd..", // Initiated
    "...pcd..", // Running
    "..y.c...", // Paused
    ".......r", // Cancelled
    ".......r", // Completed
    ".......r", // DataDeleted
    "......x.", // RequestedDataDeleted
];

#[test]
fn numbers_and_names_are_those_of_the_tables() {
    for (state, number, name, role_part, _) in TABLE {
        assert_eq!(state.code(), number);
        assert_eq!(RunState::from_code(number), Ok(state));
        assert_eq!((state.name(), state.to_string().as_str()), (name, name));
        assert_eq!(state.role_part(), role_part);
    }
    assert_eq!(RunState::ALL.to_vec(), TABLE.map(|line| line.0));
}

#[test]
fn other_numbers_are_refused_by_name() {
    for code in [-1, 8, i32::MIN, i32::MAX] {
        assert_eq!(RunState::from_code(code).unwrap_err().code, code);
    }
}

#[test]
fn every_state_is_finished_stopped_or_live_as_the_table_says() {
    for (state, .., [finished, stopped, live]) in TABLE {
        assert_eq!([state.is_finished(), state.is_stopped(), state.is_live()], [finished, stopped, live]);
    }
}

#[test]
fn a_state_follows_another_where_the_table_says_and_nowhere_else() {
    for from in RunState::ALL {
        let row = MOVES[from.code() as usize].as_bytes();
        for to in RunState::ALL {
            let allowed = row[to.code() as usize] != b'.';
            assert_eq!(from.can_move(to), allowed, "{from} -> {to}");
        }
    }
}
