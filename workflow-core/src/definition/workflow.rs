//! A workflow that can be run.

use std::fmt;
use std::sync::Arc;

use super::parts::Definition;
use super::{Builder, Graph};
use crate::{Status, WorkflowName};

/// A workflow: its name, its graph and its functions. Cheap to clone.
///
/// ```
/// # use workflow_shop::*;
/// let orders = orders();
/// assert_eq!(orders.name().as_str(), "orders");
/// assert_eq!(orders.graph().start(), "Placed");
/// ```
pub struct Workflow<T, S>(Arc<Definition<T, S>>);

impl Workflow<(), ()> {
    /// Begins a workflow of this name.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// async fn pay(_: &mut Run<Order, OrderStatus>) -> OrderStatus {
    ///     Paid
    /// }
    ///
    /// let orders = Workflow::builder("orders").step(Placed, pay, [Paid, Declined, Shipped]).build()?;
    /// assert_eq!(orders.name().as_str(), "orders");
    /// # Ok::<(), DefinitionErrors>(())
    /// ```
    pub fn builder<T, S, App>(name: impl Into<String>) -> Builder<T, S, App>
    where
        T: Send + Sync + 'static,
        S: Status,
        App: Send + Sync + 'static,
    {
        Builder::new(name.into())
    }
}

impl<T, S> Workflow<T, S> {
    pub(crate) fn new(definition: Definition<T, S>) -> Self {
        Self(Arc::new(definition))
    }

    pub(crate) fn definition(&self) -> &Arc<Definition<T, S>> {
        &self.0
    }

    /// Its name.
    pub fn name(&self) -> &WorkflowName {
        &self.0.name
    }

    /// Its statuses and what leads from one to another.
    pub fn graph(&self) -> &Graph {
        &self.0.graph
    }
}

impl<T, S> Clone for Workflow<T, S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T, S> fmt::Debug for Workflow<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workflow").field("name", &self.0.name).field("graph", &self.0.graph).finish()
    }
}
