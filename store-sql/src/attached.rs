//! Changes with work of the user's, which are made each in a transaction of its own.

use workflow_core::adapter::{BackendError, Change, Effect, ErrorKind, Outcome};

/// Whether work of the user's goes with a change, which may be long and may fail.
pub(crate) fn is_attached(change: &Change) -> bool {
    change.effects.iter().any(|effect| matches!(effect, Effect::Attached(_)))
}

/// What is answered to such a change whose transaction failed; the others of its commit are stored.
pub(crate) fn outcome_of(error: &BackendError) -> Outcome {
    tracing::warn!(error = %error, "a commit with attached work failed");
    match error.kind() {
        // The work ended the transaction, broke it or panicked: it will again.
        ErrorKind::Permanent => {
            let cause =
                std::error::Error::source(error).map_or_else(String::new, |cause| format!(": {cause}"));
            Outcome::AttachedFailed(format!("{error}{cause}").into())
        }
        _ => Outcome::Busy,
    }
}
