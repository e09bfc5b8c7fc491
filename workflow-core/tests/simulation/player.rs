//! One seed's play: what is done, what goes wrong, and what must hold after it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use workflow_conformance::engine::{
    Case, Desk, Office, Parcel, Place, Stage, declared, holds_for, parcels, skip_until, start,
};
use workflow_core::memory::MemoryStore;
use workflow_core::testing::{Kit, ManualClock};
use workflow_core::{
    Actor, CallbackOutcome, HistoryEntry, Next, Options, Payload, RunId, RunState, Schedule, Step, Workflow,
    after, retryable,
};

const EDGES: [(Stage, Stage); 5] = [
    (Stage::Placed, Stage::Packed),
    (Stage::Packed, Stage::Sent),
    (Stage::Packed, Stage::Returned),
    (Stage::Sent, Stage::Received),
    (Stage::Sent, Stage::Returned),
];

/// How many operations a seed has.
const OPERATIONS: usize = 40;
/// How many business keys there are.
const KEYS: usize = 4;

/// A source of chance that the engine does not draw from.
struct Dice(u64);

impl Dice {
    /// A number below `sides`, by splitmix64.
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}

async fn pack(run: &mut Case, desk: &Desk) -> Step<Next<Stage>> {
    desk.log(format!("step {}", run.idempotency_key()));
    if run.version().get().is_multiple_of(3) {
        tokio::task::yield_now().await;
    }
    desk.work()?;
    run.object.labels.push("packed".into());
    match run.foreign_id().as_str() {
        "p-1" if run.object.labels.len() < 4 => Ok(Next::repeat()),
        "p-2" if run.attempt() == 1 => Err(retryable("the tape is out")),
        _ => Ok(Next::go_to(Stage::Packed)),
    }
}

async fn fetch(run: &mut Case, payload: Payload) -> Step<Next<Stage>> {
    run.object.labels.push(String::from_utf8_lossy(payload.bytes()).into_owned());
    Ok(Next::go_to(Stage::Sent))
}

async fn deliver(run: &mut Case, desk: &Desk) -> Step<Next<Stage>> {
    desk.log(format!("step {}", run.idempotency_key()));
    desk.work()?;
    match run.foreign_id().as_str() {
        "p-3" => Ok(Next::skip()),
        _ => Ok(Next::go_to(Stage::Received)),
    }
}

async fn come_back(_: &mut Case, desk: &Desk) -> Step<Stage> {
    desk.work()?;
    Ok(Stage::Returned)
}

async fn note_end(run: &mut Case, desk: &Desk) -> Step<()> {
    desk.log(format!("end {}", run.id()));
    Ok(())
}

fn flow(desk: &Desk) -> Workflow<Parcel, Stage> {
    parcels()
        .options(Options::new().in_place_retries(0).pause_after(3))
        .step(Stage::Placed, pack, [Stage::Packed])
        .callback(Stage::Packed, fetch, [Stage::Sent])
        .buffered()
        .timeout(Stage::Packed, after(Duration::from_secs(3600)), come_back, [Stage::Returned])
        .step(Stage::Sent, deliver, [Stage::Received])
        .timeout(Stage::Sent, after(Duration::from_secs(600)), come_back, [Stage::Returned])
        .on_complete(note_end)
        .schedule(Schedule::new("scheduled", "@every 50m", Parcel::default))
        .state(desk.clone())
        .build()
        .unwrap()
}

/// What callers were told.
#[derive(Default)]
struct Told {
    /// Runs that were acknowledged.
    runs: BTreeSet<RunId>,
    /// How many callbacks of each key were applied at once.
    applied: BTreeMap<(String, String), u32>,
}

/// One seed's play.
pub(crate) struct Player {
    dice: Dice,
    place: Place,
    desk: Desk,
    told: Told,
}

impl Player {
    /// The play of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let clock = ManualClock::new();
        let place = Place::new(MemoryStore::new(Arc::new(clock.clone())), clock, ());
        Self { dice: Dice(seed), place, desk: Desk::new(), told: Told::default() }
    }

    /// Plays it, and checks everything.
    pub(crate) async fn play(mut self) {
        let flow = flow(&self.desk);
        let (mut kit, mut office) = self.start(&flow).await;
        for _ in 0..OPERATIONS {
            if kit.faults().has_crashed() {
                drop(office);
                (kit, office) = self.start(&flow).await;
            }
            self.go_wrong(&kit);
            self.operate(&kit, &office).await;
        }
        if kit.faults().has_crashed() {
            drop(office);
            (kit, office) = self.start(&flow).await;
        }
        self.heal(&kit);
        self.settle(&kit, &office).await;
        self.check(&kit, &office).await;
    }

    async fn start(&self, flow: &Workflow<Parcel, Stage>) -> (Kit, Office) {
        let kit = self.place.kit();
        let office = start(flow, &kit).await;
        (kit, office)
    }

    fn go_wrong(&mut self, kit: &Kit) {
        let faults = kit.faults();
        let few = |dice: &mut Dice| u32::try_from(dice.roll(3) + 1).unwrap();
        match self.dice.roll(20) {
            0 => faults.fail_commits(few(&mut self.dice)),
            1 => faults.lose_answers(few(&mut self.dice)),
            2 => faults.fail_reads_after(few(&mut self.dice), few(&mut self.dice)),
            3 => faults.lose_events_after(few(&mut self.dice), few(&mut self.dice)),
            4 => faults.repeat_events(few(&mut self.dice)),
            5 => faults.crash_after(self.dice.roll(6) + 1),
            6 => self.desk.fail(self.dice.roll(4) as usize),
            _ => {}
        }
    }

    fn heal(&self, kit: &Kit) {
        let faults = kit.faults();
        faults.fail_commits(0);
        faults.lose_answers(0);
        faults.fail_reads(0);
        faults.lose_events(0);
        faults.crash_after(u64::MAX / 2);
        self.desk.fail(0);
    }

    async fn operate(&mut self, kit: &Kit, office: &Office) {
        let key = format!("p-{}", self.dice.roll(KEYS as u64));
        match self.dice.roll(12) {
            0..=2 => {
                let started = office.trigger(&*key, Parcel::default()).await;
                self.told.runs.extend(started.ok());
            }
            3 | 4 => {
                let word = format!("call {}", self.dice.roll(6));
                let called = office.callback(Stage::Packed, &*key, word.clone()).key(word.clone()).await;
                if let (Ok(CallbackOutcome::Applied), Ok(Some(run))) = (called, office.latest(&key).await) {
                    *self.told.applied.entry((run.id().to_string(), word)).or_default() += 1;
                }
            }
            5 => self.on_latest(office, &key, "pause").await,
            6 => self.on_latest(office, &key, "resume").await,
            7 => self.on_latest(office, &key, "cancel").await,
            8 => self.on_latest(office, &key, "delete").await,
            _ => {
                for _ in 0..self.dice.roll(40) {
                    // A dead process does nothing more, in many small waits.
                    if !kit.faults().has_crashed() {
                        kit.clock().advance(Duration::from_secs(30)).await;
                    }
                }
            }
        }
    }

    async fn on_latest(&self, office: &Office, key: &str, what: &str) {
        let Ok(Some(run)) = office.latest(key).await else { return };
        // Refusals and faults are part of the play; what was stored is judged by the history.
        let _ = match what {
            "pause" => office.pause(&run.id(), "by the play").await,
            "resume" => office.resume(&run.id()).await,
            "cancel" => office.cancel(&run.id(), "by the play").await,
            _ => office.delete_data(&run.id(), "by the play").await,
        };
    }

    /// I12: with the faults healed, every run ends by itself once nobody holds it paused.
    async fn settle(&self, kit: &Kit, office: &Office) {
        for key in 0..KEYS {
            let Some(run) = office.latest(&format!("p-{key}")).await.unwrap() else { continue };
            if run.run_state() == RunState::Paused {
                office.resume(&run.id()).await.unwrap();
            }
        }
        let ended = async || {
            let runs = office.list(all()).await.unwrap().runs;
            let live = runs.iter().filter(|run| run.foreign_id().as_str() != "scheduled");
            live.into_iter()
                .all(|run| run.run_state().is_finished() && run.run_state() != RunState::RequestedDataDeleted)
        };
        skip_until(kit, "I12: the end of every run", ended).await;
        self.place.outbox_is_empty(kit).await;
    }

    async fn check(&self, kit: &Kit, office: &Office) {
        let runs = office.list(all()).await.unwrap().runs;
        let stored: BTreeSet<RunId> = runs.iter().map(|run| run.id()).collect();
        assert!(self.told.runs.is_subset(&stored), "I1: every acknowledged run is stored");
        let mut lives: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
        let mut slots = BTreeSet::new();
        for run in &runs {
            let history = holds_for(office, &run.id(), &declared(&EDGES)).await;
            self.once_per_cause(&run.id(), &history);
            self.called_as_often_as_needed(kit, &run.id(), &history).await;
            let ended = history.iter().find(|entry| entry.run_state.is_finished());
            let until = ended.map_or(u64::MAX, |entry| entry.at.as_millis().unsigned_abs());
            let begun = run.created_at().as_millis().unsigned_abs();
            lives.entry(run.foreign_id().to_string()).or_default().push((begun, until));
            if run.foreign_id().as_str() == "scheduled" {
                assert!(slots.insert(run.created_at()), "I14: a slot starts one run");
            }
        }
        for (key, mut spans) in lives {
            spans.sort_unstable();
            let apart = spans.windows(2).all(|pair| pair[0].1 <= pair[1].0);
            assert!(apart, "I13: {key} had two live runs: {spans:?}");
        }
        assert!(self.told.applied.values().all(|times| *times == 1), "I14: {:?}", self.told.applied);
    }

    /// I14: a callback's key moves its run once, and a status is left by one timer.
    fn once_per_cause(&self, run: &RunId, history: &[HistoryEntry]) {
        let timeouts =
            history.iter().filter(|entry| entry.actor == Actor::Timeout && entry.reason.is_empty());
        assert!(timeouts.count() <= 1, "I14: {run} came back twice: {history:?}");
        let calls = history.iter().filter(|entry| entry.actor == Actor::Callback);
        assert!(calls.count() <= 1, "I14: {run} was fetched twice: {history:?}");
    }

    /// I20: a version that a step has left was stepped at least once, and a hook is called for a run that completed.
    async fn called_as_often_as_needed(&self, kit: &Kit, run: &RunId, history: &[HistoryEntry]) {
        for pair in history.windows(2).filter(|pair| pair[1].actor == Actor::Step) {
            let key = format!("step {run}:{}", pair[0].version);
            assert!(self.desk.count(&key) >= 1, "I20: {key} is missing");
        }
        if history.iter().any(|entry| entry.run_state == RunState::Completed) {
            let end = format!("end {run}");
            skip_until(kit, "I20: the hook on a completed run", async || self.desk.count(&end) >= 1).await;
        }
    }
}

fn all() -> workflow_core::adapter::ListQuery {
    workflow_core::adapter::ListQuery { limit: 1000, ..Default::default() }
}
