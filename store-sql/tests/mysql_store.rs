//! The store over a MariaDB database passes the suite of stores, however its tables came about.
#![cfg(feature = "mysql")]
#![allow(missing_docs, clippy::unwrap_used)]

mod mysql_support;

use mysql_support::Database;
use mysql_support::fixture::{OnServer, Origin};
use store_sql::TableNames;
use workflow_conformance::samples::start;

/// Tables that the store makes, with the default names.
struct Made;

impl Origin for Made {}

/// The same with the guard.
struct Guarded;

impl Origin for Guarded {
    const GUARDED: bool = true;
}

/// Tables with other names, beside those of another store that is used.
struct Renamed;

impl Origin for Renamed {
    fn names() -> TableNames {
        TableNames::new("runs", "events").unwrap().with_prefix("shop_").unwrap()
    }

    async fn prepare(database: &Database) {
        let other = database.open().await;
        start(other.store(), "order-1").await;
        start(other.store(), "order-2").await;
    }
}

/// Tables that were made by hand from the Go library's guide, and taken over.
struct Adopted;

impl Origin for Adopted {
    async fn prepare(database: &Database) {
        database.run(include_str!("guide/mariadb.sql")).await;
    }
}

mod made {
    use super::*;
    workflow_conformance::store_suite!(OnServer<Made>);
    workflow_conformance::relay_suite!(OnServer<Made>);
}

mod guarded {
    use super::*;
    workflow_conformance::store_suite!(OnServer<Guarded>);
    workflow_conformance::relay_suite!(OnServer<Guarded>);
}

mod renamed {
    use super::*;
    workflow_conformance::store_suite!(OnServer<Renamed>);
    workflow_conformance::relay_suite!(OnServer<Renamed>);
}

mod adopted {
    use super::*;
    workflow_conformance::store_suite!(OnServer<Adopted>);
    workflow_conformance::relay_suite!(OnServer<Adopted>);
}
