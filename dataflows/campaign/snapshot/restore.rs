//! Taking up a snapshot: customers from their images, and everything about them that is a function
//! of history, thresholds and watermark.

use super::Common;
use super::change::ChangeOfSettings;
use super::image::{Bookkeeping, ImageRows};
use crate::campaign::graph::Campaign;
use crate::campaign::shard::Shard;
use crate::campaign::state::Slot;
use crate::campaign::thresholds::{Thresholds, closed_by};
use crate::codec::Aligned;
use crate::customer::history::History;
use crate::event::text::virtual_shard;
use crate::event::unlisted::Code;
use crate::snapshot::SnapshotError;

/// One worker's customers while they are being loaded.
pub struct Loading {
    shard: Shard,
    /// What is kept of each customer beside the history, by slot.
    kept: Vec<Bookkeeping>,
    /// To other settings than those of the snapshot.
    change: Option<ChangeOfSettings>,
}

impl Loading {
    /// Begins to load the customers of worker `worker` of `peers` as of the snapshot whose common
    /// part this is.
    pub fn new(campaign: &Campaign, worker: usize, peers: usize, common: &Common) -> Self {
        let mut shard = campaign.shard(worker, peers);
        let closed = common.watermark.map(closed_by);
        let thresholds = campaign.thresholds.is_none();
        let thresholds = thresholds.then(|| Thresholds::restored(&common.thresholds, closed));
        shard.visitor.restore(common.watermark, thresholds);
        if common.lacks_rewards() {
            shard.visitor.begin_recount();
        }
        shard.customers.begin_loading(closed.map(|closed| closed.saturating_sub(2)));
        Loading { shard, kept: Vec::new(), change: None }
    }

    /// The same, where `common` begins this change of settings: everything is computed and emitted
    /// anew in the next epoch.
    pub fn changing(
        campaign: &Campaign,
        worker: usize,
        peers: usize,
        common: &Common,
        change: ChangeOfSettings,
    ) -> Self {
        let mut loading = Loading::new(campaign, worker, peers, common);
        if change.anew {
            loading.shard.visitor.tell_anew();
        }
        if change.closes_anew && campaign.thresholds.is_none() {
            loading.shard.visitor.restore(common.watermark, Some(Thresholds::default()));
            loading.shard.customers.close_anew();
        }
        Loading { change: Some(change), ..loading }
    }

    /// Loads an image of a virtual shard: the whole one, or changes after it, in the order in which
    /// they were taken. Says how many customers it has.
    ///
    /// # Errors
    /// Bytes that are no image of this virtual shard. What was loaded so far is then of no use.
    pub fn load(
        &mut self,
        shard: u16,
        whole: bool,
        mut bytes: Aligned,
    ) -> Result<u64, SnapshotError> {
        let refused = |why| SnapshotError::Rows { shard, why };
        let length = bytes.len() as u64;
        let image = ImageRows::of(&mut bytes)?;
        let (mut strange, mut unlike) = (false, false);
        let stride = self.shard.customers.features().layout().stride();
        let change = &self.change;
        let input = &self.shard.settings.input;
        let lists = image
            .is_nameless()
            .then(|| [&input.categories, &input.devices, &input.payments].map(Vec::len));
        let unpacked = image.unpack(|row, mut history| {
            match (change, lists) {
                (Some(change), _) => change.translate(&mut history),
                (None, Some(lists)) => forget_names(&mut history, lists),
                (None, None) => {}
            }
            strange |= virtual_shard(row.customer) != u64::from(shard);
            unlike |= history.folded().is_some_and(|folded| folded.counts.len() != stride);
            let slot = self.shard.customers.load(row.customer, history) as usize;
            if self.kept.len() <= slot {
                self.kept.resize(slot + 1, row.kept);
            }
            self.kept[slot] = row.kept;
        });
        unpacked.map_err(refused)?;
        if strange {
            return Err(refused("it has customers of another virtual shard"));
        }
        if unlike {
            return Err(refused("its folded purchases were counted by other lists"));
        }
        // What was written under other settings is no part of a snapshot under these.
        if self.change.is_none() {
            self.shard.customers.written(shard, whole, length);
        }
        Ok(image.customers())
    }

    /// The customers, ready for the epoch after the snapshot.
    pub fn finish(self) -> Shard {
        let Loading { mut shard, kept, change: _ } = self;
        let Shard { customers, visitor, searching, .. } = &mut shard;
        customers.know_all();
        let anew = visitor.is_telling_anew();
        for (slot, kept) in (0 as Slot..).zip(&kept) {
            let mut customer = customers.take_up(slot, kept, anew);
            if !anew {
                searching.note(slot, &visitor.take_up(&mut customer));
            }
        }
        shard
    }
}

/// Where nothing is known of names that are not listed, the code behind the end of a list becomes
/// the one that says so for a list of any length.
fn forget_names(history: &mut History, lists: [usize; 3]) {
    for transaction in &mut history.transactions {
        let mut codes = transaction.codes();
        let others = codes.iter_mut().zip(lists).filter(|(code, listed)| code.index() >= *listed);
        others.for_each(|(code, _)| *code = Code::UNKNOWN);
        *transaction = transaction.with_codes(codes);
    }
}
