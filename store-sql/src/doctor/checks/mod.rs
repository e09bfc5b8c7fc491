//! The checks. In each file what is asked of the server stands apart from what is made of the answers, so that every
//! rule is tested by a table of cases.

pub(super) mod backlog;
pub(super) mod clock;
pub(super) mod columns;
pub(super) mod durability;
pub(super) mod indexes;
pub(super) mod keys;
pub(super) mod limits;
mod mysql_plans;
pub(super) mod plans;
mod postgres_plans;
pub(super) mod probe;
pub(super) mod schema;
pub(super) mod server;
pub(super) mod sessions;
pub(super) mod sizes;
