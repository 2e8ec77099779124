//! Arrivals against a naive batch over all that came.

use super::{Arrivals, ArrivalsOf};
use crate::codec::Aligned;
use crate::dataflow::{Announced, Restoring, Soundness};
use crate::event::text::virtual_shard;
use crate::event::{Reason, Rejected};
use crate::keyed::tests::{Came, CameOfAll, Coming, Taken, Trial};
use crate::keyed::{
    Keyed, KeyedCommon, KeyedErasure, KeyedRestoring, KeyedSettings, KeyedSoundness, ViewChange,
    ViewSum, tables,
};
use crate::mixing;
use crate::snapshot::SnapshotError;
use crate::source::{CustomerId, Save};
use crate::time::{DAY, Millis};
use std::collections::BTreeMap;

/// 2024-01-01.
const START: Millis = 1_704_067_200_000;

const EPOCHS: u64 = 6;
const PARTITIONS: u32 = 3;

struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = mixing::step(self.0);
        self.0 % end
    }
}

/// What a record says, as the batch sees it.
#[derive(Clone, Copy, Debug)]
enum Does {
    Upsert(u64, Millis),
    Retract(u64),
    Erase(Millis),
    /// It names no arrival.
    Broken(Millis),
}

/// All that is told of customers, by epoch, partition and offset.
#[derive(Debug)]
struct Past {
    said: Vec<(Coming, CustomerId, Does)>,
    on_record: Vec<(CustomerId, Millis)>,
}

/// Some customers with few ids and few days, so that all happens to them: what is late, comes
/// twice, is replaced, taken back before it came, and erased before and after.
fn past(seed: u64) -> Past {
    let mut random = Random(seed);
    let (mut said, mut epochs) = (Vec::new(), [1; PARTITIONS as usize]);
    for _ in 0..120 {
        let partition = random.below(PARTITIONS.into());
        let epoch = &mut epochs[partition as usize];
        *epoch = EPOCHS.min(*epoch + u64::from(random.below(6) == 0));
        let customer = random.below(9) as CustomerId;
        let (id, at) = (random.below(4), START + random.below(10) as Millis * DAY);
        let does = match random.below(12) {
            0..8 => Does::Upsert(id, at),
            8..10 => Does::Retract(id),
            10 => Does::Erase(at - 4 * DAY),
            _ => Does::Broken(at),
        };
        let text = match does {
            Does::Upsert(id, at) => format!(
                r#"{{"customer_id": {customer}, "arrival_id": "a-{id}", "timestamp": {at}}}"#
            ),
            Does::Retract(id) => format!(
                r#"{{"customer_id": "{customer}", "arrival_id": "a-{id}", "op": "retract"}}"#
            ),
            Does::Erase(until) => {
                format!(r#"{{"op": "erase", "customer_id": {customer}, "timestamp": {until}}}"#)
            }
            Does::Broken(at) => format!(r#"{{"customer_id": {customer}, "timestamp": {at}}}"#),
        };
        said.push((Coming { epoch: *epoch, partition: partition as u32, text }, customer, does));
    }
    let on_record = vec![(3, START + 2 * DAY), (77, Millis::MAX)];
    Past { said, on_record }
}

impl Past {
    fn coming(&self) -> Vec<Coming> {
        self.said.iter().map(|(coming, ..)| coming.clone()).collect()
    }

    /// What is said of customers up to an epoch, in the order in which it holds.
    fn until(&self, epoch: u64) -> Vec<(&Coming, CustomerId, Does)> {
        let mut said: Vec<_> =
            self.said.iter().map(|(coming, customer, does)| (coming, *customer, *does)).collect();
        said.retain(|(coming, ..)| coming.epoch <= epoch);
        // Stable: of a partition they are in the order of their offsets.
        said.sort_by_key(|(coming, ..)| (coming.epoch, coming.partition));
        said
    }

    /// Up to when everybody is erased after an epoch.
    fn erased(&self, epoch: u64) -> BTreeMap<CustomerId, Millis> {
        let mut erased: BTreeMap<CustomerId, Millis> = BTreeMap::new();
        let records = self.until(epoch).into_iter().filter_map(|(_, customer, does)| match does {
            Does::Erase(until) => Some((customer, until)),
            _ => None,
        });
        for (customer, until) in records.chain(self.on_record.iter().copied()) {
            let most = erased.entry(customer).or_insert(until);
            *most = until.max(*most);
        }
        erased
    }

    /// What is seen after an epoch.
    fn batch(&self, epoch: u64) -> BTreeMap<CustomerId, ArrivalsOf> {
        let mut last: BTreeMap<(CustomerId, u64), Option<Millis>> = BTreeMap::new();
        for (_, customer, does) in self.until(epoch) {
            match does {
                Does::Upsert(id, at) => drop(last.insert((customer, id), Some(at))),
                Does::Retract(id) => drop(last.insert((customer, id), None)),
                Does::Erase(_) | Does::Broken(_) => {}
            }
        }
        let erased = self.erased(epoch);
        let mut seen: BTreeMap<CustomerId, ArrivalsOf> = BTreeMap::new();
        for ((customer, _), at) in last {
            let Some(at) = at.filter(|at| erased.get(&customer).is_none_or(|until| at > until))
            else {
                continue;
            };
            let of =
                seen.entry(customer).or_insert(ArrivalsOf { arrivals: 0, first: at, last: at });
            *of = ArrivalsOf {
                arrivals: of.arrivals + 1,
                first: at.min(of.first),
                last: at.max(of.last),
            };
        }
        seen
    }

    /// What must come of an epoch.
    fn compare(&self, epoch: u64, came: &Came<ArrivalsOf>) {
        let (before, after) = (self.batch(epoch - 1), self.batch(epoch));
        let mut customers: Vec<&CustomerId> = before.keys().chain(after.keys()).collect();
        customers.sort();
        customers.dedup();
        let changes = customers.into_iter().map(|customer| ViewChange {
            customer: *customer,
            before: before.get(customer).copied(),
            after: after.get(customer).copied(),
        });
        let changes: Vec<_> = changes.filter(|change| change.before != change.after).collect();
        assert_eq!(came.views, changes, "epoch {epoch}");
        let mut sum = ViewSum::default();
        after.iter().for_each(|(customer, view)| sum.add(&ViewSum::of(*customer, view)));
        assert_eq!(came.common.sum, sum, "epoch {epoch}");
        assert_eq!(came.common.customers(), after.len() as u64);
        let is_new = |said: &&(Coming, CustomerId, Does)| said.0.epoch == epoch;
        let new: Vec<_> = self.said.iter().filter(is_new).collect();
        let erased = self.erased(epoch);
        let mut blanked: Vec<bool> = came.rejected.iter().map(Rejected::is_blanked).collect();
        let mut expected: Vec<bool> = new
            .iter()
            .filter_map(|(_, customer, does)| match does {
                Does::Broken(at) => Some(erased.get(customer).is_some_and(|until| at <= until)),
                _ => None,
            })
            .collect();
        let valid = (new.len() - expected.len()) as u64;
        assert_eq!(came.counts.records, valid, "epoch {epoch}");
        blanked.sort_unstable();
        expected.sort_unstable();
        assert_eq!(blanked, expected, "epoch {epoch}");
        assert!(came.rejected.iter().all(|rejected| rejected.reason == Reason::MissingField));
        let mut told: Vec<CustomerId> =
            new.iter().filter(|said| matches!(said.2, Does::Erase(_))).map(|said| said.1).collect();
        let on_record = self.on_record.iter().filter(|_| epoch == 1);
        told.extend(on_record.map(|(customer, _)| customer));
        told.sort_unstable();
        told.dedup();
        let until = |erasure: &KeyedErasure| (erasure.customer, erasure.until);
        let told: Vec<_> = told.into_iter().map(|customer| (customer, erased[&customer])).collect();
        assert_eq!(came.erasures.iter().map(until).collect::<Vec<_>>(), told, "epoch {epoch}");
    }
}

fn trial<'a>(past: &'a Past, coming: &'a [Coming], saves: &'a BTreeMap<u64, Save>) -> Trial<'a> {
    Trial {
        workers: 1,
        partitions: PARTITIONS,
        epochs: EPOCHS,
        coming,
        on_record: &past.on_record,
        saves,
        after: None,
        shuffle: 0,
    }
}

fn check(past: &Past, came: &CameOfAll<ArrivalsOf>, after: u64) {
    assert_eq!(came.epochs.keys().copied().collect::<Vec<_>>(), Vec::from_iter(after + 1..=EPOCHS));
    came.epochs.iter().for_each(|(epoch, came)| past.compare(*epoch, came));
}

#[test]
fn they_are_what_a_batch_over_all_that_came_gives() {
    for seed in 0..30 {
        let past = past(seed);
        let (coming, saves) = (past.coming(), BTreeMap::new());
        for workers in 1..=3 {
            let of = Trial { workers, shuffle: seed * 7, ..trial(&past, &coming, &saves) };
            check(&past, &of.run::<Arrivals>(), 0);
        }
    }
}

#[test]
fn a_snapshot_is_taken_up_by_any_number_of_workers() {
    let (mut images, mut changed) = (0, 0);
    for seed in 100..112 {
        let past = past(seed);
        let coming = past.coming();
        // The second holds what changed after the first, and is taken while epochs go on.
        let saves = BTreeMap::from([(2, Save::Everything), (4, Save::Changes)]);
        let mut taken: Option<Taken> = None;
        for workers in 1..=3 {
            let of = Trial { workers, shuffle: seed, ..trial(&past, &coming, &saves) };
            let came = of.run::<Arrivals>();
            changed += came.images.iter().filter(|image| image.epoch == 4).count();
            let now = came.taken(4, 2);
            images += now.images.len();
            let same = taken.get_or_insert_with(|| now.clone());
            assert_eq!(same, &now, "seed {seed}, {workers} workers");
            assert_eq!(sound(&now), Ok(()), "seed {seed}");
            for peers in 1..=3 {
                let none = BTreeMap::new();
                let of = trial(&past, &coming, &none);
                let of = Trial { workers: peers, after: Some(&now), shuffle: seed + 1, ..of };
                let resumed = of.run::<Arrivals>();
                check(&past, &resumed, 4);
                for (epoch, resumed) in &resumed.epochs {
                    assert_eq!(resumed, &came.epochs[epoch], "seed {seed}");
                }
            }
        }
    }
    assert!(images > 100 && changed > 30, "{images} images, {changed} of changes");
}

#[test]
fn what_is_no_image_of_a_virtual_shard_is_refused() {
    let load = |shard, whole, text: &str| {
        let mut restoring = KeyedRestoring::<Arrivals>::after(&KeyedCommon::default());
        restoring.load(shard, whole, Aligned::from(text.as_bytes()))
    };
    let [customer, other] = [17, 18].map(virtual_shard);
    let image = r#"[[17,{"e":5,"k":{"3":9}}]]"#;
    assert_eq!(load(customer as u16, true, image), Ok(1));
    for (shard, whole, text, why) in [
        (customer, false, image, "whole images"),
        (other, true, image, "another virtual shard"),
        (customer, true, r#"[[17,{"k":{}}],[17,{"k":{}}]]"#, "not in order"),
        (customer, true, r#"[[17,{"k":{}}]"#, "no list"),
        (customer, true, r#"[[17,{"k":{"3":"soon"}}]]"#, "no list"),
        (customer, true, "", "no list"),
    ] {
        let refused = load(shard as u16, whole, text).expect_err("it is no image");
        assert!(refused.to_string().contains(why), "{refused}");
    }
}

/// Looks through a snapshot, as before a start.
fn sound(taken: &Taken) -> Result<(), SnapshotError> {
    look(taken, &taken.common, |_, text| text.to_vec())
}

/// Looks through one of which another is announced, and whose images became others.
fn look(
    taken: &Taken,
    announced: &KeyedCommon,
    became: impl Fn(u16, &[u8]) -> Vec<u8>,
) -> Result<(), SnapshotError> {
    type Looking = KeyedSoundness<Arrivals>;
    let &KeyedCommon { epoch, watermark, .. } = announced;
    let (digest, customers) = (announced.digest::<Arrivals>(), announced.customers());
    let announced = Announced { epoch, watermark, digest, customers };
    let looking = Looking::of(&KeyedSettings::default())?;
    let common = looking.common(&announced, &taken.common.to_bytes())?;
    let sums = taken.images.values().map(|image| {
        let bytes = Aligned::from(&became(image.shard, &image.bytes)[..]);
        let mut shard = looking.shard(image.shard);
        Looking::look(&mut shard, image.whole, image.customers, bytes)?;
        Ok(Looking::found(shard))
    });
    Looking::compare(&common, sums.collect::<Result<Vec<_>, SnapshotError>>()?)
}

#[test]
fn what_is_not_as_it_was_written_is_found_before_it_is_taken_up() {
    let past = past(7);
    let (coming, saves) = (past.coming(), BTreeMap::from([(EPOCHS, Save::Everything)]));
    let taken = trial(&past, &coming, &saves).run::<Arrivals>().taken(EPOCHS, EPOCHS);
    assert_eq!(sound(&taken), Ok(()));
    let fault = |announced: KeyedCommon| {
        let found = look(&taken, &announced, |_, text| text.to_vec());
        found.expect_err("it is another one").to_string()
    };
    let was = || taken.common.clone();
    assert!(fault(KeyedCommon { epoch: 3, ..was() }).contains("of epoch 6"));
    assert!(fault(KeyedCommon { watermark: None, ..was() }).contains("watermark"));
    let (mut fewer, mut others) = (was(), was());
    fewer.sum.views -= 1;
    assert!(fault(fewer).contains("customers, and should have"));
    let view = ArrivalsOf { arrivals: 1, first: 0, last: 0 };
    others.sum.add(&ViewSum::of(1, &view));
    others.sum.views -= 1;
    assert!(fault(others).contains("digest"));
    let mut seen = 0;
    for shard in taken.images.keys() {
        let emptied = |own, text: &[u8]| if own == *shard { b"[]".to_vec() } else { text.to_vec() };
        assert!(look(&taken, &taken.common, emptied).is_err(), "shard {shard}");
        // Somebody has another arrival than was written.
        let one = |own, text: &[u8]| {
            let text = String::from_utf8(text.to_vec()).expect("JSON");
            let more = text.replacen(r#""k":{""#, r#""k":{"7":1,""#, usize::from(own == *shard));
            more.into_bytes()
        };
        let bytes = &taken.images[shard].bytes;
        if one(*shard, bytes) != *bytes {
            assert!(look(&taken, &taken.common, one).is_err(), "shard {shard}");
            seen += 1;
        }
    }
    assert!(seen > 3, "{seen} virtual shards have arrivals");
}

#[test]
fn its_tables_fit_together() {
    for table in tables::<Arrivals>() {
        assert_eq!(table.faults(), Vec::<String>::new());
    }
    let own = <Arrivals as Keyed>::table();
    let names: Vec<&str> = own.names().collect();
    assert_eq!((names.first(), names.last()), (Some(&"customer_id"), Some(&"epoch")));
}
