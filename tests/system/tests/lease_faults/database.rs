//! A database that crashes and comes back, or ends connections, under workers, relays and a shop that are at work.

use store_sql::DatabaseOptions;
use tokio::task::block_in_place;
use workflow_system_tests::ground::Session;
use workflow_system_tests::patience::until;

use crate::databases::{End, Kind, Server, Spec};
use crate::stack::{ROLES, Stack, server, terminate};

const ORDERS: u64 = 300;

/// Ends all connections but that of the test.
const END_IN_POSTGRES: &str = "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'";

/// The same: a connection that ends by itself meanwhile is nothing.
const END_IN_MARIADB: &str = "begin not atomic
    declare continue handler for 1094 begin end;
    for row in (select id from information_schema.processlist where user = 'workflow' and id <> connection_id()) do
        kill connection row.id;
    end for;
end";

async fn session(server: &Server) -> Session {
    Session::connect(&server.url().parse().unwrap()).await.unwrap()
}

/// How many orders have come to an end.
async fn ended(session: &mut Session) -> i64 {
    session.number("select count(*) from workflow_records where status >= 6").await.unwrap()
}

/// What happens to a database in the middle.
#[derive(Clone, Copy)]
enum Fault {
    Crash,
    ConnectionsEnd,
}

async fn happens_in_the_middle(kind: Kind, fault: Fault) {
    let mut database = block_in_place(|| Spec::new(kind).start());
    // It makes the tables.
    DatabaseOptions::new().connect(&database.url()).await.unwrap();
    let stack = Stack::on(database.url(), server("WORKFLOW_ETCD_ENDPOINTS"));
    let workers = [stack.worker("first"), stack.worker("second")];
    let relays = [stack.relay(), stack.relay()];
    until("all roles are owned", async || stack.roles().await.len() == ROLES).await;
    for seed in 1..=2 {
        let mut looking = session(&database).await;
        let before = ended(&mut looking).await;
        let shop = stack.shop(ORDERS, seed);
        until("some orders end", async || ended(&mut looking).await >= before + 20).await;
        match fault {
            Fault::Crash => block_in_place(|| {
                database.end(End::Crash);
                database.start();
            }),
            Fault::ConnectionsEnd => {
                let end = if kind == Kind::Postgres { END_IN_POSTGRES } else { END_IN_MARIADB };
                looking.run(end).await.unwrap();
            }
        }
        shop.all_ended_once().await;
    }
    let mut looking = session(&database).await;
    let left = "select count(*) from workflow_outbox";
    until("everything is published", async || looking.number(left).await.unwrap() == 0).await;
    for process in workers.map(|worker| worker.child).into_iter().chain(relays) {
        terminate(process).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_end_once_while_postgres_crashes() {
    happens_in_the_middle(Kind::Postgres, Fault::Crash).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_end_once_while_mariadb_crashes() {
    happens_in_the_middle(Kind::MariaDb, Fault::Crash).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_end_once_while_connections_to_postgres_end() {
    happens_in_the_middle(Kind::Postgres, Fault::ConnectionsEnd).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_end_once_while_connections_to_mariadb_end() {
    happens_in_the_middle(Kind::MariaDb, Fault::ConnectionsEnd).await;
}
