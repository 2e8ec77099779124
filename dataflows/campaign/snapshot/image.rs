//! The bytes of customers: one block of plain rows for each kind of row, those of a customer in a
//! row, customers in the order of the first block.

use super::SnapshotError;
use crate::codec::rows::{CodecError, Row, decode_next, encode};
use crate::customer::folded::Folded;
use crate::customer::history::{Decided, Extras, History, Interaction, Reward};
use crate::customer::unmatched::Unmatched;
use crate::customer::{Summary, Transaction};
use crate::event::text::TIMESTAMP_END;
use crate::event::{Attachment, CustomerId, Millis, Profile};
use bytemuck::{Pod, Zeroable};

/// A customer, and how many of the rows in the other blocks are theirs.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(super) struct CustomerRow {
    pub(super) customer: CustomerId,
    transactions: u32,
    interactions: u32,
    profiles: u32,
    rewards: u32,
    decisions: u32,
    attachments: u32,
    /// 1 where events have been folded, else 0.
    folded: u32,
    /// How many counts their purchases have.
    counts: u32,
    /// Everything dated up to then is erased; `Millis::MIN` where nothing is.
    erased: Millis,
    pub(super) kept: Kept,
}

/// What is kept of a customer beside the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Kept {
    /// The segment that the customer was last shown in, or [`Kept::NOT_SHOWN`].
    pub(super) shown: i32,
    /// Purchases that count in the totals only from `late_day` on, because their own day had been
    /// applied before they came (fewer than none where some were taken back).
    pub(super) late_purchases: i32,
    /// Their amounts.
    pub(super) late_amount: i64,
    /// The day from which on they count.
    pub(super) late_day: i64,
    /// Up to when events were folded; `Millis::MIN` where they never were.
    pub(super) folded_to: Millis,
}

impl Kept {
    /// The views do not have the customer.
    pub(super) const NOT_SHOWN: i32 = -1;
}

/// A profile version.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
struct ProfileRow {
    from: Millis,
    signup: Millis,
    email_open_rate: f64,
    complaint_count: f64,
    avg_discount: f64,
    premium: u64,
}

/// What an interaction carried; its features and template are in the block of words, each padded to
/// whole words.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
struct AttachmentRow {
    interaction: u64,
    decision: u64,
    /// Number of features, or [`AttachmentRow::NONE`].
    features: u32,
    /// Bytes of the template's id, or [`AttachmentRow::NONE`].
    template: u32,
    decided: u64,
}

impl AttachmentRow {
    const NONE: u32 = u32::MAX;
}

/// What is folded, but for the counts of purchases, which are in a block of their own.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
struct FoldedRow {
    purchases: u64,
    first: Millis,
    last: Millis,
    amount: u64,
    /// The lower and the upper half of the sum of squares.
    squares: [u64; 2],
    least: u64,
    greatest: u64,
    contributions: u64,
    rewards: u64,
    first_contact: Millis,
    last_contact: Millis,
    first_reward: Millis,
    profiled: Millis,
    /// Rewards that had joined nothing: for want of an interaction, before it, after its window.
    unmatched: [u64; 3],
}

/// A purchase of which nothing is known of names that are not listed: it lies as one of which it
/// is, and has no upper parts.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(transparent)]
struct Nameless(Transaction);

/// One count of a customer's folded purchases.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(transparent)]
struct Count(u64);

/// Eight bytes of something.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(transparent)]
struct Word(u64);

impl Row for CustomerRow {
    const NAME: &'static str = "snapshot::CustomerRow 2";
}
impl Row for Transaction {
    const NAME: &'static str = "customer::Transaction 2";
}
impl Row for Nameless {
    const NAME: &'static str = "customer::Transaction 1";
}
impl Row for Interaction {
    const NAME: &'static str = "history::Interaction 1";
}
impl Row for ProfileRow {
    const NAME: &'static str = "snapshot::ProfileRow 1";
}
impl Row for Reward {
    const NAME: &'static str = "history::Reward 1";
}
impl Row for Decided {
    const NAME: &'static str = "history::Decided 1";
}
impl Row for AttachmentRow {
    const NAME: &'static str = "snapshot::AttachmentRow 1";
}
impl Row for FoldedRow {
    const NAME: &'static str = "snapshot::FoldedRow 2";
}
impl Row for Count {
    const NAME: &'static str = "snapshot::Count 1";
}
impl Row for Word {
    const NAME: &'static str = "snapshot::Word 1";
}

/// The customers of one virtual shard on their way to bytes.
#[derive(Debug, Default)]
pub(super) struct Image {
    customers: Vec<CustomerRow>,
    transactions: Vec<Transaction>,
    interactions: Vec<Interaction>,
    profiles: Vec<ProfileRow>,
    rewards: Vec<Reward>,
    decisions: Vec<Decided>,
    attachments: Vec<AttachmentRow>,
    folded: Vec<FoldedRow>,
    counts: Vec<Count>,
    words: Vec<Word>,
    /// It is of before there were names of what is not listed.
    is_nameless: bool,
}

impl Image {
    /// How many customers are in it.
    pub(super) fn customers(&self) -> u64 {
        self.customers.len() as u64
    }

    /// Adds a settled customer.
    pub(super) fn push(&mut self, history: &History, kept: Kept) {
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
            self.counts.extend(folded.counts.iter().map(|&count| Count(u64::from(count))));
        }
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
    pub(super) fn into_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(&self.customers, &mut bytes);
        encode(&self.transactions, &mut bytes);
        encode(&self.interactions, &mut bytes);
        encode(&self.profiles, &mut bytes);
        encode(&self.rewards, &mut bytes);
        encode(&self.decisions, &mut bytes);
        encode(&self.attachments, &mut bytes);
        encode(&self.folded, &mut bytes);
        encode(&self.counts, &mut bytes);
        encode(&self.words, &mut bytes);
        bytes
    }

    /// An image from its bytes.
    pub(super) fn from_bytes(mut bytes: &[u8]) -> Result<Image, SnapshotError> {
        let bytes = &mut bytes;
        let customers = decode_next(bytes)?;
        let (transactions, is_nameless) = match decode_next(bytes) {
            Err(CodecError::Layout { .. }) => (
                decode_next(bytes)?.into_iter().map(|Nameless(transaction)| transaction).collect(),
                true,
            ),
            transactions => (transactions?, false),
        };
        Ok(Image {
            customers,
            transactions,
            is_nameless,
            interactions: decode_next(bytes)?,
            profiles: decode_next(bytes)?,
            rewards: decode_next(bytes)?,
            decisions: decode_next(bytes)?,
            attachments: decode_next(bytes)?,
            folded: decode_next(bytes)?,
            counts: decode_next(bytes)?,
            words: decode_next(bytes)?,
        })
    }

    /// Whether it is of before there were names of what is not listed: `other` is the code behind
    /// each list.
    pub(super) fn is_nameless(&self) -> bool {
        self.is_nameless
    }

    /// Hands over every customer, with an otherwise empty history that holds what is settled.
    pub(super) fn unpack(
        &self,
        mut take: impl FnMut(CustomerRow, History),
    ) -> Result<(), &'static str> {
        self.each(|rows| {
            take(*rows.customer, rows.history()?);
            Ok(())
        })
    }

    /// Hands over the rows of every customer, where they lie.
    pub(super) fn each(
        &self,
        mut take: impl FnMut(CustomerRows<'_>) -> Result<(), &'static str>,
    ) -> Result<(), &'static str> {
        let (mut transactions, mut interactions) =
            (self.transactions.as_slice(), self.interactions.as_slice());
        let (mut profiles, mut rewards) = (self.profiles.as_slice(), self.rewards.as_slice());
        let (mut decisions, mut attachments) =
            (self.decisions.as_slice(), self.attachments.as_slice());
        let (mut folded, mut counts, mut words) =
            (self.folded.as_slice(), self.counts.as_slice(), self.words.as_slice());
        for customer in &self.customers {
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
pub(super) struct CustomerRows<'a> {
    pub(super) customer: &'a CustomerRow,
    pub(super) transactions: &'a [Transaction],
    pub(super) interactions: &'a [Interaction],
    profiles: &'a [ProfileRow],
    rewards: &'a [Reward],
    decisions: &'a [Decided],
    attachments: &'a [AttachmentRow],
    words: &'a [Word],
    folded: Option<(&'a FoldedRow, &'a [Count])>,
}

impl CustomerRows<'_> {
    /// How many counts the folded purchases have, if any are folded.
    pub(super) fn folded_counts(&self) -> Option<usize> {
        self.folded.map(|(_, counts)| counts.len())
    }

    /// Whether purchases are in order, purchases and interactions at instants that there are, and
    /// what interactions carried can be read.
    pub(super) fn check(&self) -> Result<(), &'static str> {
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

impl ProfileRow {
    fn of(profile: &Profile) -> Self {
        let Profile { from, signup, email_open_rate, complaint_count, avg_discount, premium } =
            *profile;
        ProfileRow {
            from,
            signup,
            email_open_rate,
            complaint_count,
            avg_discount,
            premium: u64::from(premium),
        }
    }

    fn profile(&self) -> Profile {
        let ProfileRow { from, signup, email_open_rate, complaint_count, avg_discount, premium } =
            *self;
        Profile {
            from,
            signup,
            email_open_rate,
            complaint_count,
            avg_discount,
            premium: premium != 0,
        }
    }
}

impl FoldedRow {
    fn of(folded: &Folded) -> Self {
        let Folded {
            summary,
            counts: _,
            contributions,
            rewards,
            unmatched,
            first_contact,
            last_contact,
            first_reward,
            profiled,
        } = *folded;
        let Unmatched { no_interaction, before, after } = unmatched;
        let Summary { purchases, first, last, amount, squares, least, greatest } = summary;
        let squares = [squares as u64, (squares >> 64) as u64];
        let purchases = u64::from(purchases);
        FoldedRow {
            purchases,
            first,
            last,
            amount,
            squares,
            least,
            greatest,
            contributions,
            rewards,
            first_contact,
            last_contact,
            first_reward,
            profiled,
            unmatched: [no_interaction, before, after].map(u64::from),
        }
    }

    fn unpack(&self, counts: &[Count]) -> Folded {
        let FoldedRow {
            first,
            last,
            amount,
            least,
            greatest,
            contributions,
            rewards,
            first_contact,
            last_contact,
            first_reward,
            profiled,
            ..
        } = *self;
        let [no_interaction, before, after] = self.unmatched.map(|number| number as u32);
        let unmatched = Unmatched { no_interaction, before, after };
        let squares = u128::from(self.squares[0]) | u128::from(self.squares[1]) << 64;
        let summary = Summary {
            purchases: self.purchases as u32,
            first,
            last,
            amount,
            squares,
            least,
            greatest,
        };
        let counts = counts.iter().map(|count| count.0 as u32).collect();
        Folded {
            summary,
            counts,
            contributions,
            rewards,
            unmatched,
            first_contact,
            last_contact,
            first_reward,
            profiled,
        }
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

/// The same image, as it was written before there were names of what is not listed, under lists of
/// these lengths.
#[cfg(test)]
pub(in crate::campaign) fn without_names(bytes: &[u8], lists: [usize; 3]) -> Vec<u8> {
    use crate::event::unlisted::Code;
    let mut image = Image::from_bytes(bytes).expect("the bytes are whole");
    for transaction in &mut image.transactions {
        let codes = transaction.codes().into_iter().zip(lists);
        let codes: Vec<Code> =
            codes.map(|(code, listed)| Code::listed(code.index().min(listed))).collect();
        *transaction = transaction.with_codes(codes.try_into().expect("three of three"));
    }
    let nameless: Vec<Nameless> = image.transactions.iter().copied().map(Nameless).collect();
    let (mut customers, mut before, mut named) = (Vec::new(), Vec::new(), Vec::new());
    encode(&image.customers, &mut customers);
    encode(&nameless, &mut before);
    encode(&image.transactions, &mut named);
    let rest = customers.len() + named.len();
    [customers, before, image.into_bytes().split_off(rest)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Contact, Purchase};

    fn customer(number: i64) -> History {
        let mut history = History::new(number);
        history.transactions = (0..number as u64)
            .map(|i| Transaction::new(i, i as i64 * 1000, Purchase::new(i, 1, 2, 3, true)))
            .collect();
        history.interactions = (0..number as u64 / 2)
            .map(|id| Interaction {
                id,
                timestamp: 5,
                contact: Contact::new(2, Some(-7), id % 2 == 0),
                propensity: 0.25,
            })
            .collect();
        if number % 3 == 0 {
            history.profiles.push(Profile {
                from: Millis::MIN,
                signup: 7,
                email_open_rate: 0.5,
                complaint_count: 2.0,
                avg_discount: 0.1,
                premium: true,
            });
        }
        if number % 4 == 0 {
            let extras = history.extras_mut();
            extras.erased = Some(Millis::MAX);
            extras.rewards.push(Reward { id: 1, interaction: 2, timestamp: 3, value: -4 });
            extras.decisions.push(Decided {
                key: 1,
                timestamp: 9,
                propensity: 1.0,
                model_version: 8,
            });
            let features = Some((0..number as i16).collect());
            extras.attachments.push((
                0,
                Attachment {
                    features,
                    template: Some("sale é".repeat(number as usize)),
                    decision: Some(0),
                },
            ));
            extras.attachments.push((
                2,
                Attachment {
                    features: Some(Vec::new()),
                    template: Some(String::new()),
                    decision: None,
                },
            ));
            extras.attachments.push((4, Attachment::default()));
        }
        if number % 5 == 0 {
            let summary = Summary {
                purchases: 3,
                first: -number,
                last: 8,
                amount: 9,
                squares: u128::MAX - number as u128,
                least: 1,
                greatest: u64::MAX,
            };
            history.extras_mut().folded = Some(Box::new(Folded {
                summary,
                counts: (0..number as u32).collect(),
                contributions: 4,
                rewards: 2,
                unmatched: Unmatched { no_interaction: 1, before: 0, after: number as u32 },
                first_contact: Millis::MAX,
                last_contact: Millis::MIN,
                first_reward: 5,
                profiled: 6,
            }));
        }
        history
    }

    fn kept(number: i64) -> Kept {
        Kept {
            shown: number as i32 - 1,
            late_purchases: -1,
            late_amount: -number,
            late_day: 3,
            folded_to: number - 5,
        }
    }

    fn image() -> Image {
        let mut image = Image::default();
        (0..20).for_each(|number| image.push(&customer(number), kept(number)));
        image
    }

    #[test]
    fn customers_come_back_as_they_were() {
        let mut number = 0;
        let image = Image::from_bytes(&image().into_bytes()).expect("the bytes are whole");
        let unpacked = image.unpack(|row, history| {
            let expected = customer(number);
            assert_eq!((row.customer, row.kept), (number, kept(number)));
            assert_eq!(
                (&history.transactions, &history.interactions),
                (&expected.transactions, &expected.interactions)
            );
            assert_eq!(
                (&history.profiles, &history.extras),
                (&expected.profiles, &expected.extras)
            );
            number += 1;
        });
        assert_eq!((unpacked, number), (Ok(()), 20));
    }

    #[test]
    fn rows_that_do_not_fit_together_are_refused() {
        let unpack = |change: fn(&mut Image)| {
            let mut image = image();
            change(&mut image);
            image.unpack(|_, _| {})
        };
        assert_eq!(unpack(|_| {}), Ok(()));
        assert!(unpack(|image| image.transactions.truncate(1)).is_err());
        assert!(unpack(|image| image.customers.truncate(3)).is_err());
        assert!(unpack(|image| image.words.truncate(2)).is_err());
        assert!(unpack(|image| image.folded.truncate(1)).is_err());
        assert!(unpack(|image| image.counts.truncate(1)).is_err());
        assert!(
            unpack(|image| image.customers.iter_mut().for_each(|row| row.folded *= 2)).is_err()
        );
        assert!(
            unpack(|image| image
                .attachments
                .iter_mut()
                .for_each(|row| row.template = row.template.saturating_sub(1)))
            .is_err(),
            "half a letter"
        );
    }
}
