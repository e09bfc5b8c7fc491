//! Goal: who applies the SQL text by hand has the tables that a migration makes, and a program finds nothing to do on them.
//! Method: both are made side by side, and what the database's own catalogue says of them is compared.
#![cfg(all(feature = "mysql", feature = "postgres"))]
#![allow(missing_docs, clippy::unwrap_used)]

mod mysql_support;
mod schemas;

use mysql_support::Database;
use schemas::Schema;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use store_sql::{Dialect, IndexSet, MySql, Postgres, Sqlite, TableNames, schema_sql};
use workflow_conformance::samples::start;

/// Every way in which tables are made.
fn ways() -> Vec<(TableNames, IndexSet)> {
    let other = TableNames::new("runs", "events").unwrap().with_prefix("shop_").unwrap();
    [TableNames::default(), other]
        .into_iter()
        .flat_map(|names| [IndexSet::Lean, IndexSet::Guide].map(|set| (names.clone(), set)))
        .collect()
}

/// All that the catalogue says of the tables of a schema, line by line.
const POSTGRES: &str = "select concat_ws(' ', c.relname, c.reloptions::text, a.attnum, a.attname, format_type(a.atttypid, \
    a.atttypmod), a.attnotnull, a.attgenerated, o.collname, pg_get_expr(d.adbin, d.adrelid)) from pg_class c join \
    pg_attribute a on a.attrelid = c.oid and a.attnum > 0 left join pg_attrdef d on d.adrelid = c.oid and d.adnum = \
    a.attnum left join pg_collation o on o.oid = a.attcollation where c.relnamespace = current_schema()::regnamespace and \
    c.relkind = 'r' union all select replace(pg_get_indexdef(indexrelid), current_schema() || '.', '') || ' ' || indisvalid \
    from pg_index x join pg_class c on c.oid = x.indrelid where c.relnamespace = current_schema()::regnamespace order by 1";

const MARIADB: &str = "select concat_ws(' ', table_name, ordinal_position, column_name, column_type, is_nullable, \
    column_default, collation_name, extra, generation_expression) as line from information_schema.columns where \
    table_schema = database() union all select concat_ws(' ', table_name, index_name, non_unique, seq_in_index, \
    column_name, sub_part) from information_schema.statistics where table_schema = database() union all select \
    concat_ws(' ', table_name, engine, row_format, table_collation) from information_schema.tables where table_schema = \
    database() order by 1";

const SQLITE: &str = "select sql from sqlite_master where sql is not null order by 1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_has_the_same_tables_by_hand() {
    for (names, set) in ways() {
        let (migrated, by_hand) = (Schema::fresh().await, Schema::fresh().await);
        let options = || Postgres::options().tables(names.clone()).indexes(set);
        options().migrate_to(&migrated.dsn()).await.unwrap();
        by_hand.run(&schema_sql(Dialect::Postgres, &names, set)).await;
        let mut said = Vec::new();
        for schema in [&migrated, &by_hand] {
            let lines: Vec<String> =
                sqlx::query_scalar(POSTGRES).fetch_all(&mut schema.session().await).await.unwrap();
            said.push(lines);
        }
        assert!(said[0].len() > 80, "{}", said[0].len());
        assert_eq!(said[0], said[1], "{names:?} {set:?}");
        let nothing = options().migrate_to(&by_hand.dsn()).await.unwrap();
        assert!(nothing.done.is_empty() && !nothing.adopted, "{nothing}");
        let backend = by_hand.backend_with(Postgres::options().tables(names).without_migrating()).await;
        start(backend.store(), "order-1").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_has_the_same_tables_by_hand() {
    for (names, set) in ways() {
        let (migrated, by_hand) = (Database::fresh().await, Database::fresh().await);
        let options = || MySql::options().tables(names.clone()).indexes(set);
        options().migrate(&migrated.url()).await.unwrap();
        by_hand.run(&schema_sql(Dialect::MariaDb, &names, set)).await;
        let mut said = Vec::new();
        for database in [&migrated, &by_hand] {
            let lines: Vec<String> =
                sqlx::query_scalar(MARIADB).fetch_all(&mut database.beside().await).await.unwrap();
            said.push(lines);
        }
        assert!(said[0].len() > 100, "{}", said[0].len());
        assert_eq!(said[0], said[1], "{names:?} {set:?}");
        let nothing = options().migrate(&by_hand.url()).await.unwrap();
        assert!(nothing.done.is_empty() && !nothing.adopted, "{nothing}");
        let backend = by_hand.open_with(MySql::options().tables(names).without_migrating()).await;
        start(backend.store(), "order-1").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_has_the_same_tables_by_hand() {
    for (names, set) in ways() {
        let folder = tempfile::tempdir().unwrap();
        let (migrated, by_hand) = (folder.path().join("migrated.db"), folder.path().join("by_hand.db"));
        let options = || Sqlite::options().tables(names.clone()).indexes(set);
        options().migrate(&migrated).await.unwrap();
        let mut said = Vec::new();
        for file in [&migrated, &by_hand] {
            let connect = SqliteConnectOptions::new().filename(file).create_if_missing(true);
            let mut connection = SqliteConnection::connect_with(&connect).await.unwrap();
            if file == &by_hand {
                let text = schema_sql(Dialect::Sqlite, &names, set);
                sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
            }
            let lines: Vec<String> = sqlx::query_scalar(SQLITE).fetch_all(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            // How a statement is broken into lines is kept by SQLite, too.
            said.push(
                lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect(),
            );
        }
        let [migrated, made]: [Vec<String>; 2] = said.try_into().unwrap();
        assert!(migrated.len() >= 17, "{}", migrated.len());
        assert_eq!(migrated, made, "{names:?} {set:?}");
        let nothing = options().migrate(&by_hand).await.unwrap();
        assert!(nothing.done.is_empty(), "{nothing}");
        start(Sqlite::options().tables(names).open(&by_hand).await.unwrap().store(), "order-1").await;
    }
}

/// There is no MySQL to try it on: its text is MariaDB's, with the name that the same collation has there.
#[test]
fn the_text_for_mysql_differs_in_one_collation() {
    let [mariadb, mysql] = [Dialect::MariaDb, Dialect::MySql]
        .map(|dialect| schema_sql(dialect, &TableNames::default(), IndexSet::Guide));
    assert_eq!(mysql, mariadb.replace("utf8mb4_nopad_bin", "utf8mb4_0900_bin"));
    assert!(mysql.contains("utf8mb4_0900_bin"));
}
