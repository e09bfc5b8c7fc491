//! The database servers that the tests need.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A kind of database server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// PostgreSQL 15 or later
    Postgres,
    /// MariaDB 10.11 or later
    Mariadb,
}

impl Kind {
    pub(crate) const ALL: [Kind; 2] = [Kind::Postgres, Kind::Mariadb];

    /// The name in messages, folders and the state file.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Kind::Postgres => "postgres",
            Kind::Mariadb => "mariadb",
        }
    }

    /// The environment variable by which tests find the server.
    pub(crate) const fn variable(self) -> &'static str {
        match self {
            Kind::Postgres => "WORKFLOW_POSTGRES_URL",
            Kind::Mariadb => "WORKFLOW_MARIADB_URL",
        }
    }

    /// The Debian package of the server.
    pub(crate) const fn package(self) -> &'static str {
        match self {
            Kind::Postgres => "postgresql",
            Kind::Mariadb => "mariadb-server",
        }
    }

    /// The user of the system that the package makes; neither server runs as root.
    pub(crate) const fn system_user(self) -> &'static str {
        match self {
            Kind::Postgres => "postgres",
            Kind::Mariadb => "mysql",
        }
    }

    /// The signal that makes the server end at once without losing anything.
    pub(crate) const fn end_signal(self) -> &'static str {
        match self {
            // The fast shutdown: clients are cut off. With TERM it would wait until the last one has left.
            Kind::Postgres => "INT",
            Kind::Mariadb => "TERM",
        }
    }

    /// Programs that must be there.
    pub(crate) const fn programs(self) -> &'static [&'static str] {
        match self {
            Kind::Postgres => &["postgres", "initdb", "createdb", "pg_isready"],
            Kind::Mariadb => &["mariadbd", "mariadb-install-db", "mariadb"],
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
