//! The main example as a library: what the program does, for it and for the tests.

pub mod args;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod count;
pub mod courier;
pub mod failure;
pub mod flow;
pub mod generate;
pub mod input;
pub mod object;
pub mod order;
pub mod place;
pub mod process;
pub mod progress;
pub mod report;
pub mod stop;
pub mod timing;
