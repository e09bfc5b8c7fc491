//! The store over a PostgreSQL database passes the suite of stores, however its tables came about.
#![allow(missing_docs, clippy::unwrap_used)]

mod schemas;

use schemas::Schema;
use schemas::fixture::{Origin, Tables};
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

    async fn prepare(schema: &Schema) {
        let store = schema.store().await;
        start(&*store, "order-1").await;
        start(&*store, "order-2").await;
    }
}

/// Tables that were made by hand from the Go library's guide, and taken over.
struct Adopted;

impl Origin for Adopted {
    async fn prepare(schema: &Schema) {
        schema.run(include_str!("guide/postgres.sql")).await;
    }
}

mod made {
    use super::*;
    workflow_conformance::store_suite!(Tables<Made>);
    workflow_conformance::relay_suite!(Tables<Made>);
}

mod guarded {
    use super::*;
    workflow_conformance::store_suite!(Tables<Guarded>);
    workflow_conformance::relay_suite!(Tables<Guarded>);
}

mod renamed {
    use super::*;
    workflow_conformance::store_suite!(Tables<Renamed>);
    workflow_conformance::relay_suite!(Tables<Renamed>);
}

mod adopted {
    use super::*;
    workflow_conformance::store_suite!(Tables<Adopted>);
    workflow_conformance::relay_suite!(Tables<Adopted>);
}
