//! What an erasure does to the files of a job: those of earlier epochs are read once, and rewritten
//! where they have rows of the customer.

use super::erased::Erased;
use super::error::failed;
use super::{ChangeFiles, ChangesError, epoch_of};
use crate::durable;
use dataflows::event::{CustomerId, Millis, Place};

impl ChangeFiles {
    /// Rewrites the files of earlier epochs without what an epoch has erased of these customers,
    /// each up to an instant; newest first. Gives how many had something of it.
    ///
    /// # Errors
    /// [`ChangesError::Io`], [`ChangesError::Damaged`]; what is left is done when it is called
    /// again.
    pub fn erase(
        &self,
        epoch: u64,
        customers: &[(CustomerId, Millis)],
    ) -> Result<usize, ChangesError> {
        let damaged = |epoch| move |why| ChangesError::Damaged { path: self.path(epoch), why };
        let mut erased = Erased::new(self.lines.tables(), epoch, customers);
        // Should it have been moved away, the newest lines of older files count as standing.
        if let Some(own) = self.read(epoch)? {
            erased.stand(&own).map_err(damaged(epoch))?;
        }
        let mut older: Vec<u64> = self
            .names()?
            .iter()
            .filter_map(|name| epoch_of(name))
            .filter(|other| *other < epoch)
            .collect();
        older.sort_unstable();
        let mut rewritten = 0;
        for older in older.into_iter().rev() {
            let Some(content) = self.read(older)? else { continue };
            if let Some(rest) = erased.rest_of(&content).map_err(damaged(older))? {
                let path = self.path(older);
                durable::replace(&path, &rest).map_err(failed(&path, "written"))?;
                rewritten += 1;
            }
        }
        Ok(rewritten)
    }

    /// Where the dead letters stood that [`erase`](Self::erase) would blank: topic's name at the
    /// broker, and place.
    ///
    /// # Errors
    /// Likewise.
    pub fn letters_of(
        &self,
        epoch: u64,
        customers: &[(CustomerId, Millis)],
    ) -> Result<Vec<(String, Place)>, ChangesError> {
        let erased = Erased::new(self.lines.tables(), epoch, customers);
        let mut letters = Vec::new();
        for older in
            self.names()?.iter().filter_map(|name| epoch_of(name)).filter(|other| *other < epoch)
        {
            let Some(content) = self.read(older)? else { continue };
            let found = erased
                .letters(&content)
                .map_err(|why| ChangesError::Damaged { path: self.path(older), why })?;
            letters.extend(found);
        }
        Ok(letters)
    }
}
