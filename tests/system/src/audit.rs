//! What must hold in a database of orders, read from all its tables.

use std::collections::HashMap;

use order_processor::order::{Courier, Order, OrderStatus, Payment};
use workflow::Status;

use crate::ground::{Ground, Kind, Session};

/// Queries that find what must not be, whatever the runs are doing. Each gives a text a row, on every kind of database.
const ALWAYS: [(&str, &str); 5] = [
    (
        "versions of a history are 1..n",
        "select run_id from workflow_history group by run_id having min(version) <> 1 or max(version) <> count(*)",
    ),
    (
        "each transition begins where the one before it ended",
        "select concat(run_id, ' ', version) from (select run_id, version, from_status, lag(to_status) over (partition by \
         run_id order by version) as was from workflow_history) moves where coalesce(from_status, 0) <> coalesce(was, 0)",
    ),
    (
        "a record is what its history says last",
        "select r.run_id from workflow_records r left join workflow_history h on h.run_id = r.run_id and h.version = \
         r.version where h.run_id is null or h.to_status <> r.status or h.run_state <> r.run_state",
    ),
    (
        "a history has no version that its record does not",
        "select h.run_id from workflow_history h left join workflow_records r on r.run_id = h.run_id where r.run_id is \
         null or h.version > r.version",
    ),
    (
        "a foreign id has one run",
        "select foreign_id from workflow_records group by workflow_name, foreign_id having count(*) > 1",
    ),
];

/// What is asked in another way on each kind of database.
fn always_of(kind: Kind) -> &'static [(&'static str, &'static str)] {
    const VERSION: &str = "the version in meta is the record's";
    match kind {
        Kind::Sqlite => &[
            (VERSION, "select run_id from workflow_records where json_extract(meta, '$.Version') <> version"),
            ("the file is whole", "select * from pragma_integrity_check where integrity_check <> 'ok'"),
        ],
        Kind::MariaDb => &[(
            VERSION,
            "select run_id from workflow_records where json_value(convert(meta using utf8mb4), '$.Version') <> version",
        )],
        Kind::Postgres => &[(
            VERSION,
            "select run_id from workflow_records where (convert_from(meta, 'UTF8')::json->>'Version')::bigint <> version",
        )],
    }
}

/// Queries that find what must not be left when everything has come to an end.
const ENDED: [(&str, &str); 6] = [
    ("no run is live", "select foreign_id from workflow_records where run_state not in (4, 5)"),
    ("the outbox is empty", "select id from workflow_outbox"),
    ("no retry is left", "select run_id from workflow_retries"),
    ("no timer is open", "select run_id from workflow_timeouts where state in (0, 1)"),
    ("no callback waits", "select run_id from workflow_inbox where applied = 0"),
    ("nothing was set aside", "select reason from workflow_dead_letters"),
];

/// A database of orders.
pub struct Audit<'a> {
    ground: &'a Ground,
    found: Vec<String>,
}

impl<'a> Audit<'a> {
    /// Of this database.
    pub fn new(ground: &'a Ground) -> Self {
        Self { ground, found: Vec::new() }
    }

    /// What must hold at any moment.
    ///
    /// # Panics
    /// If it does not.
    pub async fn always(mut self, context: &str) {
        let mut session = self.ground.session().await;
        self.rules(&mut session).await;
        self.report(context);
    }

    /// What must hold when all of these orders have come to an end.
    ///
    /// # Panics
    /// If it does not.
    pub async fn ended(mut self, orders: &[Order], context: &str) {
        let mut session = self.ground.session().await;
        self.rules(&mut session).await;
        self.none(&mut session, &ENDED).await;
        self.outcomes(&mut session, orders).await;
        self.ways(&mut session).await;
        self.report(context);
    }

    async fn rules(&mut self, session: &mut Session) {
        self.none(session, &ALWAYS).await;
        self.none(session, always_of(session.kind())).await;
    }

    async fn none(&mut self, session: &mut Session, rules: &[(&str, &str)]) {
        for (rule, query) in rules {
            let found = session.texts(query).await.unwrap_or_else(|error| panic!("{rule}: {error}"));
            self.found.extend(found.iter().map(|what| format!("{rule}: {what}")));
        }
    }

    /// Every order has one run, which ended as this order must end.
    async fn outcomes(&mut self, session: &mut Session, orders: &[Order]) {
        let rows = session.runs().await.expect("the records can be read");
        if rows.len() != orders.len() {
            self.found.push(format!("{} runs of {} orders", rows.len(), orders.len()));
        }
        let row = |(id, state, status, object)| (id, (state, status, object));
        let runs: HashMap<String, (i32, i32, Vec<u8>)> = rows.into_iter().map(row).collect();
        for order in orders {
            match runs.get(&order.id) {
                None => self.found.push(format!("order {} has no run", order.id)),
                Some((state, status, object)) => self.outcome(order, *state, *status, object),
            }
        }
    }

    fn outcome(&mut self, order: &Order, state: i32, status: i32, object: &[u8]) {
        let end = end_of(order);
        if (state, status) != end {
            self.found.push(format!("order {} is in {state}/{status}, not {end:?}", order.id));
        }
        let stored: Order = serde_json::from_slice(object).expect("a stored order is JSON");
        let mut told = stored.log.iter().filter(|line| line.starts_with("paid")).count();
        told += stored.log.iter().filter(|line| line.starts_with("packed")).count();
        let paid = matches!(status, 4 | 5 | 6 | 9 | 10);
        let packed = matches!(status, 4 | 5 | 6 | 10);
        if told != usize::from(paid) + usize::from(packed) || stored.items != order.items {
            self.found.push(format!("order {} has the log {:?} in status {status}", order.id, stored.log));
        }
    }

    /// Every way is one that the workflow has.
    async fn ways(&mut self, session: &mut Session) {
        let query = "select distinct concat(coalesce(from_status, 0), ' ', to_status, ' ', run_state) from workflow_history";
        for way in session.texts(query).await.expect("the history can be read") {
            if !WAYS.contains(&&*way) {
                self.found.push(format!("there is no way {way} (from, to, run state)"));
            }
        }
    }

    fn report(&self, context: &str) {
        let few: Vec<&String> = self.found.iter().take(10).collect();
        assert!(self.found.is_empty(), "{context}: {} findings, such as {few:#?}", self.found.len());
    }
}

/// The ways of an order: from a status, to a status, in a run state.
const WAYS: [&str; 11] =
    ["0 1 1", "1 2 2", "1 7 5", "2 2 4", "2 3 2", "2 8 5", "3 4 2", "3 9 5", "4 5 2", "4 10 5", "5 6 5"];

/// How an order must end: run state and status.
fn end_of(order: &Order) -> (i32, i32) {
    let completed = |status: OrderStatus| (5, status.code().get());
    let total = match (order.fault(), order.sum_cents()) {
        (None, Some(total)) => total,
        _ => return completed(OrderStatus::Rejected),
    };
    match &order.payment {
        Payment::Card { last_four } if last_four.ends_with('0') => return completed(OrderStatus::Declined),
        Payment::Invoice if total > 50_000 => return completed(OrderStatus::Declined),
        Payment::Voucher { code } if code.starts_with("OOPS") => {
            return (4, OrderStatus::Validated.code().get());
        }
        Payment::Card { .. } | Payment::Invoice | Payment::Voucher { .. } => {}
    }
    if order.items.iter().any(|item| item.sku.starts_with("RARE")) {
        return completed(OrderStatus::OutOfStock);
    }
    match order.courier {
        Courier::Prompt => completed(OrderStatus::Fulfilled),
        Courier::Lost => completed(OrderStatus::Undelivered),
    }
}
