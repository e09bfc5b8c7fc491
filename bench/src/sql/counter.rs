//! How many queries a database has had, by the server's own count.

use sqlx::{Connection, MySqlConnection, PgConnection};

use super::database::{Database, Kind};

/// Asks for the count.
pub(crate) enum Counter {
    /// The server counts for all databases together, and each question with them.
    MariaDb { connection: MySqlConnection, asked: i64 },
    /// What is asked from another database is not counted; queries of an engine at rest are a transaction each.
    Postgres { connection: PgConnection, name: String },
}

impl Counter {
    pub(crate) async fn new(database: &Database) -> anyhow::Result<Self> {
        let url = database.common_url()?;
        Ok(match database.kind {
            Kind::MariaDb => Counter::MariaDb { connection: MySqlConnection::connect(&url).await?, asked: 0 },
            Kind::Postgres => Counter::Postgres {
                connection: PgConnection::connect(&url).await?,
                name: database.name().to_owned(),
            },
        })
    }

    /// Queries so far, without those of this counter.
    pub(crate) async fn queries(&mut self) -> anyhow::Result<i64> {
        match self {
            Counter::MariaDb { connection, asked } => {
                *asked += 1;
                let text = "select cast(variable_value as signed) from information_schema.global_status where \
                            variable_name = 'questions'";
                Ok(sqlx::query_scalar::<_, i64>(text).fetch_one(connection).await? - *asked)
            }
            Counter::Postgres { connection, name } => {
                let text = "select xact_commit + xact_rollback from pg_stat_database where datname = $1";
                Ok(sqlx::query_scalar(text).bind(&*name).fetch_one(connection).await?)
            }
        }
    }
}
