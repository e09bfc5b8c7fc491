//! The graph of a workflow's statuses.

use std::collections::HashSet;
use std::fmt::Write;

use crate::{Status, StatusCode};

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
    /// # use workflow_core::{Run, Status, StatusCode, Workflow};
    /// # #[derive(Clone, Copy)] enum Light { Red = 1, Green = 2 }
    /// # impl Status for Light {
    /// #     const ALL: &'static [Self] = &[Light::Red, Light::Green];
    /// #     fn code(self) -> StatusCode { StatusCode::from_declared(self as i32) }
    /// #     fn from_code(code: StatusCode) -> Option<Self> { Self::ALL.iter().copied().find(|s| s.code() == code) }
    /// #     fn name(self) -> &'static str { match self { Light::Red => "Red", Light::Green => "Green" } }
    /// # }
    /// async fn change(_: &mut Run<(), Light>) -> Light { Light::Green }
    /// let lights = Workflow::builder("lights").step(Light::Red, change, [Light::Green]).build()?;
    /// assert_eq!(lights.graph().mermaid(), "stateDiagram-v2\n    [*] --> Red\n    Red --> Green\n    Green --> [*]\n");
    /// # Ok::<(), workflow_core::DefinitionErrors>(())
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
