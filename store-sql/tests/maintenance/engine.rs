//! Maintenance beside a working engine.

use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use store_sql::Database;
use store_sql::maintenance::{Expiry, LetterQuery, Maintenance, Requeued, What};
use tokio::task::yield_now;
use workflow_core::adapter::Store;
use workflow_core::{Options, Run, Running, Status, StatusCode, Step, StepError, Workflow};

use crate::place::Place;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    Placed = 1,
    Packed = 2,
    Sent = 3,
}

impl Status for Order {
    const ALL: &'static [Self] = &[Order::Placed, Order::Packed, Order::Sent];
    fn code(self) -> StatusCode {
        StatusCode::from_declared(self as i32)
    }
    fn from_code(code: StatusCode) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.code() == code)
    }
    fn name(self) -> &'static str {
        match self {
            Order::Placed => "Placed",
            Order::Packed => "Packed",
            Order::Sent => "Sent",
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Parcel {
    /// Whose courier it is: tests share a process.
    courier: String,
}

/// The couriers who have come to work; others refuse.
static AT_WORK: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The parcels that were announced, by their couriers.
static ANNOUNCED: Mutex<Vec<String>> = Mutex::new(Vec::new());

async fn pack(_: &mut Run<Parcel, Order>) -> Step<Order> {
    Ok(Order::Packed)
}

async fn send(_: &mut Run<Parcel, Order>) -> Step<Order> {
    Ok(Order::Sent)
}

async fn announce(run: &mut Run<Parcel, Order>) -> Result<(), StepError> {
    if !AT_WORK.lock().unwrap().contains(&run.object.courier) {
        return Err(workflow_core::terminal("the courier is not at work"));
    }
    ANNOUNCED.lock().unwrap().push(run.object.courier.clone());
    Ok(())
}

async fn office(database: &Database) -> Running<Parcel, Order> {
    let workflow = Workflow::builder("parcels")
        .step(Order::Placed, pack, [Order::Packed])
        .step(Order::Packed, send, [Order::Sent])
        .on_complete(announce)
        .options(Options::new().in_place_retries(0))
        .build()
        .unwrap();
    workflow.run(database).await.unwrap()
}

/// Looks again and again, with a look at the database each time, until something has come about.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..20_000 {
        if holds().await {
            return;
        }
        yield_now().await;
    }
    panic!("it never came about that {what}");
}

pub(crate) async fn an_engine_takes_up_what_was_put_back(place: Place, _: impl Store) {
    let database = place.by_its_own_clock().await;
    let (maintenance, courier) = (Maintenance::of(&database), uuid::Uuid::new_v4().to_string());
    let running = office(&database).await;
    running.trigger("order-1", Parcel { courier: courier.clone() }).await.unwrap();
    until("the hook has failed", async || maintenance.outbox_status().await.unwrap().dead_letters == 1).await;
    AT_WORK.lock().unwrap().push(courier.clone());
    let letter = maintenance.dead_letters(&LetterQuery::default()).await.unwrap().letters.remove(0);
    assert_eq!(&*letter.reason, "the courier is not at work");
    assert!(matches!(maintenance.requeue(&letter.id).await.unwrap(), Requeued::Done { .. }));
    let announced = || ANNOUNCED.lock().unwrap().iter().filter(|done| **done == courier).count();
    until("the hook is called again and the row is gone", async || {
        let waiting = maintenance.outbox_status().await.unwrap().rows();
        waiting == 0 && announced() == 1
    })
    .await;
    assert_eq!(maintenance.outbox_status().await.unwrap().dead_letters, 0);
    running.shutdown(Duration::from_secs(10)).await;
}

/// Goal: nothing that goes on is ever taken away. Method: what has ended is moved away at once, again and again, while an
/// engine works; at the end every run is in the archive, in its last status.
pub(crate) async fn runs_expire_beside_a_working_engine(place: Place, _: impl Store) {
    const RUNS: u64 = 200;
    let database = place.by_its_own_clock().await;
    let (maintenance, courier) = (Maintenance::of(&database), uuid::Uuid::new_v4().to_string());
    AT_WORK.lock().unwrap().push(courier.clone());
    let running = office(&database).await;
    let trigger = async {
        for number in 0..RUNS {
            let parcel = Parcel { courier: courier.clone() };
            running.trigger(format!("order-{number}"), parcel).await.unwrap();
        }
    };
    let archive = What::MoveInto("sent_parcels".parse().unwrap());
    let expiry = Expiry::new(archive, Duration::ZERO);
    let mut moved = 0;
    let expire = until("every run is in the archive", async || {
        let mut expiring = maintenance.expire(&expiry).await.unwrap();
        while let Some(batch) = expiring.next_batch().await.unwrap() {
            moved += batch.rows;
        }
        moved == RUNS
    });
    tokio::join!(trigger, expire);
    let whole = "select count(*) from sent_parcels where run_state = 5 and status = 3 and version = 3";
    assert_eq!(place.number(whole).await, RUNS as i64);
    assert_eq!(place.number("select count(*) from sent_parcels_history").await, 3 * RUNS as i64);
    assert_eq!(place.number("select count(*) from workflow_records").await, 0);
    let calls = ANNOUNCED.lock().unwrap().iter().filter(|done| **done == courier).count();
    assert_eq!(calls as u64, RUNS, "each hook was called before its run went");
    running.shutdown(Duration::from_secs(10)).await;
}
