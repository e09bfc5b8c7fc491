//! Rows that other programs wrote: one that nobody can read, and those of the Go library.

use std::collections::BTreeMap;

use serde::Deserialize;
use workflow_system_tests::ground::{Kind, Session};
use workflow_system_tests::patience::until;

use crate::relays::{Relays, ended, signal};
use crate::topic::{Wire, messages};

/// Their ids are those of an outbox; the first row of the table, and the last.
const POISON: [&str; 2] =
    ["outbox-id-00000000-0000-4000-8000-000000000000", "outbox-id-ffffffff-ffff-4fff-bfff-ffffffffffff"];

/// What the Go library wrote into its outbox in fact, and what its own relay published of it.
#[derive(Deserialize)]
struct Golden {
    outbox: Vec<Row>,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    data_hex: String,
}

#[derive(Deserialize)]
struct Message {
    topic: String,
    key: String,
    value: String,
    headers: BTreeMap<String, String>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../../workflow-core/tests/golden/go_library.json")).unwrap()
}

/// A row by the statement of the Go library, which names four columns.
async fn put(session: &mut Session, id: &str, workflow: &str, data_hex: &str) {
    let data = match session.kind() {
        Kind::Postgres => format!("decode('{data_hex}', 'hex')"),
        _ => format!("x'{data_hex}'"),
    };
    let insert = "insert into workflow_outbox (id, workflow_name, data, created_at)";
    session.run(&format!("{insert} values ('{id}', '{workflow}', {data}, now())")).await.unwrap();
}

async fn go_through_the_program(kind: Kind) {
    let relays = Relays::fresh(kind).await;
    let mut session = relays.ground.session().await;
    let golden = golden();
    // Field 2 is a number: here it is a text that ends before it has begun.
    put(&mut session, POISON[0], "wit1", "12ff").await;
    for row in &golden.outbox {
        put(&mut session, &row.id, "wit1", &row.data_hex).await;
    }
    put(&mut session, POISON[1], "wit1", "").await;
    let relay = relays.sharing(&[]);
    relays.all_gone().await;
    let published = messages(relays.topic("wit1")).await;
    assert_eq!(published.len(), golden.outbox.len());
    for message in published {
        let of_it = |there: &&Message| there.topic == "wit1-1" && there.key == message.key;
        let theirs = golden.messages.iter().find(of_it).expect("the Go library published it too");
        let mut theirs =
            Wire { key: theirs.key.clone(), value: theirs.value.clone(), headers: theirs.headers.clone() };
        // It knows no namespaces, by which tests share a broker.
        theirs.headers.insert("topic".to_owned(), relays.topic("wit1"));
        assert_eq!(message, theirs, "byte for byte");
    }
    let letters = "select concat(process, ': ', reason) from workflow_dead_letters order by id";
    let mut told = Vec::new();
    until("both are dead letters", async || {
        told = session.texts(letters).await.unwrap();
        told.len() == 2
    })
    .await;
    assert!(told[0].contains("not an outbox record"), "{told:?}");
    assert!(told[1].contains("run_id is missing"), "{told:?}");
    let kept = match kind {
        Kind::Postgres => "select encode(data, 'hex') from workflow_dead_letters order by id",
        _ => "select lower(hex(data)) from workflow_dead_letters order by id",
    };
    assert_eq!(session.texts(kept).await.unwrap(), ["12ff", ""], "nothing of them is lost");
    signal(&relay, "-TERM");
    assert_eq!(ended(relay).await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_nobody_can_read_is_set_aside_and_those_of_the_go_library_are_published_on_postgres() {
    go_through_the_program(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_nobody_can_read_is_set_aside_and_those_of_the_go_library_are_published_on_mariadb() {
    go_through_the_program(Kind::MariaDb).await;
}
