//! What codes of the library mean: which pass by themselves, and what helps.

use rdkafka::types::RDKafkaErrorCode;

/// Whether a code says that the broker could not be reached or is not ready, which passes by
/// itself.
pub fn passes(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::*;
    matches!(
        code,
        BrokerTransportFailure
            | AllBrokersDown
            | Resolve
            | OperationTimedOut
            | RequestTimedOut
            | NetworkException
            | LeaderNotAvailable
            | NotLeaderForPartition
            | BrokerNotAvailable
            | ReplicaNotAvailable
            | CoordinatorLoadInProgress
            | CoordinatorNotAvailable
            | NotCoordinator
            | KafkaStorageError
            | UnknownLeaderEpoch
            | FencedLeaderEpoch
            | OffsetNotAvailable
            | PreferredLeaderNotAvailable
            | WaitingForCoordinator
            | UnstableOffsetCommit
            | Retry
            | InProgress
            | NotController
            | NotEnoughReplicas
            | NotEnoughReplicasAfterAppend
            | InvalidMessage
    )
}

/// What a person can do about a record that was not taken.
pub(super) fn hint(code: RDKafkaErrorCode) -> &'static str {
    match code {
        RDKafkaErrorCode::MessageSizeTooLarge => "; raise max.message.bytes of the topic",
        RDKafkaErrorCode::UnknownTopicOrPartition
        | RDKafkaErrorCode::UnknownTopic
        | RDKafkaErrorCode::UnknownPartition => "; run `sluice topics create CONFIG`",
        _ => "",
    }
}

pub(super) fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
