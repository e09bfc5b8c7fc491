//! The graph of a workflow's statuses.

/// What leads from one status to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EdgeKind {
    /// A step.
    Step,
    /// A callback.
    Callback,
    /// A timeout.
    Timeout,
}

/// One arrow of the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The status that it leaves.
    pub from: &'static str,
    /// The status that it leads to.
    pub to: &'static str,
    /// What takes a run along it.
    pub kind: EdgeKind,
}

/// The statuses of a workflow and what leads from one to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    pub(crate) edges: Vec<Edge>,
    pub(crate) terminal: Vec<crate::StatusCode>,
}

impl Graph {
    /// Its arrows.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// Whether nothing leaves a status.
    pub(crate) fn is_terminal(&self, status: crate::StatusCode) -> bool {
        self.terminal.contains(&status)
    }
}
