//! Calls from outside, and what the caller learns.

use std::time::Duration;

use workflow_core::testing::Kit;
use workflow_core::{CallbackOutcome, Error, Next, Payload, RunState, Step, terminal};

use super::{
    Case, Desk, Office, Parcel, Place, Stage, close, declared, holds_for, pack, parcels, skip_until, start,
};

const EDGES: [(Stage, Stage); 2] = [(Stage::Placed, Stage::Packed), (Stage::Packed, Stage::Sent)];

fn text(payload: &Payload) -> String {
    String::from_utf8_lossy(payload.bytes()).into_owned()
}

async fn weigh(run: &mut Case, payload: Payload, desk: &Desk) -> Step<Next<Stage>> {
    desk.log(format!("weigh {}", text(&payload)));
    run.object.labels.push("weighed".into());
    Ok(Next::skip())
}

async fn fetch(run: &mut Case, payload: Payload, desk: &Desk) -> Step<Next<Stage>> {
    let word = text(&payload);
    desk.log(format!("fetch {word}"));
    match &*word {
        "skip" => Ok(Next::skip()),
        "again" => {
            run.object.labels.push(word);
            Ok(Next::repeat())
        }
        "fail" => Err(terminal("the van is full")),
        "panic" => panic!("the van is on fire"),
        _ => {
            run.object.labels.push(word);
            Ok(Next::go_to(Stage::Sent))
        }
    }
}

/// A parcel that is packed by a step when the gate opens, and fetched by a callback.
async fn office(place: &Place, desk: &Desk, buffered: bool) -> (Kit, Office) {
    async fn pack_later(run: &mut Case, desk: &Desk) -> Step<Stage> {
        desk.pass().await;
        pack(run, desk).await
    }
    let flow = parcels().step(Stage::Placed, pack_later, [Stage::Packed]).callback(
        Stage::Packed,
        weigh,
        [Stage::Sent],
    );
    let flow = flow.callback(Stage::Packed, fetch, [Stage::Sent]);
    let flow = if buffered { flow.buffered() } else { flow };
    let kit = place.kit();
    let flow = flow.state(desk.clone()).build().unwrap();
    let office = start(&flow, &kit).await;
    (kit, office)
}

async fn call(office: &Office, word: &'static str) -> CallbackOutcome {
    office.callback(Stage::Packed, "p-1", word).await.unwrap()
}

/// The caller can tell what became of its call, in every case.
pub async fn every_outcome_of_a_callback_can_be_told_apart(place: Place) {
    let desk = Desk::new();
    let (kit, office) = office(&place, &desk, false).await;
    assert_eq!(call(&office, "early").await, CallbackOutcome::NoRun);
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    let wrong = CallbackOutcome::WrongStatus { current: "Placed".into() };
    assert_eq!(call(&office, "early").await, wrong);
    desk.open(1);
    kit.run_to(&office, &run, Stage::Packed).await.unwrap();
    assert_eq!(call(&office, "skip").await, CallbackOutcome::Skipped);
    assert_eq!(office.get(&run).await.unwrap().version().get(), 2);
    office.pause(&run, "lunch").await.unwrap();
    assert_eq!(call(&office, "now").await, CallbackOutcome::Stopped { run_state: RunState::Paused });
    office.resume(&run).await.unwrap();
    assert_eq!(call(&office, "again").await, CallbackOutcome::Applied);
    assert_eq!(call(&office, "go").await, CallbackOutcome::Applied);
    assert_eq!(call(&office, "late").await, CallbackOutcome::Stopped { run_state: RunState::Completed });
    assert_eq!(office.get(&run).await.unwrap().object().unwrap().labels, ["packed", "again", "go"]);
    holds_for(&office, &run, &declared(&EDGES)).await;
}

/// Each callback of a status gets the payload, in order, and the run as it is stored.
pub async fn several_callbacks_of_a_status_each_get_the_payload(place: Place) {
    let desk = Desk::new();
    desk.open(1);
    let (kit, office) = office(&place, &desk, false).await;
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    kit.run_to(&office, &run, Stage::Packed).await.unwrap();
    assert!(call(&office, "four kilos").await.is_applied());
    assert_eq!(desk.lines(), ["pack 1", "weigh four kilos", "fetch four kilos"]);
    let stored = office.get(&run).await.unwrap().object().unwrap();
    assert_eq!(stored.labels, ["packed", "four kilos"], "the one that skipped left nothing");
}

/// An error or panic of a callback is the caller's, and stores nothing.
pub async fn a_callback_that_fails_tells_its_caller_and_stores_nothing(place: Place) {
    let desk = Desk::new();
    desk.open(1);
    let (kit, office) = office(&place, &desk, false).await;
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    kit.run_to(&office, &run, Stage::Packed).await.unwrap();
    for (word, why) in [("fail", "the van is full"), ("panic", "the van is on fire")] {
        let failed = office.callback(Stage::Packed, "p-1", word).await.unwrap_err();
        assert!(matches!(&failed, Error::Function { reason, .. } if reason.contains(why)), "{failed}");
    }
    let stored = office.get(&run).await.unwrap();
    assert_eq!((stored.version().get(), stored.run_state()), (2, RunState::Running));
    assert!(call(&office, "go").await.is_applied());
}

/// A key makes a repetition a duplicate, for the same run: whether the call was applied or kept.
pub async fn a_repeated_key_is_a_duplicate(place: Place) {
    let desk = Desk::new();
    let (kit, office) = office(&place, &desk, true).await;
    let keyed = |word: &'static str, key: &'static str| office.callback(Stage::Packed, "p-1", word).key(key);
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    assert_eq!(keyed("skip", "k-1").await.unwrap(), CallbackOutcome::Buffered);
    assert_eq!(keyed("skip", "k-1").await.unwrap(), CallbackOutcome::Duplicate);
    desk.open(1);
    kit.run_to(&office, &run, Stage::Packed).await.unwrap();
    skip_until(&kit, "the kept call", async || desk.count("fetch skip") == 1).await;
    assert_eq!(keyed("skip", "k-1").await.unwrap(), CallbackOutcome::Duplicate);
    assert_eq!(keyed("again", "k-2").await.unwrap(), CallbackOutcome::Applied);
    assert_eq!(keyed("again", "k-2").await.unwrap(), CallbackOutcome::Duplicate);
    assert_eq!(desk.count("fetch"), 2);
    assert_eq!(keyed("go", "k-3").await.unwrap(), CallbackOutcome::Applied);
    let next = office.trigger("p-1", Parcel::default()).await.unwrap();
    assert_ne!(next, run);
    assert_eq!(keyed("go", "k-3").await.unwrap(), CallbackOutcome::Buffered, "another run");
}

/// A call that comes early is kept, outlives the process and a lost event, and is applied in order once the run is there.
pub async fn an_early_callback_is_kept_until_its_status_is_entered(place: Place) {
    let desk = Desk::new();
    let (kit, office) = self::office(&place, &desk, true).await;
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    assert_eq!(call(&office, "again").await, CallbackOutcome::Buffered);
    assert_eq!(call(&office, "go").await, CallbackOutcome::Buffered);
    assert_eq!(office.get(&run).await.unwrap().version().get(), 1);
    kit.clock().advance(Duration::from_secs(1)).await;
    // The step is still at its gate, and is dropped with its process.
    drop(office);
    drop(kit);
    let (kit, office) = self::office(&place, &desk, true).await;
    kit.faults().lose_events_after(1, 1);
    desk.open(2);
    let done = kit.finish(&office, &run).await.unwrap();
    assert_eq!(done.object().unwrap().labels, ["packed", "again", "go"]);
    holds_for(&office, &run, &declared(&EDGES)).await;
    close(&kit, office).await;
}

/// Of callbacks that come together, each is told whether it was applied, and none overwrites another.
pub async fn callbacks_that_come_together_do_not_overwrite_each_other(place: Place) {
    let desk = Desk::new();
    desk.open(1);
    let (kit, office) = office(&place, &desk, false).await;
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    kit.run_to(&office, &run, Stage::Packed).await.unwrap();
    let calls = (0..8).map(|_| {
        let client = office.client();
        tokio::spawn(async move { client.callback(Stage::Packed, "p-1", "again").await.unwrap() })
    });
    for called in calls.collect::<Vec<_>>() {
        assert_eq!(called.await.unwrap(), CallbackOutcome::Applied);
    }
    let stored = office.get(&run).await.unwrap();
    assert_eq!((stored.version().get(), stored.object().unwrap().labels.len()), (10, 9));
    holds_for(&office, &run, &declared(&EDGES)).await;
}
