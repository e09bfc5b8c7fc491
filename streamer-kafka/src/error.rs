//! What an error of librdkafka means for the engine: decided here, once.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use workflow_core::Topic;
use workflow_core::adapter::{BackendError, ErrorKind};

/// An error with what was tried; whether it can be tried again is read off the code.
pub(crate) fn failed(what: impl std::fmt::Display, error: KafkaError) -> BackendError {
    let code = error.rdkafka_error_code();
    let kind = if code.is_some_and(is_permanent) { ErrorKind::Permanent } else { ErrorKind::Transient };
    let hint = match code {
        Some(Code::AllBrokersDown | Code::BrokerTransportFailure | Code::OperationTimedOut) => {
            ": no broker answers; are `brokers`, `tls` and `sasl` right?"
        }
        Some(
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed,
        ) => ": the brokers do not allow it; give the program's user the right",
        _ => "",
    };
    BackendError::with_source(kind, format!("{what}{hint}"), error)
}

fn is_permanent(code: Code) -> bool {
    matches!(
        code,
        Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::Authentication
            | Code::InvalidTopic
            | Code::UnsupportedVersion
            | Code::InvalidReplicationFactor
            | Code::PolicyViolation
    )
}

/// The topic is not there and is not to be made. It may be made by somebody meanwhile, so it can be tried again.
pub(crate) fn missing_topic(topic: &Topic, partitions: u32) -> BackendError {
    let context = format!(
        "topic {topic} does not exist: make it with `workflowctl topics create {topic} --partitions {partitions}`, or set \
         create_topics = true to have missing topics made"
    );
    BackendError::new(ErrorKind::Transient, context)
}

/// A blocking call ended in a panic, or the runtime is going down.
pub(crate) fn not_run(what: &str) -> BackendError {
    BackendError::new(ErrorKind::Transient, format!("{what}: the runtime is shutting down"))
}

/// Errors that say that a topic is not there.
pub(crate) fn is_missing(code: Option<Code>) -> bool {
    matches!(
        code,
        Some(
            Code::UnknownTopicOrPartition
                | Code::UnknownTopic
                | Code::UnknownPartition
                | Code::UnknownTopicId
        )
    )
}
