//! How a workflow is put together.

use std::marker::PhantomData;

/// Puts a workflow together; made by `Workflow::builder`.
pub struct Builder<T, S, App>(PhantomData<fn() -> (T, S, App)>);

impl<T, S, App> Builder<T, S, App> {
    pub(crate) fn new(_name: String) -> Self {
        Self(PhantomData)
    }
}
