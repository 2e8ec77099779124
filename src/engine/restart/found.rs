//! Which checkpoint a job goes on from: the newest sound one of its own history.

use crate::checkpoint::{CheckpointError, Checkpoints, Manifest, PassedOver, Selection};
use crate::hexadecimal::hexadecimal;
use crate::sink::{Genesis, RecordedEpoch};

/// The checkpoint to go on from: of the first of these places that has one.
pub(super) fn find<S>(
    places: &[Checkpoints],
    progress: u64,
    strange: impl Fn(&Manifest) -> Option<String>,
    former: impl Fn(&Manifest) -> Option<S>,
    unsound: impl Fn(&Manifest, Option<&S>) -> Option<CheckpointError>,
) -> Result<Selection<S>, CheckpointError> {
    let mut all = Selection::default();
    for place in places {
        if all.manifest.is_none() {
            let found = place.find(progress, &strange, &former, &unsound)?;
            all.passed_over.extend(found.passed_over);
            (all.manifest, all.former) = (found.manifest, found.former);
        }
    }
    Ok(all)
}

/// What lies beside the checkpoints of a history and is of others: each is named, and left alone.
pub(super) fn of_others(
    checkpoints: &Checkpoints,
    own: &Genesis,
) -> Result<Vec<PassedOver>, CheckpointError> {
    let mut passed_over = Vec::new();
    for other in checkpoints.histories()? {
        let Some(history) = other.history().filter(|history| **history != own.identity.short())
        else {
            continue;
        };
        let Some(newest) = other.epochs()?.last().copied() else { continue };
        let said = format!(
            "Checkpoints up to this epoch are passed over: they are of another history, {history}, \
             as of another deployment of the job, or of before its \
             progress was lost. They stay: remove {} once nobody goes on from them.",
            other.address()
        );
        passed_over.push(PassedOver::new(newest, said));
    }
    Ok(passed_over)
}

/// Why a checkpoint is of another history than what is recorded: its link is not that of its epoch,
/// or does not lead to the next one's. One of before there were links is judged by the digest of
/// its statistics.
pub(super) fn strange(manifest: &Manifest, recorded: &[RecordedEpoch]) -> Option<String> {
    let of = |epoch| recorded.iter().find(|recorded| recorded.epoch == epoch);
    let other = |what: &str, own: String, committed: String| {
        (own != committed).then(|| {
            format!(
                "it is of another history: it has the {what} {own}, and \
            its epoch was committed with {committed}"
            )
        })
    };
    match (manifest.chain, of(manifest.epoch)) {
        (Some(own), Some(committed)) => other(
            "chain",
            own.to_string(),
            committed.chain.map_or("none".to_string(), |link| link.to_string()),
        ),
        (None, Some(committed)) => {
            other("model digest", hexadecimal(&manifest.digest), hexadecimal(&committed.digest))
        }
        (Some(own), None) => {
            let next = of(manifest.epoch + 1)?;
            (Some(own.then(&next.made())) != next.chain).then(|| {
                "it is of another history: its chain does not lead to the epoch after it"
                    .to_string()
            })
        }
        (None, None) => None,
    }
}
