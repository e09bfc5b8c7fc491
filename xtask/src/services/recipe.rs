//! What differs from one kind of server to the next.

use std::process::Command;

use super::kind::Kind;
use super::launch::Plan;
use super::{etcd, kafka, mariadb, postgres};

/// How servers of one kind are made ready, run and asked.
pub(crate) trait Recipe: Sync {
    /// Fills the server's folder, which is there and empty.
    fn prepare(&self, plan: &Plan) -> anyhow::Result<()>;

    /// The command that is the server. Its arguments name the server's folder: that tells it from other processes.
    fn server(&self, plan: &Plan) -> anyhow::Result<Command>;

    /// Whether the server serves clients.
    fn answers(&self, plan: &Plan) -> anyhow::Result<bool>;

    /// What is left to do once the server answers.
    fn finish(&self, _plan: &Plan) -> anyhow::Result<()> {
        Ok(())
    }

    /// The address by which clients find the server, in the form of the kind's variable.
    fn address(&self, plan: &Plan) -> String;
}

/// The recipe of a kind.
pub(crate) fn of(kind: Kind) -> &'static dyn Recipe {
    match kind {
        Kind::Postgres => &postgres::Postgres,
        Kind::Mariadb => &mariadb::Mariadb,
        Kind::Kafka => &kafka::Kafka,
        Kind::Etcd => &etcd::Etcd,
    }
}
