//! Everything that `docs/database.md` tells people to do is done here, on real servers, in the page's order.
#![allow(clippy::unwrap_used, reason = "this is test code: what cannot be had fails the test")]

mod blocks;
#[path = "../../../../store-sql/tests/servers/mod.rs"]
mod servers;
mod shell;

use std::path::Path;

use blocks::Block;
use servers::{Kind, Spec};
use shell::Shell;
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection, PgConnection};
use store_sql::config::Dsn;

/// A word of a fence that says for which database its block is, and which server that is.
const SERVERS: [(&str, Kind); 2] = [("mariadb", Kind::MariaDb), ("postgres", Kind::Postgres)];

fn page() -> Vec<Block> {
    blocks::of(include_str!("../../../../docs/database.md"))
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Nothing on the page is left out by the tests below.
#[test]
fn every_block_is_of_a_kind_that_is_run() {
    for block in page() {
        let words: Vec<&str> = block.words.iter().map(String::as_str).collect();
        let known = matches!(
            words[..],
            ["sh", "apt" | "docker"]
                | ["sh", "mariadb" | "postgres" | "sqlite"]
                | ["sql", "mariadb" | "postgres"]
                | ["sql", "mariadb" | "postgres", "admin"]
                | ["ini", "mariadb" | "postgres"]
                | ["text", "dsn"]
                | ["rust"]
                | ["toml"]
        );
        assert!(known, "line {}: a block `{}` that no test runs", block.line, words.join(" "));
    }
}

#[test]
fn connection_strings_can_be_read() {
    let mut count = 0;
    for block in page().iter().filter(|block| block.is("text", "dsn")) {
        for line in block.text.lines() {
            // The files of an example's certificates are looked at when they are used.
            let dsn = line.parse::<Dsn>();
            assert!(dsn.is_ok(), "line {}: {line}: {dsn:?}", block.line);
            count += 1;
        }
    }
    assert!(count > 8, "{count}");
}

#[test]
fn dependencies_name_features_that_exist() {
    let manifest = std::fs::read_to_string(root().join("workflow/Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    for block in page().iter().filter(|block| block.is("toml", "")) {
        let wanted: toml::Table = block.text.parse().unwrap();
        let features = wanted["dependencies"]["workflow"]["features"].as_array().unwrap();
        assert!(!features.is_empty());
        for feature in features {
            let feature = feature.as_str().unwrap();
            assert!(manifest["features"].get(feature).is_some(), "line {}: {feature}", block.line);
        }
    }
}

/// The programs themselves run in the blocks that call them.
#[test]
fn the_program_is_the_example_of_that_name() {
    let program = std::fs::read_to_string(root().join("examples/task-processor/src/main.rs")).unwrap();
    for block in page().iter().filter(|block| block.is("rust", "")) {
        assert!(program.contains(&block.text), "line {}: it is not in the example", block.line);
    }
}

/// There is no Docker here; what the container is made of must fit the connection strings beside it.
#[test]
fn containers_fit_the_connection_strings() {
    let text = include_str!("../../../../docs/database.md");
    let shell = Shell::new();
    for block in page().iter().filter(|block| block.is("sh", "docker")) {
        shell.must(block, "");
        let words = shell.called("docker");
        assert_eq!(words[..2], ["run", "-d"], "line {}", block.line);
        let after = |flag: &str| {
            let pairs = words.windows(2).filter(|pair| pair[0] == flag);
            pairs.map(|pair| pair[1].clone()).collect::<Vec<_>>()
        };
        let variable = |name: &str| {
            let suffix = format!("_{name}");
            let value = |pair: &String| {
                let (name, value) = pair.split_once('=')?;
                (name.ends_with(&suffix) && !name.contains("ROOT")).then(|| value.to_owned())
            };
            after("-e").iter().find_map(value)
        };
        let port = after("-p")[0].rsplit(':').next().unwrap().to_owned();
        let scheme = if words.last().unwrap().starts_with("postgres:") { "postgres" } else { "mysql" };
        let database = variable("DATABASE").or_else(|| variable("DB")).unwrap();
        let (user, password) = (variable("USER").unwrap(), variable("PASSWORD").unwrap());
        let url = format!("{scheme}://{user}:{password}@localhost:{port}/{database}");
        assert!(text.contains(&url), "line {}: {url} is nowhere on the page", block.line);
    }
}

/// The packages are those that the tests' own servers come from.
#[test]
fn packages_are_those_that_the_tests_install() {
    let installed = std::fs::read_to_string(root().join("xtask/src/services/kind.rs")).unwrap();
    let shell = Shell::new();
    for block in page().iter().filter(|block| block.is("sh", "apt")) {
        shell.must(block, "");
        let words = shell.called("apt-get");
        assert_eq!(words[..2], ["install", "-y"], "line {}", block.line);
        for package in &words[2..] {
            assert!(installed.contains(&format!("\"{package}\"")), "line {}: {package}", block.line);
        }
    }
}

#[test]
fn the_sqlite_section_works() {
    let shell = Shell::new();
    let database = format!("sqlite:{}", shell.folder().join("orders.db").display());
    for block in page().iter().filter(|block| block.is("sh", "sqlite")) {
        let said = shell.must(block, &database);
        assert!(said.contains("completed: Process Invoice"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mariadb_section_works() {
    section("mariadb").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_postgres_section_works() {
    section("postgres").await;
}

/// A server with the page's settings; on it the page's user and database; in it the page's statements and commands.
async fn section(name: &str) {
    let kind = SERVERS.iter().find(|(each, _)| *each == name).unwrap().1;
    let blocks: Vec<Block> = page().into_iter().filter(|block| block.is(&block.words[0], name)).collect();
    let server = Spec::new(kind).with(&settings(&blocks, kind)).start();
    for block in blocks.iter().filter(|block| block.is("sql", "admin")) {
        statements(block, kind, &server.url()).await;
    }
    let (scheme, user) = match kind {
        Kind::MariaDb => ("mysql", "workflow_user:workflow_pass"),
        Kind::Postgres => ("postgres", "workflow_user:workflow_password"),
    };
    let database = format!("{scheme}://{user}@127.0.0.1:{}/workflow_db", server.port());
    let shell = Shell::new();
    let mut said = String::new();
    for block in &blocks {
        if block.is("sql", "") && !block.is("sql", "admin") {
            statements(block, kind, &database).await;
        } else if block.is("sh", "") {
            let shell = &shell;
            said += &tokio::task::block_in_place(|| shell.must(block, &database));
        }
    }
    assert!(said.contains("completed: Process Invoice"), "{said}");
    assert!(
        said.contains("healthy") || said.contains("\"ok\": true") || said.contains("\"ok\":true"),
        "{said}"
    );
}

/// The settings of the blocks of a configuration file, as arguments of the server.
fn settings(blocks: &[Block], kind: Kind) -> Vec<&str> {
    let mut arguments = Vec::new();
    let lines = blocks.iter().filter(|block| block.is("ini", "")).flat_map(|block| block.text.lines());
    for line in lines.map(|line| line.split('#').next().unwrap_or("").trim()) {
        if line.is_empty() || line.starts_with('[') {
            continue;
        }
        let (name, value) = line.split_once('=').unwrap();
        let setting: &'static str = match kind {
            Kind::MariaDb => format!("--{}={}", name.trim(), value.trim()).leak(),
            Kind::Postgres => {
                arguments.push("-c");
                format!("{}={}", name.trim(), value.trim()).leak()
            }
        };
        arguments.push(setting);
    }
    assert!(arguments.len() > 4, "{arguments:?}");
    arguments
}

/// Each by itself: some may not be in a transaction.
async fn statements(block: &Block, kind: Kind, database: &str) {
    match kind {
        Kind::MariaDb => each(block, MySqlConnection::connect(database).await.unwrap()).await,
        Kind::Postgres => each(block, PgConnection::connect(database).await.unwrap()).await,
    }
}

async fn each<C>(block: &Block, mut connection: C)
where
    C: Connection,
    for<'c> &'c mut C: sqlx::Executor<'c, Database = C::Database>,
{
    for statement in block.text.split(";\n").map(str::trim).filter(|statement| !statement.is_empty()) {
        let done = connection.execute(sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))).await;
        assert!(done.is_ok(), "line {}: {statement}: {:?}", block.line, done.err());
    }
    connection.close().await.unwrap();
}
