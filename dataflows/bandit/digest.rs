//! The digest of a model as it changes from epoch to epoch.
//!
//! It hashes every arm in the order of their numbers ([`digest`](super::totals::digest)), so what
//! comes before the first arm that has changed need not be hashed again; an arm that nothing was
//! learned of is zeros, which cost nothing but the hashing; and where no arm has changed it is what
//! it was. So arms that are retired, which have low numbers, cost nothing while newer ones learn.

use super::totals::{Totals, begun};
use super::triangle_length;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What an arm without observations is hashed as, as many at once as fit.
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// The digest of so many arms, whichever of them are told.
#[derive(Clone, Debug)]
pub struct ModelDigest {
    arms: u32,
    /// Bytes of an arm.
    length: usize,
    /// What was hashed before arms, of those that something was learned of, and before the first.
    before: BTreeMap<u32, Sha256>,
    /// The digest, where no arm has changed since.
    newest: Option<[u8; 32]>,
    /// An arm's bytes.
    bytes: Vec<u8>,
}

impl ModelDigest {
    /// Of so many arms with contexts of these terms.
    pub fn new(context_names: &[String], arms: usize) -> Self {
        let dimension = context_names.len();
        ModelDigest {
            arms: arms as u32,
            length: 16 * (1 + triangle_length(dimension) + dimension),
            before: BTreeMap::from([(0, begun(dimension, context_names))]),
            newest: None,
            bytes: Vec::new(),
        }
    }

    /// An arm has other sums now.
    pub fn changed(&mut self, arm: u32) {
        self.newest = None;
        self.before.split_off(&arm.saturating_add(1));
    }

    /// The digest, by the sums of each arm that something was learned of, in ascending order.
    pub fn of<'a>(&mut self, seen: impl IntoIterator<Item = (u32, &'a Totals)>) -> [u8; 32] {
        if let Some(newest) = self.newest {
            return newest;
        }
        let Some((&first, hash)) = self.before.last_key_value() else { return [0; 32] };
        let (mut next, mut hash) = (first, hash.clone());
        for (arm, totals) in seen.into_iter().filter(|(arm, _)| *arm >= first) {
            self.zeros(&mut hash, arm - next);
            self.before.insert(arm, hash.clone());
            self.bytes.clear();
            totals.write(&mut self.bytes);
            hash.update(&self.bytes);
            next = arm + 1;
        }
        self.zeros(&mut hash, self.arms.saturating_sub(next));
        let digest = hash.finalize().into();
        self.newest = Some(digest);
        digest
    }

    /// So many arms without observations.
    fn zeros(&self, hash: &mut Sha256, arms: u32) {
        let mut left = self.length * arms as usize;
        while left > 0 {
            let some = left.min(ZEROS.len());
            hash.update(&ZEROS[..some]);
            left -= some;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::SplitMix64;
    use super::super::totals::digest;
    use super::*;
    use nix::time::{ClockId, clock_gettime};
    use std::time::Duration;

    /// The definition, over every arm.
    fn defined(names: &[String], arms: u32, seen: &BTreeMap<u32, Totals>) -> [u8; 32] {
        let empty = Totals::new(names.len());
        let all: Vec<_> = (0..arms).map(|arm| (arm, seen.get(&arm).unwrap_or(&empty))).collect();
        digest(names.len(), names, &all)
    }

    #[test]
    fn whichever_arms_change_it_is_the_digest_of_all() {
        for seed in 0..20 {
            let mut random = SplitMix64(seed);
            let names: Vec<String> =
                (0..1 + random.next() % 6).map(|term| format!("term {term}")).collect();
            let arms = 1 + (random.next() % 2_000) as u32;
            let (mut seen, mut kept) = (BTreeMap::new(), ModelDigest::new(&names, arms as usize));
            assert_eq!(kept.of([]), defined(&names, arms, &seen));
            for _ in 0..12 {
                for _ in 0..random.next() % 4 {
                    let arm = (random.next() % u64::from(arms)) as u32;
                    let totals = seen.entry(arm).or_insert_with(|| Totals::new(names.len()));
                    totals.n += 1 - (random.next() % 2) as i64;
                    let at = random.next() as usize % totals.a.len();
                    totals.a[at] += i128::from(random.next() as i64);
                    kept.changed(arm);
                }
                let told = seen.iter().map(|(arm, totals)| (*arm, totals));
                assert_eq!(kept.of(told), defined(&names, arms, &seen), "seed {seed}");
            }
        }
    }

    /// How long this thread has had the processor.
    fn used() -> Duration {
        clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a thread has such a clock").into()
    }

    #[test]
    #[ignore = "measures: what an epoch's digest costs with so many arms"]
    fn cost_by_number_of_arms() {
        let names: Vec<String> = (0..32).map(|term| format!("term {term}")).collect();
        for arms in [4, 1_000, 30_000] {
            let last = arms as u32 - 1;
            let seen: BTreeMap<u32, Totals> =
                [0, 1, 2, last].map(|arm| (arm, Totals::new(32))).into();
            let told = || seen.iter().map(|(arm, totals)| (*arm, totals));
            let mut kept = ModelDigest::new(&names, arms);
            kept.of(told());
            let bench = |what: &str, run: &mut dyn FnMut()| {
                let begun = used();
                (0..5).for_each(|_| run());
                println!("{arms} arms, {what}: {:?} an epoch", (used() - begun) / 5);
            };
            bench("by definition", &mut || {
                std::hint::black_box(defined(&names, arms as u32, &seen));
            });
            for (what, arm) in [("the first changes", 0), ("the last changes", last)] {
                bench(what, &mut || {
                    kept.changed(arm);
                    kept.of(told());
                });
            }
            bench("none changes", &mut || {
                std::hint::black_box(kept.of(told()));
            });
        }
    }
}
