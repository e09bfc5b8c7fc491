//! What the end-to-end tests share: workflows, a store that ends the process, a look at the tables, child processes.

pub mod aborting;
pub mod audit;
pub mod broker;
pub mod child;
pub mod finish;
pub mod fixture;
pub mod full;
pub mod ground;
pub mod parcels;
pub mod patience;
pub mod raw;
