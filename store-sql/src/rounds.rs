//! Which changes of a commit are made together, and which after them.

use std::borrow::Borrow;
use std::collections::HashSet;

use workflow_core::adapter::{Change, Effect, Expect, SlotKey};
use workflow_core::{RunId, StatusCode};

/// A change with its place among those of its commit.
type Placed<C> = (usize, C);

/// A key that can be taken once.
#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    Slot(&'a SlotKey),
    Callback(RunId, StatusCode, &'a str),
}

/// Takes out the changes that can be made together: one of each run and one of each key. What follows them waits until
/// it is known what became of them.
pub(crate) fn next_round<C: Borrow<Change>>(waiting: Vec<Placed<C>>) -> (Vec<Placed<C>>, Vec<Placed<C>>) {
    let mut now = are_first(&waiting).into_iter();
    waiting.into_iter().partition(|_| now.next().unwrap_or(true))
}

fn are_first<C: Borrow<Change>>(waiting: &[Placed<C>]) -> Vec<bool> {
    let (mut runs, mut taken) = (HashSet::with_capacity(waiting.len()), HashSet::new());
    let mut is_first = |change: &'_ Change| change.expect == Expect::Nothing || runs.insert(change.run_id);
    let of_run: Vec<bool> = waiting.iter().map(|(_, change)| is_first(change.borrow())).collect();
    let mut firsts = Vec::with_capacity(waiting.len());
    for ((_, change), first) in waiting.iter().zip(of_run) {
        let keys: Vec<Key<'_>> = keys_of(change.borrow()).collect();
        let free = !keys.iter().any(|key| taken.contains(key));
        taken.extend(keys);
        firsts.push(first && free);
    }
    firsts
}

fn keys_of(change: &Change) -> impl Iterator<Item = Key<'_>> {
    change.effects.iter().filter_map(|effect| match effect {
        Effect::TakeSlot(key) => Some(Key::Slot(key)),
        Effect::PutCallback(callback) => Some(Key::Callback(change.run_id, callback.status, &callback.key)),
        _ => None,
    })
}
