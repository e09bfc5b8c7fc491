//! The command line, through the binary.
#![allow(missing_docs, clippy::unwrap_used)]

mod cluster;
mod command_line;
mod doctor;
mod expiring;
mod letters;
#[path = "../../../store-sql/tests/mysql_support/mod.rs"]
mod mysql_support;
mod operating;
mod place;
mod runs;
#[path = "../../../store-sql/tests/schemas/mod.rs"]
mod schemas;
mod servers;
mod settings;
mod tables;
