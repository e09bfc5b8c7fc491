//! Why attached work failed.

use std::any::Any;

/// Why attached work failed.
pub(crate) enum WorkError {
    /// Others were in its way, or the connection was lost: the transaction is to be begun again.
    Again(sqlx::Error),
    /// It says so.
    Failed(String),
}

impl WorkError {
    /// From what the work gave back; `again` tells the errors after which the transaction is begun again.
    pub(crate) fn new<E: std::fmt::Display + Send + 'static>(
        error: E,
        again: fn(&sqlx::Error) -> bool,
    ) -> Self {
        let text = error.to_string();
        let error: Box<dyn Any + Send> = Box::new(error);
        match error.downcast::<sqlx::Error>() {
            Ok(error) if again(&error) => WorkError::Again(*error),
            _ => WorkError::Failed(text),
        }
    }
}
