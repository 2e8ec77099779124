//! The bytes of customers: one block of plain rows for each kind of row, those of a customer in a
//! row, customers in the order of the first block.

mod rows;
#[cfg(test)]
mod tests;
mod unpack;

pub(in crate::campaign) use rows::Bookkeeping;
pub(in crate::campaign) use unpack::{CustomerRows, ImageRows};

#[cfg(test)]
use crate::codec::encode;
use crate::codec::{BlockWriter, Row, block_bytes};
use crate::customer::Transaction;
use crate::customer::history::{Decided, Extras, History, Interaction, Reward};
use crate::event::{Attachment, Millis};
use crate::snapshot::ShardImage;
use crate::state::turns::Budget;
#[cfg(test)]
use rows::Nameless;
use rows::{AttachmentRow, CustomerRow, FoldedCount, FoldedRow, ProfileRow, Word};

/// The customers of one virtual shard on their way to bytes.
#[derive(Debug, Default)]
pub(in crate::campaign) struct Image {
    customers: Vec<CustomerRow>,
    transactions: Vec<Transaction>,
    interactions: Vec<Interaction>,
    profiles: Vec<ProfileRow>,
    rewards: Vec<Reward>,
    decisions: Vec<Decided>,
    attachments: Vec<AttachmentRow>,
    folded: Vec<FoldedRow>,
    counts: Vec<FoldedCount>,
    words: Vec<Word>,
}

impl Image {
    /// How many customers are in it.
    pub(in crate::campaign) fn customers(&self) -> u64 {
        self.customers.len() as u64
    }

    /// Adds a settled customer; says how many rows it has.
    pub(in crate::campaign) fn push(&mut self, history: &History, kept: Bookkeeping) -> usize {
        let nothing = Extras::default();
        let extras = history.extras.as_deref().unwrap_or(&nothing);
        self.customers.push(CustomerRow {
            customer: history.customer,
            transactions: history.transactions.len() as u32,
            interactions: history.interactions.len() as u32,
            profiles: history.profiles.len() as u32,
            rewards: extras.rewards.len() as u32,
            decisions: extras.decisions.len() as u32,
            attachments: extras.attachments.len() as u32,
            folded: u32::from(extras.folded.is_some()),
            counts: extras.folded.as_ref().map_or(0, |folded| folded.counts.len() as u32),
            erased: extras.erased.unwrap_or(Millis::MIN),
            kept,
        });
        self.transactions.extend_from_slice(&history.transactions);
        self.interactions.extend_from_slice(&history.interactions);
        self.profiles.extend(history.profiles.iter().map(ProfileRow::of));
        self.rewards.extend_from_slice(&extras.rewards);
        self.decisions.extend_from_slice(&extras.decisions);
        extras
            .attachments
            .iter()
            .for_each(|(interaction, attachment)| self.push_attachment(*interaction, attachment));
        if let Some(folded) = &extras.folded {
            self.folded.push(FoldedRow::of(folded));
            self.counts.extend(folded.counts.iter().map(|&count| FoldedCount(u64::from(count))));
        }
        history.transactions.len() + history.interactions.len() + extras.rewards.len()
    }

    fn push_attachment(&mut self, interaction: u64, attachment: &Attachment) {
        let length =
            |length: Option<usize>| length.map_or(AttachmentRow::NONE, |length| length as u32);
        self.attachments.push(AttachmentRow {
            interaction,
            decision: attachment.decision.unwrap_or(0),
            features: length(attachment.features.as_ref().map(Vec::len)),
            template: length(attachment.template.as_ref().map(String::len)),
            decided: u64::from(attachment.decision.is_some()),
        });
        if let Some(features) = &attachment.features {
            self.push_words(bytemuck::cast_slice(features));
        }
        if let Some(template) = &attachment.template {
            self.push_words(template.as_bytes());
        }
    }

    fn push_words(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.words.push(Word(u64::from_ne_bytes(word)));
        }
    }

    /// All of it as bytes.
    #[cfg(test)]
    pub(in crate::campaign) fn into_bytes(self) -> Vec<u8> {
        let mut packing = Packing::of(0, 0, true, self);
        packing.pack(&mut Budget::unbounded()).expect("there is no end to the turn").bytes
    }
}

/// Something that is done with a block of an image, whatever its rows are.
trait WithRows {
    /// Does it with these rows.
    fn with<T: Row>(&mut self, rows: &[T]);
}

impl Image {
    /// The blocks of an image, in their order.
    const BLOCKS: usize = 10;

    /// Does something with the rows of a block.
    fn block(&self, number: usize, what: &mut impl WithRows) {
        match number {
            0 => what.with(&self.customers),
            1 => what.with(&self.transactions),
            2 => what.with(&self.interactions),
            3 => what.with(&self.profiles),
            4 => what.with(&self.rewards),
            5 => what.with(&self.decisions),
            6 => what.with(&self.attachments),
            7 => what.with(&self.folded),
            8 => what.with(&self.counts),
            _ => what.with(&self.words),
        }
    }

    /// How many bytes it takes.
    fn bytes(&self) -> usize {
        struct Bytes(usize);
        impl WithRows for Bytes {
            fn with<T: Row>(&mut self, rows: &[T]) {
                self.0 += block_bytes::<T>(rows.len());
            }
        }
        let mut bytes = Bytes(0);
        (0..Self::BLOCKS).for_each(|number| self.block(number, &mut bytes));
        bytes.0
    }
}

/// An image on its way to bytes, some rows a turn.
#[derive(Debug)]
pub(in crate::campaign) struct Packing {
    image: Image,
    /// The block that is next.
    next: usize,
    /// What is written of it.
    block: Option<BlockWriter>,
    packed: ShardImage,
}

/// Rows that are copied in a unit of work: one takes far less.
const ROWS_A_UNIT: usize = 4;

/// Units of work in the least that is copied at once.
const COPY: usize = 64;

impl Packing {
    /// Begins to pack the image of a virtual shard at an epoch's end.
    pub(in crate::campaign) fn of(epoch: u64, shard: u16, whole: bool, image: Image) -> Self {
        // All that it takes, so that what is packed is never moved.
        let bytes = Vec::with_capacity(image.bytes());
        let packed = ShardImage { epoch, shard, whole, customers: image.customers(), bytes };
        Packing { image, next: 0, block: None, packed }
    }

    /// Packs some more; gives the bytes once all of it is packed.
    pub(in crate::campaign) fn pack(&mut self, budget: &mut Budget) -> Option<ShardImage> {
        while budget.is_left() {
            if self.next == Image::BLOCKS {
                let nothing = ShardImage { bytes: Vec::new(), ..self.packed };
                return Some(std::mem::replace(&mut self.packed, nothing));
            }
            let Packing { image, next, block, packed } = self;
            image.block(*next, &mut Copying { block, bytes: &mut packed.bytes, budget });
            if self.block.is_none() {
                self.next += 1;
            }
        }
        None
    }
}

/// Copies the next rows of a block, and seals it after the last.
struct Copying<'a> {
    block: &'a mut Option<BlockWriter>,
    bytes: &'a mut Vec<u8>,
    budget: &'a mut Budget,
}

impl WithRows for Copying<'_> {
    fn with<T: Row>(&mut self, rows: &[T]) {
        let begun = self.block.take();
        let mut block = begun.unwrap_or_else(|| BlockWriter::begin::<T>(rows.len(), self.bytes));
        self.budget.spend(1);
        while self.budget.is_left() && block.rows() < rows.len() {
            let left = &rows[block.rows()..];
            let some = &left[..left.len().min(COPY * ROWS_A_UNIT)];
            block.write(some, self.bytes);
            self.budget.spend(some.len().div_ceil(ROWS_A_UNIT));
        }
        if block.rows() < rows.len() {
            *self.block = Some(block);
        } else {
            block.finish(self.bytes);
        }
    }
}

/// The same image, as it was written before there were names of what is not listed, under lists of
/// these lengths.
#[cfg(test)]
pub(in crate::campaign) fn without_names(bytes: &[u8], lists: [usize; 3]) -> Vec<u8> {
    use crate::codec::Aligned;
    use crate::event::unlisted::Code;
    let bare = |transaction: &Transaction| {
        let codes = transaction.codes().into_iter().zip(lists);
        let codes: Vec<Code> =
            codes.map(|(code, listed)| Code::listed(code.index().min(listed))).collect();
        Nameless(transaction.with_codes(codes.try_into().expect("three of three")))
    };
    let mut content = Aligned::from(bytes);
    let image = ImageRows::of(&mut content).expect("the bytes are whole");
    let (mut before, mut named, mut nameless) = (Vec::new(), Vec::new(), Vec::new());
    encode(image.customers, &mut before);
    encode(image.transactions, &mut named);
    encode(&image.transactions.iter().map(bare).collect::<Vec<_>>(), &mut nameless);
    let behind = &bytes[before.len() + named.len()..];
    [&before, &nameless, behind].concat()
}
