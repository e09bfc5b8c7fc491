//! What callers can do and ask.

use std::time::Duration;

use workflow_core::adapter::{Cursor, ListQuery, Page};
use workflow_core::testing::Kit;
use workflow_core::{
    Awaited, Error, ForeignId, Options, ProcessState, RunState, Start, StartKey, StatusCode, Step, Version,
};

use super::{Case, Desk, Office, Parcel, Place, Stage, close, pack, parcels, pass, send, until};

async fn pack_later(run: &mut Case, desk: &Desk) -> Step<Stage> {
    desk.pass().await;
    pack(run, desk).await
}

/// Packed when the gate opens, and then sent.
async fn office(place: &Place, desk: &Desk) -> (Kit, Office) {
    let flow =
        parcels().step(Stage::Placed, pack_later, [Stage::Packed]).step(Stage::Packed, send, [Stage::Sent]);
    let kit = place.kit();
    let office = flow.state(desk.clone()).build().unwrap().run(&kit).await.unwrap();
    (kit, office)
}

/// Of many triggers of one business key at once, one starts a run; the others are told which.
pub async fn triggers_that_come_together_start_one_run(place: Place) {
    let desk = Desk::new();
    let (kit, office) = office(&place, &desk).await;
    let triggers = (0..16).map(|_| {
        let client = office.client();
        tokio::spawn(async move { client.trigger("p-1", Parcel::default()).await })
    });
    let (mut started, mut refused) = (Vec::new(), Vec::new());
    for trigger in triggers.collect::<Vec<_>>() {
        match trigger.await.unwrap() {
            Ok(run) => started.push(run),
            Err(Error::AlreadyInProgress { run_id, .. }) => refused.push(run_id),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((started.len(), refused.len()), (1, 15));
    assert!(refused.iter().all(|run| *run == started[0]));
    desk.open(9);
    kit.finish(&office, &started[0]).await.unwrap();
    assert_ne!(office.trigger("p-1", Parcel::default()).await.unwrap(), started[0]);
}

/// A start key starts one run for ever, also after that has ended; another key does not.
pub async fn a_start_key_starts_one_run_for_ever(place: Place) {
    let desk = Desk::new();
    desk.open(9);
    let (kit, office) = office(&place, &desk).await;
    let run = office.trigger("p-1", Parcel::default()).key("k-1").await.unwrap();
    assert_eq!(office.trigger("p-1", Parcel::default()).key("k-1").await.unwrap(), run);
    kit.finish(&office, &run).await.unwrap();
    assert_eq!(office.trigger("p-1", Parcel::default()).key("k-1").await.unwrap(), run);
    assert_ne!(office.trigger("p-1", Parcel::default()).key("k-2").await.unwrap(), run);
    assert!(StartKey::new("").is_err());
}

/// A trigger whose answer was lost is found to have started its run; one that failed has not.
pub async fn a_trigger_knows_what_became_of_it(place: Place) {
    let desk = Desk::new();
    desk.open(9);
    let (kit, office) = office(&place, &desk).await;
    kit.clock().quiet().await;
    kit.faults().lose_answers(1);
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    kit.finish(&office, &run).await.unwrap();
    kit.faults().fail_commits(1);
    let failed = office.trigger("p-2", Parcel::default()).await.unwrap_err();
    assert!(failed.is_retryable(), "{failed}");
    assert!(office.latest("p-2").await.unwrap().is_none());
}

/// Many runs are started in few commits; each has an answer of its own.
pub async fn many_runs_are_started_together(place: Place) {
    let desk = Desk::new();
    desk.open(9999);
    let (kit, office) = office(&place, &desk).await;
    office.trigger("p-7", Parcel::default()).await.unwrap();
    let commits = kit.faults().commits();
    let mut starts: Vec<Start<Parcel, Stage>> =
        (0..300).map(|number| (format!("p-{number}"), Parcel::default()).into()).collect();
    starts.push(Start::new("", Parcel::default()));
    starts.push(Start::new("later", Parcel::default()).at(Stage::Packed).key("k-1"));
    starts.push(Start::new("nowhere", Parcel::default()).at(Stage::Received));
    let answers = office.trigger_all(starts).await.unwrap();
    assert!(kit.faults().commits() - commits < 20, "few commits");
    assert_eq!(answers.len(), 303);
    assert!(matches!(answers[300], Err(Error::Name(_))), "{:?}", answers[300]);
    assert!(matches!(answers[302], Err(Error::NoStart { .. })), "{:?}", answers[302]);
    let later = office.get(answers[301].as_ref().unwrap()).await.unwrap();
    assert_eq!(later.record().start_key.as_ref().unwrap().as_str(), "k-1");
    for (number, answer) in answers[..300].iter().enumerate() {
        match answer {
            Ok(run) => assert_eq!(kit.finish(&office, run).await.unwrap().status(), Stage::Sent),
            Err(error) => assert!(number == 7 && matches!(error, Error::AlreadyInProgress { .. })),
        }
    }
}

/// A run can be started further on.
pub async fn a_run_can_be_started_in_a_later_status(place: Place) {
    let desk = Desk::new();
    let (kit, office) = office(&place, &desk).await;
    let run = office.trigger("p-1", Parcel::default()).start_at(Stage::Packed).await.unwrap();
    assert_eq!(kit.finish(&office, &run).await.unwrap().object().unwrap().labels, ["sent"]);
    let refused = office.trigger("p-2", Parcel::default()).start_at(Stage::Sent).await.unwrap_err();
    assert!(matches!(refused, Error::NoStart { status: "Sent", .. }), "{refused}");
}

/// A wait that comes late ends at once; one for a status that the run has left, too; one for a status that it never
/// reaches ends with the run. Another run's change ends none.
pub async fn a_wait_never_hangs_and_ends_on_its_own_run_only(place: Place) {
    let desk = Desk::new();
    let (kit, office) = office(&place, &desk).await;
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    let other = office.trigger("p-2", Parcel::default()).await.unwrap();
    let client = office.client();
    let waiting = tokio::spawn(async move { client.wait_for(&run).status(Stage::Returned).await });
    office.cancel(&other, "not this one").await.unwrap();
    kit.clock().advance(Duration::from_secs(60)).await;
    assert!(!waiting.is_finished());
    desk.open(1);
    kit.finish(&office, &run).await.unwrap();
    let Awaited::Finished(ended) = waiting.await.unwrap().unwrap() else { panic!("it was never returned") };
    assert_eq!((ended.id(), ended.status()), (run, Stage::Sent));
    // Late, and without any skipping of time.
    let packed = office.wait_for(&run).status(Stage::Packed).await.unwrap();
    assert!(packed.is_reached());
    assert_eq!(office.wait_for(&run).finished().await.unwrap().version(), Version::new(3).unwrap());
    assert_eq!(office.wait_for(&other).at_rest().await.unwrap().run_state(), RunState::Cancelled);
    let nobody = workflow_core::RunId::generate();
    assert!(matches!(office.wait_for(&nobody).finished().await, Err(Error::NotFound { .. })));
}

/// Operators' calls are refused where the run's state does not allow them, with both states.
pub async fn moves_that_are_not_allowed_are_refused_with_both_states(place: Place) {
    let desk = Desk::new();
    let (_kit, office) = office(&place, &desk).await;
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    let refusal = |answer: Result<(), Error>| match answer {
        Err(Error::Refused { refusal, .. }) => refusal.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(refusal(office.resume(&run).await), "a run that is Initiated cannot become Running");
    office.pause(&run, "lunch").await.unwrap();
    assert_eq!(refusal(office.pause(&run, "tea").await), "a run that is Paused cannot become Paused");
    let text = refusal(office.delete_data(&run, "the law").await);
    assert_eq!(text, "a run that is Paused cannot become RequestedDataDeleted");
    office.cancel(&run, "enough").await.unwrap();
    assert_eq!(refusal(office.cancel(&run, "more").await), "a run that is Cancelled cannot become Cancelled");
    assert_eq!(office.get(&run).await.unwrap().version().get(), 3);
}

/// A run of one workflow is none of another's, whoever asks.
pub async fn a_run_of_another_workflow_is_refused(place: Place) {
    let desk = Desk::new();
    let (kit, office) = office(&place, &desk).await;
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    let flow = super::parcels_called("letters").step(Stage::Placed, pack, [Stage::Packed]);
    let letters = flow.state(desk.clone()).build().unwrap().connect(&kit).await.unwrap();
    assert!(matches!(letters.get(&run).await, Err(Error::WrongWorkflow { .. })));
    assert!(matches!(letters.cancel(&run, "mine").await, Err(Error::WrongWorkflow { .. })));
    assert!(letters.latest("p-1").await.unwrap().is_none());
    assert!(letters.list(ListQuery::default()).await.unwrap().runs.is_empty());
    letters.trigger("p-1", Parcel::default()).await.unwrap();
}

/// Lists filter, keep a total order, and page.
pub async fn lists_filter_order_and_page(place: Place) {
    let desk = Desk::new();
    let (kit, office) = office(&place, &desk).await;
    let mut runs = Vec::new();
    for number in 0..7 {
        runs.push(office.trigger(format!("p-{number}"), Parcel::default()).await.unwrap());
        kit.clock().advance(Duration::from_secs(number % 2)).await;
    }
    office.pause(&runs[3], "lunch").await.unwrap();
    let ids = async |query: ListQuery| -> Vec<_> {
        office.list(query).await.unwrap().runs.iter().map(|run| run.id()).collect()
    };
    let all = ids(ListQuery::default()).await;
    assert_eq!(all.len(), 7);
    let newest = ids(ListQuery { newest_first: true, ..ListQuery::default() }).await;
    assert_eq!(newest.into_iter().rev().collect::<Vec<_>>(), all);
    let paused = ListQuery { run_states: vec![RunState::Paused], ..ListQuery::default() };
    assert_eq!(ids(paused).await, [runs[3]]);
    let two = ["p-1", "p-5"].map(|id| ForeignId::new(id).unwrap()).to_vec();
    assert_eq!(ids(ListQuery { foreign_ids: two, ..ListQuery::default() }).await, [runs[1], runs[5]]);
    let elsewhere = ListQuery { statuses: vec![StatusCode::new(2).unwrap()], ..ListQuery::default() };
    assert!(ids(elsewhere).await.is_empty());
    let (mut paged, mut next) = (Vec::new(), None::<Cursor>);
    loop {
        let page = next.map_or(Page::Offset(0), Page::After);
        let listed = office.list(ListQuery { limit: 3, page, ..ListQuery::default() }).await.unwrap();
        paged.extend(listed.runs.iter().map(|run| run.id()));
        next = listed.next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(paged, all);
}

/// Ended runs go when they are old enough, with their history; live ones stay.
pub async fn a_purge_deletes_old_ended_runs_only(place: Place) {
    let desk = Desk::new();
    desk.open(1);
    let (kit, office) = office(&place, &desk).await;
    let old = office.trigger("old", Parcel::default()).await.unwrap();
    kit.finish(&office, &old).await.unwrap();
    let live = office.trigger("live", Parcel::default()).start_at(Stage::Placed).await.unwrap();
    office.pause(&live, "lunch").await.unwrap();
    pass(&kit, Duration::from_secs(3600)).await;
    let young = office.trigger("young", Parcel::default()).start_at(Stage::Packed).await.unwrap();
    kit.finish(&office, &young).await.unwrap();
    assert_eq!(office.purge(Duration::from_secs(1800)).await.unwrap(), 1);
    assert!(matches!(office.get(&old).await, Err(Error::NotFound { .. })));
    assert!(matches!(office.history(&old).await, Err(Error::NotFound { .. })));
    assert!(office.get(&live).await.is_ok() && office.get(&young).await.is_ok());
}

/// The metrics and processes have the names of existing dashboards, and a change counts once it is stored.
pub async fn metrics_have_their_names_and_count_what_is_stored(place: Place) {
    let desk = Desk::new();
    let (kit, office) = office(&place, &desk).await;
    let changes = || {
        let samples = office.metrics().samples().into_iter();
        let values = samples.filter(|sample| sample.name == "workflow_run_state_changes").map(|it| it.value);
        values.sum::<f64>()
    };
    kit.faults().fail_commits(1);
    office.trigger("p-1", Parcel::default()).await.unwrap_err();
    assert_eq!(changes(), 0.0);
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    assert_eq!(changes(), 1.0);
    desk.counts("nothing", 0).await;
    kit.clock().advance(Duration::ZERO).await;
    kit.faults().fail_commits(3);
    desk.open(9);
    kit.finish(&office, &run).await.unwrap();
    assert_eq!(changes(), 3.0, "Unknown to Initiated to Running to Completed");
    let names: std::collections::BTreeSet<_> =
        office.metrics().samples().into_iter().map(|sample| sample.name).collect();
    for name in [
        "workflow_process_lag_seconds",
        "workflow_process_lag_alert",
        "workflow_process_states",
        "workflow_process_latency_seconds_bucket",
        "workflow_process_error_count",
        "workflow_run_state_changes",
    ] {
        assert!(names.contains(name), "{name} is not in {names:?}");
    }
    let states = office.states();
    let names: Vec<&str> = states.keys().map(String::as_str).collect();
    let expected = [
        "parcels-1-consumer-1-of-1",
        "parcels-2-consumer-1-of-1",
        "parcels-delete-consumer",
        "parcels-outbox-consumer",
        "parcels-reconciler",
    ];
    assert_eq!(names, expected);
    until("running processes", || office.states().values().all(|state| *state == ProcessState::Running))
        .await;
    close(&kit, office).await;
}

/// What one part says about its options resets nothing that the workflow said.
pub async fn options_of_a_part_do_not_reset_what_they_do_not_mention(place: Place) {
    let desk = Desk::new();
    desk.fail(usize::MAX);
    let flow = parcels()
        .options(Options::new().pause_after(2).in_place_retries(0))
        .step(Stage::Placed, pack, [Stage::Packed])
        .with(Options::new().in_flight(4))
        .options(Options::new().lag_alert(Duration::from_secs(1)));
    let kit = place.kit();
    let office = flow.never_resume().state(desk.clone()).build().unwrap().run(&kit).await.unwrap();
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    assert_eq!(kit.at_rest(&office, &run).await.unwrap().run_state(), RunState::Paused);
    assert_eq!(desk.lines(), ["pack 1", "pack 2"]);
}
