//! What operators do with a database, on each kind of it.
#![allow(missing_docs, clippy::unwrap_used)]

mod engine;
mod expiring;
mod letters;
#[path = "../mysql_support/mod.rs"]
mod mysql_support;
mod place;
#[path = "../schemas/mod.rs"]
mod schemas;
mod shown;

/// Makes a test of each function for each kind of database.
macro_rules! on_each {
    ($($suite:ident::$test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let place = crate::place::Place::sqlite().await;
                let store = match place.database() {
                    store_sql::Database::Sqlite(sqlite) => sqlite.store().clone(),
                    other => panic!("{other:?}"),
                };
                crate::$suite::$test(place, store).await;
            })*
        }
        mod mariadb {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let place = crate::place::Place::mariadb().await;
                let store = match place.database() {
                    store_sql::Database::MySql(mysql) => mysql.store().clone(),
                    other => panic!("{other:?}"),
                };
                crate::$suite::$test(place, store).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let place = crate::place::Place::postgres().await;
                let store = match place.database() {
                    store_sql::Database::Postgres(postgres) => postgres.store().clone(),
                    other => panic!("{other:?}"),
                };
                crate::$suite::$test(place, store).await;
            })*
        }
    };
}

on_each! {
    engine::an_engine_takes_up_what_was_put_back,
    engine::runs_expire_beside_a_working_engine,
    expiring::a_dry_run_counts_and_changes_nothing,
    expiring::a_history_goes_and_its_run_stays,
    expiring::a_long_history_goes_in_small_pieces,
    expiring::moved_runs_are_whole_in_the_archive,
    expiring::only_old_runs_that_have_ended_expire,
    expiring::runs_behind_many_that_go_on_are_found,
    expiring::what_is_named_is_all_that_expires,
    expiring::what_is_unsent_owed_or_dead_stays,
    expiring::who_stops_in_the_middle_leaves_the_rest,
    letters::a_letter_goes_back_once_with_the_same_event,
    letters::a_letter_that_is_no_event_stays,
    letters::a_letter_that_is_thrown_away_is_gone,
    letters::letters_are_read_in_pages,
    shown::each_table_has_its_size,
    shown::the_outbox_is_counted_by_workflow,
}
