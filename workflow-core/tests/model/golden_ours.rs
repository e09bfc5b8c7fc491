//! golden_ours
