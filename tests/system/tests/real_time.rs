//! Many orders, on a file, by the clock of this host.
#![allow(missing_docs, clippy::unwrap_used)]

use std::io::Cursor;

use clap::Parser;
use order_processor::args::Args;
use order_processor::input::Input;
use order_processor::order::Order;
use order_processor::{generate, process};
use store_sql::Sqlite;
use workflow_system_tests::audit::Audit;
use workflow_system_tests::finish::finish;
use workflow_system_tests::ground::Ground;
use workflow_system_tests::raw::Raw;

fn input(orders: &[Order]) -> Input {
    let lines: Vec<String> = orders.iter().map(|order| serde_json::to_string(order).unwrap()).collect();
    Input::of(Box::new(Cursor::new(lines.join("\n"))))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_orders_come_to_an_end_and_are_not_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders.db");
    let ground = Ground::at_file(&file);
    let orders: Vec<Order> = generate::all(2000, 17).collect();
    let args = Args::parse_from(["order-processor", "--json"]);
    let report = process::run(&args, Sqlite::open(&file).await.unwrap(), input(&orders)).await.unwrap();
    assert_eq!((report.ended(), report.unfinished(), report.exit_code()), (2000, 0, 0));
    finish(&ground, &orders).await;
    Audit::new(&ground).ended(&orders, "after the first run").await;
    let mut raw = Raw::open(&file).await.unwrap();
    let stored = "select count(*) || ' ' || sum(version) || ' ' || max(updated_at) from workflow_records";
    let before = raw.texts(stored).await.unwrap();
    let again = process::run(&args, Sqlite::open(&file).await.unwrap(), input(&orders)).await.unwrap();
    assert_eq!(again.by_status, report.by_status);
    assert_eq!(raw.texts(stored).await.unwrap(), before, "finished work is not run again");
    let transitions = raw.number("select count(*) from workflow_history").await.unwrap();
    assert!(transitions > 8000, "{transitions} transitions of 2,000 orders");
}
