//! How a workflow ends while its functions run.
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use workflow_core::testing::Kit;
use workflow_core::{Options, Run, RunState, Running, Shutdown, Status, StatusCode, Workflow};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Parcel {
    Packed = 1,
    Sent = 2,
}

impl Status for Parcel {
    const ALL: &'static [Self] = &[Parcel::Packed, Parcel::Sent];
    fn code(self) -> StatusCode {
        StatusCode::from_declared(self as i32)
    }
    fn from_code(code: StatusCode) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.code() == code)
    }
    fn name(self) -> &'static str {
        if self == Parcel::Packed { "Packed" } else { "Sent" }
    }
}

/// What the step and the test tell each other.
#[derive(Clone, Default)]
struct Road {
    departed: Arc<Notify>,
    arrive: Arc<Notify>,
    told: Arc<AtomicU32>,
    begun: Arc<AtomicU32>,
}

/// Ends when it is told to arrive; goes on for ever when it is told to stop.
async fn send(run: &mut Run<(), Parcel>, road: &Road) -> Parcel {
    road.begun.fetch_add(1, Ordering::AcqRel);
    road.departed.notify_one();
    tokio::select! {
        () = road.arrive.notified() => Parcel::Sent,
        () = run.cancelled() => {
            road.told.fetch_add(1, Ordering::AcqRel);
            std::future::pending().await
        }
    }
}

async fn on_the_road(kit: &Kit, road: &Road) -> Running<(), Parcel> {
    let parcels = Workflow::builder("parcels")
        .step(Parcel::Packed, send, [Parcel::Sent])
        .with(Options::new().cancel_grace(Duration::from_secs(3)))
        .state(road.clone())
        .build()
        .unwrap();
    parcels.run(kit).await.unwrap()
}

#[tokio::test]
async fn a_clean_shutdown_stores_what_is_in_flight() {
    let (kit, road) = (Kit::memory(), Road::default());
    let running = on_the_road(&kit, &road).await;
    let run = running.trigger("parcel-1", ()).await.unwrap();
    road.departed.notified().await;
    let client = running.client();
    let (ended, ()) =
        tokio::join!(running.shutdown(Duration::from_secs(60)), async { road.arrive.notify_one() });
    assert_eq!(ended, Shutdown::Clean);
    assert_eq!(client.get(&run).await.unwrap().run_state(), RunState::Completed);
}

#[tokio::test]
async fn after_the_deadline_functions_are_told_and_have_a_grace_and_run_again_at_the_next_start() {
    let (kit, road) = (Kit::memory(), Road::default());
    let running = on_the_road(&kit, &road).await;
    let run = running.trigger("parcel-1", ()).await.unwrap();
    road.departed.notified().await;
    let shutdown = running.shutdown(Duration::from_secs(60));
    tokio::pin!(shutdown);
    let clock = kit.clock();
    tokio::select! {
        biased;
        _ = &mut shutdown => panic!("it ended before its deadline"),
        () = clock.advance(Duration::from_secs(59)) => {}
    }
    assert_eq!(road.told.load(Ordering::Acquire), 0, "the deadline has not passed");
    tokio::select! {
        biased;
        _ = &mut shutdown => panic!("the function had no grace"),
        () = clock.advance(Duration::from_secs(2)) => {}
    }
    assert_eq!(road.told.load(Ordering::Acquire), 1, "the function was told");
    let (ended, ()) = tokio::join!(shutdown, clock.advance(Duration::from_secs(3)));
    assert_eq!(ended, Shutdown::DeadlinePassed);
    assert_eq!(road.begun.load(Ordering::Acquire), 1, "nothing began again meanwhile");

    let running = on_the_road(&kit, &road).await;
    assert_eq!(running.get(&run).await.unwrap().run_state(), RunState::Initiated);
    road.departed.notified().await;
    road.arrive.notify_one();
    assert_eq!(kit.finish(&running, &run).await.unwrap().run_state(), RunState::Completed);
}
