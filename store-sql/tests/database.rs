//! One handle over whichever database a connection string names.
#![allow(missing_docs, clippy::unwrap_used)]

mod mysql_support;
mod schemas;

use std::time::Duration;

use store_sql::config::{Dsn, PoolOptions, Secret};
use store_sql::{Database, SchemaVersion, TableNames};
use workflow_conformance::samples::{creation, new_run};
use workflow_core::adapter::{Backend, ErrorKind, ListQuery, Outcome};

/// A run that is stored through the handle is there for the next one that opens the same place.
async fn keeps_a_run(url: &str) {
    let pool = PoolOptions::new().max_open(4).min_idle(0);
    let options = Database::options().pool(pool).poll_every(Duration::from_millis(50));
    let first: Backend = options.connect(url).await.unwrap().into();
    let run = new_run("order-17");
    let outcomes = first.store().commit(vec![creation(&run)], Vec::new()).await.unwrap();
    assert!(matches!(outcomes[..], [Outcome::Stored(_)]), "{outcomes:?}");
    let second = Backend::from(&Database::connect(url).await.unwrap());
    let page = second.store().list(&ListQuery::default()).await.unwrap();
    assert_eq!(page.records.iter().map(|record| record.run_id).collect::<Vec<_>>(), [run.run_id]);
}

#[tokio::test]
async fn a_file_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders.db");
    keeps_a_run(&format!("sqlite:{}", file.display())).await;
    let missing = format!("sqlite:{}?mode=rw", folder.path().join("none.db").display());
    let error = Database::connect(&missing).await.unwrap_err();
    assert!(error.to_string().contains("none.db"), "{error}");
    assert!(!folder.path().join("none.db").exists());
}

#[tokio::test]
async fn a_mariadb_is_taken() {
    let database = mysql_support::Database::fresh().await;
    keeps_a_run(&database.url()).await;
}

#[tokio::test]
async fn a_postgresql_is_taken() {
    let schema = schemas::Schema::fresh().await;
    keeps_a_run(&schema.url()).await;
}

#[tokio::test]
async fn the_place_is_told_without_the_password() {
    let database = mysql_support::Database::fresh().await;
    let schema = schemas::Schema::fresh().await;
    for url in [database.url(), schema.url()] {
        let password = url.split('@').next().unwrap().rsplit(':').next().unwrap().to_owned();
        let connected = Database::connect(&url).await.unwrap();
        let told = format!("{} {connected:?}", connected.place());
        assert!(!told.contains(&password), "{}", told.replace(&password, "the password"));
    }
}

#[tokio::test]
async fn a_password_can_be_put_into_a_string_that_was_read() {
    let database = mysql_support::Database::fresh().await;
    let mut dsn: Dsn = database.url().parse().unwrap();
    let Dsn::MySql(mysql) = &mut dsn else { panic!("{dsn} is no MariaDB") };
    let password = mysql.password.replace(Secret::new("not the password"));
    let refused = Database::options().connect_to(&dsn).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Permanent);
    let Dsn::MySql(mysql) = &mut dsn else { panic!("{dsn} is no MariaDB") };
    mysql.password = password;
    assert!(Database::options().connect_to(&dsn).await.is_ok());
}

#[tokio::test]
async fn what_is_no_connection_string_is_refused_with_the_forms() {
    let error = Database::connect("orders.db").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permanent);
    assert!(error.to_string().contains("sqlite:file"), "{error}");
    let pool = PoolOptions::new().max_open(0);
    let error = Database::options().pool(pool).connect("postgres://me@127.0.0.1/none").await.unwrap_err();
    assert!(error.to_string().contains("max_open"), "{error}");
}

#[tokio::test]
async fn a_database_without_tables_can_be_refused_instead_of_filled() {
    let (database, schema) = (mysql_support::Database::fresh().await, schemas::Schema::fresh().await);
    let folder = tempfile::tempdir().unwrap();
    let file = format!("sqlite:{}", folder.path().join("orders.db").display());
    for url in [database.url(), schema.url(), file.clone()] {
        let dsn: Dsn = url.parse().unwrap();
        assert_eq!(SchemaVersion::of(&dsn, &TableNames::default()).await.unwrap(), None);
        let refused = Database::options().without_migrating().connect_to(&dsn).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Permanent, "{refused}");
        assert_eq!(SchemaVersion::of(&dsn, &TableNames::default()).await.unwrap(), None, "nothing was made");
        Database::connect(&url).await.unwrap();
        let made = SchemaVersion::of(&dsn, &TableNames::default()).await.unwrap().unwrap();
        assert_eq!(made.version, SchemaVersion::made_by_this_program());
        assert!(Database::options().without_migrating().connect_to(&dsn).await.is_ok());
    }
}

/// However many ask at once, the tables have one id, which stays.
async fn has_an_id(url: &str) {
    let database = Database::connect(url).await.unwrap();
    let asked = (0..8).map(|_| {
        let database = database.clone();
        tokio::spawn(async move { database.id().await.unwrap() })
    });
    let mut ids = Vec::new();
    for id in asked.collect::<Vec<_>>() {
        ids.push(id.await.unwrap());
    }
    let again = Database::connect(url).await.unwrap();
    ids.push(again.id().await.unwrap());
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let others = TableNames::prefixed("other_").unwrap();
    let others = Database::options().tables(others).connect(url).await.unwrap();
    assert_ne!(others.id().await.unwrap(), ids[0], "other tables are another database");
    let roles = store_sql::maintenance::Maintenance::of(&again).role_epochs().await.unwrap();
    assert!(roles.is_empty(), "it is no role: {roles:?}");
}

#[tokio::test]
async fn a_file_has_an_id() {
    let folder = tempfile::tempdir().unwrap();
    has_an_id(&format!("sqlite:{}", folder.path().join("orders.db").display())).await;
}

#[tokio::test]
async fn a_mariadb_has_an_id() {
    let database = mysql_support::Database::fresh().await;
    has_an_id(&database.url()).await;
    database.run("update workflow_roles set doorbell = 'me' where role = 'database-id'").await;
    let broken = Database::connect(&database.url()).await.unwrap().id().await.unwrap_err();
    assert!(broken.to_string().contains("\"database-id\""), "{broken}");
}

#[tokio::test]
async fn a_postgresql_has_an_id() {
    let schema = schemas::Schema::fresh().await;
    has_an_id(&schema.url()).await;
    schema.run("update workflow_roles set doorbell = null where role = 'database-id'").await;
    let broken = Database::connect(&schema.url()).await.unwrap().id().await.unwrap_err();
    assert_eq!(broken.kind(), ErrorKind::Corrupt, "{broken}");
}
