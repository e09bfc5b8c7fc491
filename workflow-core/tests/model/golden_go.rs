//! golden_go
