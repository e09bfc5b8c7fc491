//! Brokers that go away and come back.

use workflow_system_tests::broker::{Broker, BrokerOptions};
use workflow_system_tests::ground::Kind;

use crate::check::eventually;
use crate::stage::{NEVER, Stage};

/// A broker that crashes and comes back, twice, with journeys under way all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_restarted_under_load_loses_nothing() {
    let mut broker = Broker::start(BrokerOptions::default()).await;
    let stage = Stage::on(Kind::Postgres, broker.address()).await;
    let _relay = stage.relay().await;
    let worker = stage.worker(NEVER).await;
    worker.begin("before", 300).await;
    for (round, ended) in [50, 350].into_iter().enumerate() {
        stage.ended(ended).await;
        broker.kill();
        worker.begin(&format!("during-{round}"), 150).await;
        broker.resume().await;
        worker.begin(&format!("after-{round}"), 150).await;
    }
    stage.all_ended(900).await;
    stage.all_published().await;
    assert_eq!(stage.rows("dead_letters").await, 0);
    assert_eq!(worker.metric("workflow_reconciled_runs", None), 0.0, "nothing had to be sent again");
    worker.end().await;
}

/// How a broker is away.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Away {
    /// Its connections are open, and nobody answers on them.
    Frozen,
    /// Connections are refused.
    Stopped,
}

/// How long it is away, as the relay tells by the age of the oldest event.
const AWAY_MS: f64 = 60_000.0;

/// How much of a processor the relay may use meanwhile, in seconds.
const CPU_SECONDS_MAX: f64 = 6.0;

/// How often the relay may fail meanwhile: it tries each topic for some seconds, with waits between.
const ATTEMPTS_MAX: f64 = 60.0;

async fn an_absence_of_a_minute(kind: Kind, away: Away) {
    let mut broker = Broker::start(BrokerOptions::default()).await;
    let stage = Stage::on(kind, broker.address()).await;
    let relay = stage.relay().await;
    let worker = stage.worker(NEVER).await;
    worker.begin("before", 100).await;
    stage.all_ended(100).await;
    let (published, cpu) = (relay.metric("workflow_outbox_published_total").await, relay.cpu_seconds());
    match away {
        Away::Frozen => broker.freeze(),
        Away::Stopped => broker.kill(),
    }
    worker.begin("during", 200).await;
    let depth = async || relay.metric("workflow_outbox_depth").await;
    let oldest = async || relay.metric("workflow_outbox_oldest_age_milliseconds").await;
    eventually("the backlog is seen", async || depth().await == 200.0).await;
    eventually("half of the time is over", async || oldest().await >= AWAY_MS / 2.0).await;
    worker.begin("later", 100).await;
    eventually("the backlog grows", async || depth().await == 300.0).await;
    eventually("the time is over", async || oldest().await >= AWAY_MS).await;
    assert_eq!(stage.rows("outbox").await, 300, "no row goes before the brokers have its event");
    assert_eq!(relay.metric("workflow_outbox_published_total").await, published);
    let used = relay.cpu_seconds() - cpu;
    assert!(used < CPU_SECONDS_MAX, "the relay used {used} s of a processor to wait");
    let attempts = relay.metric("workflow_outbox_errors_total").await;
    assert!((2.0..ATTEMPTS_MAX).contains(&attempts), "{attempts} attempts");
    match away {
        Away::Frozen => broker.thaw(),
        Away::Stopped => broker.resume().await,
    }
    stage.all_ended(400).await;
    stage.all_published().await;
    assert_eq!(stage.rows("dead_letters").await, 0);
    assert_eq!(worker.walked.again(), 0, "what came twice was known by its version");
    assert_eq!(worker.metric("workflow_reconciled_runs", None), 0.0, "nothing had to be sent again");
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_frozen_for_a_minute_is_waited_for() {
    an_absence_of_a_minute(Kind::MariaDb, Away::Frozen).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_stopped_for_a_minute_is_waited_for() {
    an_absence_of_a_minute(Kind::Postgres, Away::Stopped).await;
}
