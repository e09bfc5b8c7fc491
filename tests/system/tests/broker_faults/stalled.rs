//! Connections that stay open and on which nothing comes any more.

use workflow_system_tests::broker::{Broker, BrokerOptions};
use workflow_system_tests::ground::Kind;

use crate::proxy::Proxy;
use crate::stage::{NEVER, Stage};

/// Again and again, all answers on all connections are swallowed: those to fetches, to sends and to commits. The clients give
/// the connections up by themselves, and every partition is read on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_fall_silent_are_given_up_and_nothing_is_lost() {
    const ROUNDS: usize = 4;
    let mut proxy = Proxy::bind().await;
    let options = BrokerOptions { advertised: Some(proxy.port()), ..BrokerOptions::default() };
    let broker = Broker::start_by(options, |address| proxy.to(address)).await;
    let stage = Stage::on(Kind::Postgres, format!("127.0.0.1:{}", proxy.port())).await;
    let _relay = stage.relay().await;
    let worker = stage.worker(NEVER).await;
    for round in 0..ROUNDS {
        worker.begin(&format!("before-{round}"), 100).await;
        stage.ended(150 * round + 20).await;
        proxy.strike_dumb();
        worker.begin(&format!("after-{round}"), 50).await;
        stage.ended(150 * (round + 1)).await;
    }
    stage.all_ended(150 * ROUNDS).await;
    stage.all_published().await;
    assert_eq!(stage.rows("dead_letters").await, 0);
    assert_eq!(worker.metric("workflow_reconciled_runs", None), 0.0, "nothing had to be sent again");
    worker.end().await;
    drop(broker);
}
