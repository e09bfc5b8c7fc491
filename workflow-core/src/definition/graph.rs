//! The graph of a workflow's statuses.

use std::collections::HashSet;
use std::fmt::Write;

use crate::{Status, StatusCode};

/// What leads from one status to another.
///
/// ```
/// # use workflow_shop::*;
/// let graph = orders().graph().clone();
/// assert_eq!(graph.edges().iter().filter(|edge| edge.kind == EdgeKind::Callback).count(), 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EdgeKind {
    /// A step.
    Step,
    /// A callback.
    Callback,
    /// A timeout.
    Timeout,
}

impl EdgeKind {
    fn label(self) -> &'static str {
        match self {
            EdgeKind::Step => "",
            EdgeKind::Callback => ": callback",
            EdgeKind::Timeout => ": timeout",
        }
    }
}

/// One arrow of the graph.
///
/// ```
/// # use workflow_shop::*;
/// assert!(orders().graph().edges().contains(&Edge { from: "Placed", to: "Paid", kind: EdgeKind::Step }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Edge {
    /// The status that it leaves.
    pub from: &'static str,
    /// The status that it leads to.
    pub to: &'static str,
    /// What takes a run along it.
    pub kind: EdgeKind,
}

/// The statuses of a workflow and what leads from one to another.
///
/// ```
/// # use workflow_shop::*;
/// let orders = orders();
/// let graph = orders.graph();
/// assert_eq!(graph.start(), "Placed");
/// assert_eq!(graph.edges().len(), 3);
/// assert_eq!(graph.terminal().collect::<Vec<_>>(), ["Declined", "Shipped"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    start: &'static str,
    statuses: Vec<(StatusCode, &'static str)>,
    edges: Vec<Edge>,
    leaving: HashSet<StatusCode>,
}

impl Graph {
    /// The graph with these arrows, in the order given.
    pub(crate) fn new<S: Status>(start: S, arrows: impl IntoIterator<Item = (S, S, EdgeKind)>) -> Self {
        let mut graph = Self { start: start.name(), ..Self::default() };
        graph.add(start);
        for (from, to, kind) in arrows {
            graph.add(from);
            graph.add(to);
            graph.leaving.insert(from.code());
            let edge = Edge { from: from.name(), to: to.name(), kind };
            if !graph.edges.contains(&edge) {
                graph.edges.push(edge);
            }
        }
        graph
    }

    fn add<S: Status>(&mut self, status: S) {
        if !self.statuses.iter().any(|(code, _)| *code == status.code()) {
            self.statuses.push((status.code(), status.name()));
        }
    }

    /// The status in which runs start.
    pub fn start(&self) -> &'static str {
        self.start
    }

    /// Its arrows, in the order of the definition.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// The statuses that nothing leaves: a run that gets there is completed.
    pub fn terminal(&self) -> impl Iterator<Item = &'static str> {
        self.statuses.iter().filter(|(code, _)| self.is_terminal(*code)).map(|(_, name)| *name)
    }

    /// The graph as a Mermaid state diagram.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// let diagram = "stateDiagram-v2
    ///     [*] --> Placed
    ///     Placed --> Paid
    ///     Placed --> Declined
    ///     Paid --> Shipped: callback
    ///     Declined --> [*]
    ///     Shipped --> [*]
    /// ";
    /// assert_eq!(orders().graph().mermaid(), diagram);
    /// ```
    pub fn mermaid(&self) -> String {
        let mut text = String::from("stateDiagram-v2\n");
        let mut line = |from: &str, to: &str, label: &str| {
            writeln!(text, "    {from} --> {to}{label}").expect("a String takes everything");
        };
        line("[*]", self.start, "");
        for edge in &self.edges {
            line(edge.from, edge.to, edge.kind.label());
        }
        for name in self.terminal() {
            line(name, "[*]", "");
        }
        text
    }

    /// Whether nothing leaves a status.
    pub(crate) fn is_terminal(&self, status: StatusCode) -> bool {
        !self.leaving.contains(&status)
    }
}
