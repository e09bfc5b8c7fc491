//! The servers that the tests need.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::packages::Need;

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// PostgreSQL 15 or later
    Postgres,
    /// MariaDB 10.11 or later
    Mariadb,
    /// Apache Kafka 4
    Kafka,
    /// etcd 3.4 or later
    Etcd,
}

impl Kind {
    pub(crate) const ALL: [Kind; 4] = [Kind::Postgres, Kind::Mariadb, Kind::Kafka, Kind::Etcd];

    /// The name in messages, folders and the state file.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Kind::Postgres => "postgres",
            Kind::Mariadb => "mariadb",
            Kind::Kafka => "kafka",
            Kind::Etcd => "etcd",
        }
    }

    /// The environment variable by which tests find the server.
    pub(crate) const fn variable(self) -> &'static str {
        match self {
            Kind::Postgres => "WORKFLOW_POSTGRES_URL",
            Kind::Mariadb => "WORKFLOW_MARIADB_URL",
            Kind::Kafka => "WORKFLOW_KAFKA_BROKERS",
            Kind::Etcd => "WORKFLOW_ETCD_ENDPOINTS",
        }
    }

    /// What the variable looks like.
    pub(crate) const fn example(self) -> &'static str {
        match self {
            Kind::Postgres => "postgres://user:password@host:5432/database",
            Kind::Mariadb => "mysql://user:password@host:3306/database",
            Kind::Kafka => "host:9092",
            Kind::Etcd => "http://host:2379",
        }
    }

    /// The user of the system as whom the server runs if this is root; `None` where the server does not mind root.
    pub(crate) const fn system_user(self) -> Option<&'static str> {
        match self {
            Kind::Postgres => Some("postgres"),
            Kind::Mariadb => Some("mysql"),
            Kind::Kafka | Kind::Etcd => None,
        }
    }

    /// The signal that makes the server end at once without losing anything.
    pub(crate) const fn end_signal(self) -> &'static str {
        match self {
            // The fast shutdown: clients are cut off. With TERM it would wait until the last one has left.
            Kind::Postgres => "INT",
            Kind::Mariadb | Kind::Kafka | Kind::Etcd => "TERM",
        }
    }

    /// Programs that must be there, and the Debian packages that bring them.
    pub(crate) const fn needs(self) -> &'static [Need] {
        const POSTGRES: &[Need] = &[
            Need::program("postgres", "postgresql"),
            Need::program("initdb", "postgresql"),
            Need::program("createdb", "postgresql"),
            Need::program("pg_isready", "postgresql"),
        ];
        const MARIADB: &[Need] = &[
            Need::program("mariadbd", "mariadb-server"),
            Need::program("mariadb-install-db", "mariadb-server"),
            Need::program("mariadb", "mariadb-server"),
        ];
        const KAFKA: &[Need] =
            &[Need::program("java", "default-jre-headless"), Need::program("mvn", "maven")];
        const ETCD: &[Need] = &[Need::program("etcd", "etcd-server")];
        match self {
            Kind::Postgres => POSTGRES,
            Kind::Mariadb => MARIADB,
            Kind::Kafka => KAFKA,
            Kind::Etcd => ETCD,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
