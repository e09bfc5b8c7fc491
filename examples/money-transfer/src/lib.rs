//! Money that moves between two accounts exactly once, however often the program is killed: the accounts are tables of the
//! user's own, and each transfer changes them in the transaction of its run's transition.

pub mod accounts;
pub mod transfer;
