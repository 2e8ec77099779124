//! Visiting the customers that an epoch touched: what their news, closed thresholds and ended
//! windows change is emitted.
//!
//! In order means after all that was emitted before: then the running row goes on from where it
//! stands. Anything else is corrected: what the customer's interactions looked like before and what
//! they look like now are computed from the two histories, and the difference is emitted.

use crate::campaign::emission::{Customer, Emission, SegmentChange, Standing};
use crate::campaign::output::{Change, FeatureRow};
use crate::campaign::running::Row;
use crate::campaign::shard::{Before, Shard, Slot};
use crate::campaign::thresholds::{Published, Thresholds, day_of};
use crate::campaign::walk::Walk;
use crate::customer::features::Features;
use crate::customer::history::{Extras, History, Interaction, View};
use crate::customer::unmatched::Unmatched;
use crate::event::Millis;
use crate::settings::TimeSettings;
use hashbrown::{HashMap, HashSet};
use std::cmp::Reverse;

/// What decides, beside a history, whether an interaction has entered the model: closed thresholds
/// and the watermark.
#[derive(Clone, Copy)]
struct Clock<'a> {
    thresholds: &'a Thresholds,
    /// Up to which day thresholds count as closed.
    closed: Option<i32>,
    waits_for_threshold: bool,
    watermark: Option<Millis>,
    time: &'a TimeSettings,
}

impl<'a> Clock<'a> {
    /// As things stand now.
    fn now(
        thresholds: &'a Thresholds,
        features: &Features,
        watermark: Option<Millis>,
        time: &'a TimeSettings,
    ) -> Self {
        Clock {
            thresholds,
            closed: thresholds.closed(),
            waits_for_threshold: features.context().uses_threshold(),
            watermark,
            time,
        }
    }

    #[inline]
    fn is_open(&self, at: Millis) -> bool {
        self.waits_for_threshold && self.closed.is_none_or(|closed| day_of(at) > closed)
    }

    #[inline]
    fn reward_of(&self, view: &View<'_>, interaction: &Interaction) -> Option<i64> {
        view.reward_of(
            interaction,
            self.time.attribution_window,
            self.time.no_response_reward,
            self.watermark,
        )
    }

    fn window_end(&self, interaction: &Interaction) -> Millis {
        interaction.timestamp.saturating_add(self.time.attribution_window)
    }
}

/// The interactions of a customer since an instant, as they stand, with the contexts of those that
/// are learned.
#[derive(Default)]
struct Picture {
    standing: Vec<Standing>,
    contexts: Vec<i16>,
    /// Start of each one's context.
    starts: Vec<usize>,
}

impl Picture {
    fn push(&mut self, standing: Standing, context: &[i16]) {
        self.starts.push(self.contexts.len());
        self.standing.push(standing);
        if standing.learned {
            self.contexts.extend_from_slice(context);
        }
    }

    fn context(&self, index: usize, dimension: usize) -> &[i16] {
        if self.standing[index].learned {
            &self.contexts[self.starts[index]..][..dimension]
        } else {
            &[]
        }
    }
}

impl Shard {
    /// Visits every customer that the epoch touched, after its records have settled and what it
    /// closed was published.
    pub fn visit(
        &mut self,
        published: &Published,
        watermark: Option<Millis>,
        emission: &mut Emission,
    ) {
        let closed_before = self.thresholds.closed();
        let watermark_before = self.watermark;
        self.thresholds.publish(published);
        self.watermark = self.watermark.max(watermark);
        let with_news = self.touched.len();
        self.wake_waiting();
        let touched = std::mem::take(&mut self.touched);
        let mut before = std::mem::take(&mut self.before);
        let mut scratch = Scratch::new(&self.features);
        for (index, &slot) in touched.iter().enumerate() {
            let old = before.remove(&slot).or_else(|| self.out_of_order(slot));
            match old {
                None => self.go_on(slot, emission, &mut scratch),
                Some(old) => self.correct(
                    slot,
                    &old,
                    (closed_before, watermark_before),
                    emission,
                    &mut scratch,
                ),
            }
            self.finish_visit(slot, index < with_news, emission, &mut scratch);
        }
        self.anew = false;
    }

    /// Customers whose day's threshold closed, or whose interaction's window ended, are touched.
    fn wake_waiting(&mut self) {
        while let Some(entry) = self.waiting_for_day.first_entry() {
            if !self.thresholds.is_closed(*entry.key()) {
                break;
            }
            entry.remove().into_iter().for_each(|slot| self.touch(slot));
        }
        let window = self.settings.time.attribution_window;
        while let Some(&Reverse((end, slot))) = self.waiting_for_reward.peek() {
            if self.watermark.is_none_or(|watermark| watermark < end) {
                break;
            }
            self.waiting_for_reward.pop();
            let since = end.saturating_sub(window);
            match self.before.get_mut(&slot) {
                Some(before) => before.since = before.since.min(since),
                None if self.histories[slot as usize].unrewarded > 0 => {
                    self.touch(slot);
                    self.remember(slot, since);
                }
                None => {}
            }
        }
    }

    /// What was settled before, if what was appended does not all lie after what was emitted.
    fn out_of_order(&self, slot: Slot) -> Option<Before> {
        let history = &self.histories[slot as usize];
        history.is_disordered().then(|| Before::of(history, Millis::MAX))
    }

    /// All news lie after what was emitted: goes on from the running row.
    fn go_on(&mut self, slot: Slot, emission: &mut Emission, scratch: &mut Scratch) {
        let anew = self.anew;
        let history = &mut self.histories[slot as usize];
        let unseen = if anew { Unseen::All } else { history.sort_appended() };
        let row = self.rows.of(history, self.features.layout(), &mut scratch.row);
        let clock =
            Clock::now(&self.thresholds, &self.features, self.watermark, &self.settings.time);
        let own_features = self.settings.bandit.own_features;
        let (done_transactions, done_interactions) =
            (history.done_transactions as usize, history.done_interactions as usize);
        let mut unrewarded = history.unrewarded;
        let view = history.view();
        let customer = Customer { id: history.customer, view };
        let mut walk =
            Walk::resume(&self.features, view, done_transactions, row, &mut scratch.context);
        let mut done = done_interactions;
        for interaction in &view.interactions[done_interactions..] {
            if clock.is_open(interaction.timestamp) {
                break;
            }
            done += 1;
            let change = if unseen.holds(interaction.id) { Change::Update } else { Change::Insert };
            let Some(reward) = clock.reward_of(&view, interaction) else {
                unrewarded += 1;
                self.waiting_for_reward.push(Reverse((clock.window_end(interaction), slot)));
                if change == Change::Insert || anew {
                    emission.row(
                        change,
                        &customer,
                        &Standing { interaction: *interaction, reward: None, learned: false },
                        &[],
                    );
                }
                continue;
            };
            let own = own_context(&view, interaction, own_features);
            let context = match own {
                Some(own) => own,
                None => walk.context_at(
                    interaction.timestamp,
                    clock.thresholds.at(day_of(interaction.timestamp)),
                ),
            };
            emission.learn(interaction, context, reward);
            emission.row(
                change,
                &customer,
                &Standing { interaction: *interaction, reward: Some(reward), learned: true },
                context,
            );
        }
        for interaction in &view.interactions[done..] {
            let change = if anew { Change::Update } else { Change::Insert };
            if anew || !unseen.holds(interaction.id) {
                let reward = clock.reward_of(&view, interaction);
                emission.row(
                    change,
                    &customer,
                    &Standing { interaction: *interaction, reward, learned: false },
                    &[],
                );
            }
        }
        let covered = if done == view.interactions.len() { walk.finish() } else { walk.position() };
        self.note_done(slot, covered, done, unrewarded, &scratch.row);
    }

    /// Something that was emitted may be different now: the difference is emitted.
    fn correct(
        &mut self,
        slot: Slot,
        old: &Before,
        (closed, watermark): (Option<i32>, Option<Millis>),
        emission: &mut Emission,
        scratch: &mut Scratch,
    ) {
        let history = &mut self.histories[slot as usize];
        let since = old.since.min(history.first_appended());
        history.sort_all();
        let own_features = self.settings.bandit.own_features;
        let now = Clock::now(&self.thresholds, &self.features, self.watermark, &self.settings.time);
        let then = Clock { closed, watermark, ..now };
        let before = {
            let mut row = scratch.row.as_mut();
            row.start(old.view().folded());
            let mut walk = Walk::resume(&self.features, old.view(), 0, row, &mut scratch.context);
            picture(old.view(), since, &then, own_features, &mut walk)
        };
        let view = history.view();
        let row = self.rows.started(history, &mut scratch.row);
        let mut walk = Walk::resume(&self.features, view, 0, row, &mut scratch.context);
        let after = picture(view, since, &now, own_features, &mut walk);
        let done = view.interactions.partition_point(|i| !now.is_open(i.timestamp));
        let covered = if done == view.interactions.len() { walk.finish() } else { walk.position() };
        let customer = Customer { id: history.customer, view };
        emit_difference(&before, &after, &customer, self.features.context().dimension(), emission);
        let mut unrewarded = 0;
        for interaction in
            view.interactions[..done].iter().filter(|i| now.reward_of(&view, i).is_none())
        {
            unrewarded += 1;
            if interaction.timestamp >= since {
                self.waiting_for_reward.push(Reverse((now.window_end(interaction), slot)));
            }
        }
        self.note_done(slot, covered, done, unrewarded, &scratch.row);
    }

    /// Notes how far the customer has been worked through, with `row` unless it has one; one with
    /// an open interaction waits for the threshold of its day.
    fn note_done(
        &mut self,
        slot: Slot,
        transactions: usize,
        interactions: usize,
        unrewarded: u32,
        row: &Row,
    ) {
        let history = &mut self.histories[slot as usize];
        history.settle_done(transactions, interactions, unrewarded);
        self.rows.settle(history, row);
        if let Some(open) = history.interactions.get(interactions) {
            self.waiting_for_day.entry(day_of(open.timestamp)).or_default().push(slot);
        }
    }

    /// Works out how far a customer from a snapshot has been worked through: the running row, and
    /// what the customer waits for.
    pub(super) fn take_up(&mut self, slot: Slot, scratch: &mut Scratch) {
        let history = &self.histories[slot as usize];
        let clock =
            Clock::now(&self.thresholds, &self.features, self.watermark, &self.settings.time);
        let view = history.view();
        let done =
            view.interactions.partition_point(|interaction| !clock.is_open(interaction.timestamp));
        let covered = match done.checked_sub(1) {
            _ if done == view.interactions.len() => view.transactions.len(),
            Some(last) => view.transactions.partition_point(|transaction| {
                transaction.timestamp() <= view.interactions[last].timestamp
            }),
            None => 0,
        };
        self.rows
            .started(history, &mut scratch.row)
            .add(self.features.layout(), &view.transactions[..covered]);
        let mut unrewarded = 0;
        for interaction in view.interactions[..done]
            .iter()
            .filter(|interaction| clock.reward_of(&view, interaction).is_none())
        {
            unrewarded += 1;
            self.waiting_for_reward.push(Reverse((clock.window_end(interaction), slot)));
        }
        let shown_open = self.shown[slot as usize]
            .and_then(|_| history.latest())
            .map(day_of)
            .filter(|&day| !self.thresholds.is_closed(day));
        if let (Some(day), true) = (shown_open, self.ledger.is_some()) {
            self.waiting_for_day.entry(day).or_default().push(slot);
        }
        self.note_done(slot, covered, done, unrewarded, &scratch.row);
        let history = &mut self.histories[slot as usize];
        history.pending = history.unlearned();
        let unmatched = history.view().unmatched(self.settings.time.attribution_window);
        if let Some(extras) = &mut history.extras {
            extras.unmatched = unmatched;
        }
        self.searching.note(slot, &unmatched);
    }

    /// Counts what waits, and emits the row of features where a sink wants it and it may be another
    /// one.
    fn finish_visit(
        &mut self,
        slot: Slot,
        has_news: bool,
        emission: &mut Emission,
        scratch: &mut Scratch,
    ) {
        let history = &mut self.histories[slot as usize];
        let unlearned = history.unlearned();
        self.counts.pending += i64::from(unlearned) - i64::from(history.pending);
        history.pending = unlearned;
        if history
            .extras
            .as_ref()
            .is_some_and(|extras| extras.recount || extras.unmatched.no_interaction > 0)
        {
            self.count_unmatched(slot);
        }
        if self.settings.emit.features {
            self.emit_features(slot, has_news, emission, scratch);
        }
    }

    /// Counts the customer's rewards that join nothing. Only an interaction that is new to a reward
    /// without one can change that number unless something was resolved.
    #[cold]
    fn count_unmatched(&mut self, slot: Slot) {
        let history = &mut self.histories[slot as usize];
        let now = history.view().unmatched(self.settings.time.attribution_window);
        let Some(extras) = &mut history.extras else { return };
        self.counts.unmatched_change(&extras.unmatched, &now);
        (extras.unmatched, extras.recount) = (now, false);
        history.extras.take_if(|extras| **extras == Extras::default());
        self.searching.note(slot, &now);
    }

    fn emit_features(
        &mut self,
        slot: Slot,
        has_news: bool,
        emission: &mut Emission,
        scratch: &mut Scratch,
    ) {
        let history = &self.histories[slot as usize];
        let customer = history.customer;
        let at = if history.is_blank() { None } else { Some(history.latest().unwrap_or(0)) };
        let was = self.shown.get(slot as usize).copied().flatten();
        let now = at.map(|at| self.write_features(slot, at, was.is_some(), emission, scratch));
        if now.is_none() && was.is_some() {
            emission.features.rows.push(FeatureRow {
                change: Change::Delete,
                customer,
                as_of: 0,
                last_purchase: None,
                signup: None,
            });
        }
        if !has_news && now.is_some() && was == now {
            // Only the threshold of the row's day is another one, of which only is_high_value, one
            // of the flags, depends. Days close for many customers at once, and most stay on their
            // side.
            emission.features.take_back(self.features.names().len());
        }
        if was != now {
            move_between_segments(&mut emission.segments, was, now);
            if self.shown.len() <= slot as usize {
                self.shown.resize(self.histories.len(), None);
            }
            self.shown[slot as usize] = now;
        }
    }

    /// Writes the customer's row as of `at`; says how it counts in its segment.
    fn write_features(
        &mut self,
        slot: Slot,
        at: Millis,
        known: bool,
        emission: &mut Emission,
        scratch: &mut Scratch,
    ) -> Shown {
        let history = &self.histories[slot as usize];
        let covered = self.rows.copy_until(history, Millis::MAX, &mut scratch.row);
        scratch.row.as_mut().add(self.features.layout(), &history.transactions[covered..]);
        let profile = history.view().profile_at(at).copied();
        let state = scratch.row.state(profile.as_ref());
        let day = day_of(at);
        if !self.thresholds.is_closed(day) && self.ledger.is_some() {
            let waiting = self.waiting_for_day.entry(day).or_default();
            if waiting.last() != Some(&slot) {
                waiting.push(slot);
            }
        }
        let start = emission.features.values.len();
        self.features.row(&state, at, self.thresholds.at(day), &mut emission.features.values);
        emission.features.rows.push(FeatureRow {
            change: if known { Change::Update } else { Change::Insert },
            customer: history.customer,
            as_of: at,
            last_purchase: history.last_purchase(),
            signup: profile.map(|p| p.signup).filter(|&signup| signup > Millis::MIN),
        });
        Shown {
            flags: self.segment_of(&emission.features.values[start..]),
            amount: scratch.row.summary.amount,
        }
    }
}

/// How a customer was last shown to the views.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) flags: u8,
    pub(super) amount: u64,
}

fn move_between_segments(
    segments: &mut HashMap<u8, SegmentChange>,
    was: Option<Shown>,
    now: Option<Shown>,
) {
    for (shown, sign) in was.map(|s| (s, -1)).into_iter().chain(now.map(|s| (s, 1))) {
        let segment = segments.entry(shown.flags).or_default();
        segment.customers += sign;
        segment.amount += sign * shown.amount as i64;
    }
}

/// Reused memory for walks.
pub(super) struct Scratch {
    pub(super) row: Row,
    pub(super) context: Vec<i16>,
}

impl Scratch {
    pub(super) fn new(features: &Features) -> Self {
        Scratch {
            row: Row::new(features.layout()),
            context: vec![0; features.context().dimension()],
        }
    }
}

/// The context that the interaction brought along, where that is to be used.
fn own_context<'v>(
    view: &View<'v>,
    interaction: &Interaction,
    own_features: bool,
) -> Option<&'v [i16]> {
    if !own_features || !interaction.contact.attached() {
        return None;
    }
    view.attachment_of(interaction)?.features.as_deref()
}

/// The interactions since an instant, as they stand by the clock.
fn picture(
    view: View<'_>,
    since: Millis,
    clock: &Clock<'_>,
    own_features: bool,
    walk: &mut Walk<'_>,
) -> Picture {
    let mut picture = Picture::default();
    let first = view.interactions.partition_point(|i| i.timestamp < since);
    for interaction in &view.interactions[first..] {
        let reward = clock.reward_of(&view, interaction);
        let learned = reward.is_some() && !clock.is_open(interaction.timestamp);
        let standing = Standing { interaction: *interaction, reward, learned };
        if !learned {
            picture.push(standing, &[]);
            continue;
        }
        let context = match own_context(&view, interaction, own_features) {
            Some(own) => own,
            None => walk.context_at(
                interaction.timestamp,
                clock.thresholds.at(day_of(interaction.timestamp)),
            ),
        };
        picture.push(standing, context);
    }
    picture
}

fn emit_difference(
    before: &Picture,
    after: &Picture,
    customer: &Customer<'_>,
    dimension: usize,
    emission: &mut Emission,
) {
    let mut old: HashMap<u64, usize> =
        before.standing.iter().enumerate().map(|(i, s)| (s.interaction.id, i)).collect();
    for (index, now) in after.standing.iter().enumerate() {
        let context = after.context(index, dimension);
        let Some(was_at) = old.remove(&now.interaction.id) else {
            if let (true, Some(reward)) = (now.learned, now.reward) {
                emission.learn(&now.interaction, context, reward);
            }
            emission.row(Change::Insert, customer, now, context);
            continue;
        };
        let (was, was_context) = (&before.standing[was_at], before.context(was_at, dimension));
        if was == now && was_context == context {
            continue;
        }
        emission.corrected += u64::from(was.learned);
        if let (true, Some(reward)) = (was.learned, was.reward) {
            emission.unlearn(&was.interaction, was_context, reward);
        }
        if let (true, Some(reward)) = (now.learned, now.reward) {
            emission.learn(&now.interaction, context, reward);
        }
        emission.row(Change::Update, customer, now, context);
    }
    let mut gone: Vec<usize> = old.into_values().collect();
    gone.sort_unstable();
    for index in gone {
        let was = &before.standing[index];
        if let (true, Some(reward)) = (was.learned, was.reward) {
            emission.corrected += 1;
            emission.unlearn(&was.interaction, before.context(index, dimension), reward);
        }
        emission.row(Change::Delete, customer, was, &[]);
    }
}

/// Interactions that were settled before the epoch but not emitted: their rows exist.
pub(crate) enum Unseen {
    /// None: everything behind is new.
    None,
    /// These ids.
    Ids(HashSet<u64>),
    /// All of them.
    All,
}

impl Unseen {
    #[inline]
    fn holds(&self, id: u64) -> bool {
        match self {
            Unseen::None => false,
            Unseen::Ids(ids) => ids.contains(&id),
            Unseen::All => true,
        }
    }
}

impl History {
    /// Whether appended events overlap with what has been emitted.
    fn is_disordered(&self) -> bool {
        let (transactions, interactions) = self.appended();
        let last_interaction = self
            .done_interactions
            .checked_sub(1)
            .map_or(Millis::MIN, |i| self.interactions[i as usize].timestamp);
        let last_transaction = self
            .done_transactions
            .checked_sub(1)
            .map_or(Millis::MIN, |i| self.transactions[i as usize].timestamp());
        // A purchase at the instant of an interaction counts for it, so it must come before.
        transactions
            .iter()
            .any(|t| t.timestamp() <= last_interaction || t.timestamp() < last_transaction)
            || interactions
                .iter()
                .any(|i| i.timestamp < last_interaction || i.timestamp < last_transaction)
    }

    /// The earliest event that was appended.
    fn first_appended(&self) -> Millis {
        let (transactions, interactions) = self.appended();
        let first = transactions
            .iter()
            .map(|t| t.timestamp())
            .chain(interactions.iter().map(|i| i.timestamp))
            .min();
        first.unwrap_or(Millis::MAX)
    }

    /// Sorts what lies behind the emitted part.
    fn sort_appended(&mut self) -> Unseen {
        let (done, settled) = (self.done_interactions as usize, self.settled_interactions as usize);
        let unseen = if settled > done {
            Unseen::Ids(self.interactions[done..settled].iter().map(|i| i.id).collect())
        } else {
            Unseen::None
        };
        sort_by_time(&mut self.transactions[self.done_transactions as usize..], |t| {
            (t.timestamp(), t.id)
        });
        sort_by_time(&mut self.interactions[done..], |i| (i.timestamp, i.id));
        unseen
    }

    /// From a snapshot: all of it is settled, and nothing of it counts as emitted.
    pub(super) fn tell_anew(&mut self) {
        self.settle_done(0, 0, 0);
        self.pending = 0;
        if let Some(extras) = &mut self.extras {
            (extras.unmatched, extras.recount) = (Unmatched::default(), true);
        }
    }

    fn sort_all(&mut self) {
        sort_by_time(&mut self.transactions, |t| (t.timestamp(), t.id));
        sort_by_time(&mut self.interactions, |i| (i.timestamp, i.id));
    }

    /// Notes how far the customer has been worked through.
    fn settle_done(&mut self, transactions: usize, interactions: usize, unrewarded: u32) {
        self.settled_transactions = self.transactions.len() as u32;
        self.settled_interactions = self.interactions.len() as u32;
        self.done_transactions = transactions as u32;
        self.done_interactions = interactions as u32;
        self.unrewarded = unrewarded;
    }
}

fn sort_by_time<T>(list: &mut [T], key: impl Fn(&T) -> (Millis, u64)) {
    if !list.is_sorted_by_key(&key) {
        list.sort_unstable_by_key(key);
    }
}
