//! Customers out of an image.

use super::rows::{AttachmentRow, CustomerRow, FoldedCount, FoldedRow, Nameless, ProfileRow, Word};
use crate::codec::{Aligned, CodecError};
use crate::customer::Transaction;
use crate::customer::history::{Decided, Extras, History, Interaction, Reward};
use crate::customer::unmatched::Unmatched;
use crate::event::text::TIMESTAMP_END;
use crate::event::{Attachment, Millis};
use crate::snapshot::SnapshotError;

/// The rows of an image, where they lie in its bytes.
#[derive(Debug)]
pub(in crate::campaign) struct ImageRows<'a> {
    pub(super) customers: &'a [CustomerRow],
    pub(super) transactions: &'a [Transaction],
    interactions: &'a [Interaction],
    profiles: &'a [ProfileRow],
    rewards: &'a [Reward],
    decisions: &'a [Decided],
    attachments: &'a [AttachmentRow],
    folded: &'a [FoldedRow],
    counts: &'a [FoldedCount],
    words: &'a [Word],
    /// It is of before there were names of what is not listed.
    is_nameless: bool,
    /// Nothing lies behind its blocks.
    is_all: bool,
}

impl<'a> ImageRows<'a> {
    /// Those of the image that these bytes are.
    pub(in crate::campaign) fn of(bytes: &'a mut Aligned) -> Result<Self, SnapshotError> {
        let mut blocks = bytes.blocks();
        let customers = blocks.take()?;
        let (transactions, is_nameless) = match blocks.take() {
            Err(CodecError::Layout { .. }) => (Nameless::named(blocks.take()?), true),
            transactions => (transactions?, false),
        };
        Ok(ImageRows {
            customers,
            transactions,
            is_nameless,
            interactions: blocks.take()?,
            profiles: blocks.take()?,
            rewards: blocks.take()?,
            decisions: blocks.take()?,
            attachments: blocks.take()?,
            folded: blocks.take()?,
            counts: blocks.take()?,
            words: blocks.take()?,
            is_all: blocks.is_empty(),
        })
    }

    /// How many customers are in it.
    pub(in crate::campaign) fn customers(&self) -> u64 {
        self.customers.len() as u64
    }

    /// Whether it is of before there were names of what is not listed: `other` is the code behind
    /// each list.
    pub(in crate::campaign) fn is_nameless(&self) -> bool {
        self.is_nameless
    }

    /// Hands over every customer, with an otherwise empty history that holds what is settled.
    pub(in crate::campaign) fn unpack(
        &self,
        mut take: impl FnMut(CustomerRow, History),
    ) -> Result<(), &'static str> {
        self.each(|rows| {
            take(*rows.customer, rows.history()?);
            Ok(())
        })
    }

    /// Hands over the rows of every customer, where they lie.
    pub(in crate::campaign) fn each(
        &self,
        mut take: impl FnMut(CustomerRows<'_>) -> Result<(), &'static str>,
    ) -> Result<(), &'static str> {
        if !self.is_all {
            return Err("something lies behind its rows");
        }
        let (mut transactions, mut interactions) = (self.transactions, self.interactions);
        let (mut profiles, mut rewards) = (self.profiles, self.rewards);
        let (mut decisions, mut attachments) = (self.decisions, self.attachments);
        let (mut folded, mut counts, mut words) = (self.folded, self.counts, self.words);
        for customer in self.customers {
            let attachments = split(&mut attachments, customer.attachments as usize)?;
            take(CustomerRows {
                customer,
                transactions: split(&mut transactions, customer.transactions as usize)?,
                interactions: split(&mut interactions, customer.interactions as usize)?,
                profiles: split(&mut profiles, customer.profiles as usize)?,
                rewards: split(&mut rewards, customer.rewards as usize)?,
                decisions: split(&mut decisions, customer.decisions as usize)?,
                attachments,
                words: split(&mut words, attachments.iter().map(AttachmentRow::words).sum())?,
                folded: match (
                    split(&mut folded, customer.folded as usize)?,
                    split(&mut counts, customer.counts as usize)?,
                ) {
                    ([], []) => None,
                    ([folded], counts) => Some((folded, counts)),
                    _ => return Err("a customer has folded events more than once"),
                },
            })?;
        }
        let events = transactions.len()
            + interactions.len()
            + profiles.len()
            + rewards.len()
            + decisions.len()
            + attachments.len();
        if events + folded.len() + counts.len() + words.len() > 0 {
            Err("it has rows that belong to no customer")
        } else {
            Ok(())
        }
    }
}

/// The next so many rows.
fn split<'a, T>(rows: &mut &'a [T], number: usize) -> Result<&'a [T], &'static str> {
    let (taken, rest) =
        rows.split_at_checked(number).ok_or("a customer has more rows than there are")?;
    *rows = rest;
    Ok(taken)
}

/// The rows of a customer, in the blocks of an image.
pub(in crate::campaign) struct CustomerRows<'a> {
    pub(in crate::campaign) customer: &'a CustomerRow,
    pub(in crate::campaign) transactions: &'a [Transaction],
    pub(in crate::campaign) interactions: &'a [Interaction],
    profiles: &'a [ProfileRow],
    rewards: &'a [Reward],
    decisions: &'a [Decided],
    attachments: &'a [AttachmentRow],
    words: &'a [Word],
    folded: Option<(&'a FoldedRow, &'a [FoldedCount])>,
}

impl CustomerRows<'_> {
    /// How many counts the folded purchases have, if any are folded.
    pub(in crate::campaign) fn folded_counts(&self) -> Option<usize> {
        self.folded.map(|(_, counts)| counts.len())
    }

    /// Whether purchases are in order, purchases and interactions at instants that there are, and
    /// what interactions carried can be read.
    pub(in crate::campaign) fn check(&self) -> Result<(), &'static str> {
        let instants = self
            .transactions
            .iter()
            .map(|t| t.timestamp())
            .chain(self.interactions.iter().map(|i| i.timestamp));
        if !instants.into_iter().all(|at| (0..TIMESTAMP_END).contains(&at)) {
            return Err("it has events at no instant that there is");
        }
        if !self.transactions.is_sorted_by_key(|transaction| transaction.timestamp()) {
            return Err("it has purchases that are not in order");
        }
        let mut words = self.words;
        self.attachments.iter().try_for_each(|attachment| attachment.take(&mut words).map(drop))
    }

    fn history(&self) -> Result<History, &'static str> {
        let (mut history, mut words) = (History::new(self.customer.customer), self.words);
        history.transactions = self.transactions.to_vec();
        history.interactions = self.interactions.to_vec();
        history.profiles = self.profiles.iter().map(ProfileRow::profile).collect();
        let extras = Extras {
            rewards: self.rewards.to_vec(),
            decisions: self.decisions.to_vec(),
            attachments: self
                .attachments
                .iter()
                .map(|attachment| attachment.unpack(&mut words))
                .collect::<Result<_, _>>()?,
            erased: Some(self.customer.erased).filter(|&erased| erased > Millis::MIN),
            unmatched: Unmatched::default(),
            recount: false,
            folded: self.folded.map(|(folded, counts)| Box::new(folded.unpack(counts))),
        };
        history.extras = (extras != Extras::default()).then(|| Box::new(extras));
        Ok(history)
    }
}

impl AttachmentRow {
    /// How many words it has.
    fn words(&self) -> usize {
        [self.features(), self.template()]
            .into_iter()
            .flatten()
            .map(|bytes| bytes.div_ceil(8))
            .sum()
    }

    /// Bytes of its features.
    fn features(&self) -> Option<usize> {
        (self.features != Self::NONE).then_some(self.features as usize * 2)
    }

    /// Bytes of its template's id.
    fn template(&self) -> Option<usize> {
        (self.template != Self::NONE).then_some(self.template as usize)
    }

    /// The bytes of its features and the id of its template.
    fn take<'a>(
        &self,
        words: &mut &'a [Word],
    ) -> Result<(Option<&'a [u8]>, Option<&'a str>), &'static str> {
        let features = self.features().map(|length| take_bytes(words, length)).transpose()?;
        let template = self.template().map(|length| take_bytes(words, length)).transpose()?;
        let template = template.map(std::str::from_utf8).transpose();
        Ok((features, template.map_err(|_| "the id of a template is not UTF-8")?))
    }

    fn unpack(&self, words: &mut &[Word]) -> Result<(u64, Attachment), &'static str> {
        let (features, template) = self.take(words)?;
        let features = features.map(|bytes| {
            bytes.chunks_exact(2).map(|pair| i16::from_ne_bytes([pair[0], pair[1]])).collect()
        });
        let decision = (self.decided != 0).then_some(self.decision);
        Ok((
            self.interaction,
            Attachment { features, template: template.map(str::to_string), decision },
        ))
    }
}

/// The next so many bytes, which begin with a word and are padded to whole ones.
fn take_bytes<'a>(words: &mut &'a [Word], length: usize) -> Result<&'a [u8], &'static str> {
    Ok(&bytemuck::cast_slice(split(words, length.div_ceil(8))?)[..length])
}
