//! Which changes of a commit are made together, and which after them.

use std::collections::HashSet;

use workflow_core::adapter::{Change, Effect, Expect, SlotKey};
use workflow_core::{RunId, StatusCode};

/// A change with its place among those of its commit.
pub(super) type Placed = (usize, Change);

/// A key that can be taken once.
#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    Slot(&'a SlotKey),
    Callback(RunId, StatusCode, &'a str),
}

/// Takes out the changes that can be made together: one of each run and one of each key. What follows them waits until
/// it is known what became of them.
pub(super) fn next_round(waiting: Vec<Placed>) -> (Vec<Placed>, Vec<Placed>) {
    let mut now = are_first(&waiting).into_iter();
    waiting.into_iter().partition(|_| now.next().unwrap_or(true))
}

fn are_first(waiting: &[Placed]) -> Vec<bool> {
    let mut runs = HashSet::with_capacity(waiting.len());
    let mut taken = HashSet::new();
    let is_first = |(_, change): &'_ Placed| change.expect == Expect::Nothing || runs.insert(change.run_id);
    let of_run: Vec<bool> = waiting.iter().map(is_first).collect();
    let is_free = |(_, change)| {
        let keys: Vec<Key<'_>> = keys_of(change).collect();
        let free = !keys.iter().any(|key| taken.contains(key));
        taken.extend(keys);
        free
    };
    let of_keys = waiting.iter().map(|(place, change)| (place, change)).map(is_free);
    of_run.into_iter().zip(of_keys).map(|(run, keys)| run && keys).collect()
}

fn keys_of(change: &Change) -> impl Iterator<Item = Key<'_>> {
    change.effects.iter().filter_map(|effect| match effect {
        Effect::TakeSlot(key) => Some(Key::Slot(key)),
        Effect::PutCallback(callback) => Some(Key::Callback(change.run_id, callback.status, &callback.key)),
        _ => None,
    })
}
