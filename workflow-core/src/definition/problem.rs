//! What can be wrong with a definition.

/// One thing that is wrong with a definition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// There is nothing to start with.
    #[error("the workflow has no step, callback or timeout")]
    Empty,
}

/// Everything that is wrong with a definition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("workflow {workflow} cannot be built")]
pub struct DefinitionErrors {
    /// The workflow's name, as it was given.
    pub workflow: String,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
}
