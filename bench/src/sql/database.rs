//! A database for each measurement, on the server that the environment names.

use anyhow::Context;
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection};

/// The servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    MariaDb,
    Postgres,
}

impl Kind {
    pub(crate) const ALL: [Kind; 2] = [Kind::MariaDb, Kind::Postgres];

    /// Its name in results.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Kind::MariaDb => "mariadb",
            Kind::Postgres => "postgres",
        }
    }

    /// The environment variable that names the server.
    const fn variable(self) -> &'static str {
        match self {
            Kind::MariaDb => "WORKFLOW_MARIADB_URL",
            Kind::Postgres => "WORKFLOW_POSTGRES_URL",
        }
    }

    /// A database that every server has.
    const fn common_database(self) -> &'static str {
        match self {
            Kind::MariaDb => "information_schema",
            Kind::Postgres => "postgres",
        }
    }
}

/// A database that is there as long as this is.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) kind: Kind,
    server: String,
    name: String,
}

impl Database {
    /// Makes an empty one.
    pub(crate) async fn fresh(kind: Kind) -> anyhow::Result<Self> {
        let server = std::env::var(kind.variable()).ok().filter(|url| !url.is_empty());
        let server = server.with_context(|| {
            format!("no server: `cargo xtask bench sql` starts one, or set {}=URL", kind.variable())
        })?;
        let database =
            Self { kind, server, name: format!("workflow_bench_{}", uuid::Uuid::new_v4().simple()) };
        database.on_server(&format!("create database {}", database.name)).await?;
        Ok(database)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn url(&self) -> anyhow::Result<String> {
        url_of(&self.server, &self.name)
    }

    /// The URL of a database that is not this one.
    pub(super) fn common_url(&self) -> anyhow::Result<String> {
        url_of(&self.server, self.kind.common_database())
    }

    /// Runs statements in it.
    pub(crate) async fn run(&self, statements: &str) -> anyhow::Result<()> {
        run(self.kind, &self.url()?, statements).await
    }

    async fn on_server(&self, statements: &str) -> anyhow::Result<()> {
        run(self.kind, &self.common_url()?, statements).await
    }
}

async fn run(kind: Kind, url: &str, statements: &str) -> anyhow::Result<()> {
    let text = AssertSqlSafe(statements.to_owned());
    match kind {
        Kind::MariaDb => {
            let mut connection = MySqlConnection::connect(url).await?;
            sqlx::raw_sql(text).execute(&mut connection).await?;
            connection.close().await?;
        }
        Kind::Postgres => {
            let mut connection = PgConnection::connect(url).await?;
            sqlx::raw_sql(text).execute(&mut connection).await?;
            connection.close().await?;
        }
    }
    Ok(())
}

/// The URL of a database, whatever database the server's URL names.
fn url_of(server: &str, database: &str) -> anyhow::Result<String> {
    let (address, query) =
        server.split_once('?').map_or((server, String::new()), |(url, query)| (url, format!("?{query}")));
    let (scheme, rest) =
        address.split_once("://").context("the server's address is not of the form KIND://..")?;
    let host = rest.split('/').next().unwrap_or(rest);
    Ok(format!("{scheme}://{host}/{database}{query}"))
}

impl Drop for Database {
    fn drop(&mut self) {
        let force = if self.kind == Kind::Postgres { " with (force)" } else { "" };
        let drop = format!("drop database if exists {}{force}", self.name);
        // The measurement's own runtime may be ending.
        let dropped = std::thread::scope(|scope| {
            let dropping = || -> anyhow::Result<()> {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(self.on_server(&drop))
            };
            scope.spawn(dropping).join()
        });
        if !matches!(dropped, Ok(Ok(()))) {
            eprintln!("  the database {} was not dropped: {dropped:?}", self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_of_an_address_is_replaced() {
        let url = |server| url_of(server, "mine").ok();
        assert_eq!(url("postgres://me:x@h:1/old").as_deref(), Some("postgres://me:x@h:1/mine"));
        assert_eq!(
            url("mysql://me@h?ssl-mode=disabled").as_deref(),
            Some("mysql://me@h/mine?ssl-mode=disabled")
        );
        assert_eq!(url("h:1/old"), None);
    }
}
