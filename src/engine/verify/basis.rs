//! What a verification goes on from.

use super::error::VerifyError;
use crate::checkpoint::{Checkpoints, Manifest};
use crate::hexadecimal::hexadecimal;
use crate::postgres::comparison::{EpochBlocks, Expected, Recorded, Standing, stored};
use dataflows::codec::Aligned;

/// Who has left what a verification goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// A verification, which has found everything up to there in order.
    Verification,
    /// The job: nobody has looked at what it holds, and it is taken on trust.
    Job,
}

/// What a verification goes on from.
pub struct Basis<S> {
    /// Where it lies.
    pub checkpoints: Checkpoints,
    /// Its manifest.
    pub manifest: Manifest,
    /// What belonged to no key.
    pub common: Aligned,
    /// The settings that it was taken under, where the next epoch is a change of them.
    pub former: Option<S>,
    /// Who has left it.
    pub left: Left,
}

impl<S> Basis<S> {
    /// That of a manifest.
    ///
    /// # Errors
    /// [`VerifyError::Unusable`], or that of the store.
    pub fn read(
        checkpoints: Checkpoints,
        manifest: Manifest,
        left: Left,
    ) -> Result<Basis<S>, VerifyError> {
        let common = checkpoints.read(&manifest.shared).map_err(VerifyError::of_files)?;
        Ok(Basis { checkpoints, manifest, common, former: None, left })
    }

    /// The epoch after which it is gone on.
    pub fn epoch(&self) -> u64 {
        self.manifest.epoch
    }

    /// What messages name it by.
    pub fn object(&self) -> String {
        object(&self.checkpoints, self.epoch(), self.left)
    }

    /// Makes sure that what is recorded now is the history that it is of.
    ///
    /// # Errors
    /// [`VerifyError::OtherHistory`].
    pub fn check(&self, standing: &Standing) -> Result<(), VerifyError> {
        let other = |why: String| Err(VerifyError::OtherHistory { object: self.object(), why });
        let Some(Recorded { digest, chain, .. }) = &standing.seen.last else {
            let last = standing.epochs.last().map_or(standing.progress.epoch, |epoch| epoch.epoch);
            return other(format!(
                "that epoch is not recorded, and the job stands at epoch {last}"
            ));
        };
        let own = self.manifest.chain.map(|link| link.to_string());
        // A checkpoint of before there were links has none.
        if own != *chain && (own.is_some() || self.left == Left::Verification) {
            let shown =
                |chain: &Option<String>| chain.clone().unwrap_or_else(|| "none".to_string());
            return other(format!(
                "it had the chain {} there, and {} is recorded",
                shown(&own),
                shown(chain)
            ));
        }
        if hexadecimal(&self.manifest.digest) != *digest {
            return other(format!(
                "it had the model digest {} there, and {digest} is recorded",
                hexadecimal(&self.manifest.digest)
            ));
        }
        Ok(())
    }

    /// Makes sure that what is read from its files will be what was written, and of this version.
    ///
    /// # Errors
    /// [`VerifyError::Unusable`], or that of the store.
    pub fn look_through(&self) -> Result<(), VerifyError> {
        self.checkpoints
            .unsound(&self.manifest)
            .map_or(Ok(()), Err)
            .map_err(VerifyError::of_files)?;
        let head = self
            .manifest
            .tables
            .first()
            .map(|file| self.checkpoints.read(file))
            .transpose()
            .map_err(VerifyError::of_files)?;
        let refused = match (head, self.left) {
            (Some(head), _) => stored::refused(&head),
            (None, Left::Job) => None,
            (None, Left::Verification) => Some("it does not say what the tables held".to_string()),
        };
        refused.map_or(Ok(()), |why| Err(VerifyError::Unusable { object: self.object(), why }))
    }

    /// Whether anything before it was taken on trust, or is.
    pub fn is_on_trust(&self) -> bool {
        let head = self.manifest.tables.first().map(|file| self.checkpoints.read(file));
        self.left == Left::Job
            || head.is_none_or(|head| head.is_ok_and(|head| stored::is_on_trust(&head)))
    }

    /// What the tables held, taken up into `expected`, and the epochs that were recorded; none of a
    /// checkpoint of the job, of which `expected` takes everything on trust.
    ///
    /// # Errors
    /// [`VerifyError::Unusable`], or that of the store.
    pub fn rows(
        &self,
        expected: &mut Expected,
        pending: i64,
    ) -> Result<Option<EpochBlocks>, VerifyError> {
        if self.left == Left::Job {
            expected.trust(self.epoch(), pending);
            return Ok(None);
        }
        let pieces = self.manifest.tables.iter().map(|file| self.checkpoints.read(file));
        let taken = stored::restore(expected, pieces).map_err(VerifyError::of_files)?;
        taken.map(Some).map_err(|why| VerifyError::Unusable { object: self.object(), why })
    }
}

fn object(checkpoints: &Checkpoints, epoch: u64, left: Left) -> String {
    let what = match left {
        Left::Verification => "the verification",
        Left::Job => "the checkpoint",
    };
    format!("{what} of epoch {epoch} at {}", checkpoints.address())
}
