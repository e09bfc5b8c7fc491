//! `#[derive(Status)]`.
