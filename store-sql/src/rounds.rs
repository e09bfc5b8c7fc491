//! Which changes of a commit are made together, and which after them.

use std::borrow::Borrow;
use std::collections::HashSet;

use workflow_core::adapter::{Change, Effect, Expect, SlotKey};
use workflow_core::{ForeignId, RunId, StatusCode, WorkflowName};

/// A change with its place among those of its commit.
type Placed<C> = (usize, C);

/// What a change may take from another one of the same commit.
#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    Run(RunId),
    ForeignId(&'a WorkflowName, &'a ForeignId),
    Slot(&'a SlotKey),
    Callback(RunId, StatusCode, &'a str),
}

/// Takes from the changes that wait those that touch nothing that one before them may touch; gives them and the others.
/// Changes of one run, or of one key, are so made one after the other, and one that is refused takes nothing from the
/// next.
pub(crate) fn next_round<C: Borrow<Change>>(waiting: Vec<Placed<C>>) -> (Vec<Placed<C>>, Vec<Placed<C>>) {
    let mut free = are_free(&waiting).into_iter();
    waiting.into_iter().partition(|_| free.next().unwrap_or(true))
}

fn are_free<C: Borrow<Change>>(waiting: &[Placed<C>]) -> Vec<bool> {
    let mut touched: HashSet<Key<'_>> = HashSet::with_capacity(2 * waiting.len());
    let mut own = Vec::new();
    let mut is_free = |change| {
        keys(change, &mut own);
        let free = own.iter().all(|key| !touched.contains(key));
        // Those of a change that waits are touched, too: what comes after it must not overtake it.
        touched.extend(own.drain(..));
        free
    };
    waiting.iter().map(|(_, change)| is_free(change.borrow())).collect()
}

fn keys<'a>(change: &'a Change, keys: &mut Vec<Key<'a>>) {
    if change.expect != Expect::Nothing {
        keys.push(Key::Run(change.run_id));
    }
    if let Some(record) = &change.record {
        keys.push(Key::ForeignId(&record.workflow_name, &record.foreign_id));
    }
    for effect in &change.effects {
        match effect {
            Effect::TakeSlot(slot) => keys.push(Key::Slot(slot)),
            Effect::PutCallback(callback) => {
                keys.push(Key::Callback(change.run_id, callback.status, &callback.key));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use workflow_core::Version;

    use super::*;

    fn moved(run_id: RunId) -> Change {
        Change::new(run_id, Expect::Version(Version::FIRST))
    }

    fn rounds(changes: &[Change]) -> Vec<Vec<usize>> {
        let mut waiting: Vec<Placed<&Change>> = changes.iter().enumerate().collect();
        let mut rounds = Vec::new();
        while !waiting.is_empty() {
            let (round, later) = next_round(waiting);
            rounds.push(round.into_iter().map(|(at, _)| at).collect());
            waiting = later;
        }
        rounds
    }

    #[test]
    fn changes_of_one_run_take_their_turns() {
        let (one, two) = (RunId::generate(), RunId::generate());
        let changes = [moved(one), moved(two), moved(one), moved(one), moved(two)];
        assert_eq!(rounds(&changes), [vec![0, 1], vec![2, 4], vec![3]]);
    }

    #[test]
    fn a_change_does_not_overtake_one_that_waits_for_its_turn() {
        let (one, two) = (RunId::generate(), RunId::generate());
        let noted = |key: &str| {
            let callback = workflow_core::adapter::Callback {
                status: workflow_core::StatusCode::new(1).expect("1 is a status"),
                key: key.into(),
                payload: bytes::Bytes::new(),
                applied: false,
            };
            Effect::PutCallback(callback)
        };
        let mut second = moved(one);
        second.effects = vec![noted("a")];
        let mut third = Change::new(one, Expect::Nothing);
        third.effects = vec![noted("a")];
        let changes = [moved(one), second, third, Change::new(two, Expect::Nothing)];
        assert_eq!(rounds(&changes), [vec![0, 3], vec![1], vec![2]]);
    }
}
