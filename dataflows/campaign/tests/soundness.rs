//! Every snapshot that is taken is found to be sound, in all tests that go on from one. What is not
//! as it was written, though every checksum is right, is refused, or can be taken up all the same.

use super::*;
use crate::bandit::totals::digest;
use crate::campaign::snapshot::soundness::{Domain, ShardLook};
use crate::dataflow::{Announced, Soundness};
use crate::snapshot::SnapshotError;

/// Looks through a snapshot, as before a start.
pub(super) fn sound(settings: &Settings, snapshot: &Snapshot) -> Result<(), SnapshotError> {
    announced(settings, &snapshot.common).and_then(|announced| look(settings, &announced, snapshot))
}

/// What is written of a snapshot beside it.
fn announced(settings: &Settings, common: &Common) -> Result<Announced, SnapshotError> {
    let context = features(settings).context().clone();
    let mut follower = Follower::restored(0, common);
    let customers = follower.customers();
    follower.end(common.epoch, &[], &Counts::none(), &Closed::default());
    let empty = Totals::new(context.dimension());
    let newest: BTreeMap<u32, &Totals> = follower.totals().collect();
    let totals = |arm| (arm, newest.get(&arm).copied().unwrap_or(&empty));
    let arms: Vec<(u32, &Totals)> = (0..settings.input.arms.len() as u32).map(totals).collect();
    let digest = digest(context.dimension(), context.names(), &arms);
    Ok(Announced { epoch: common.epoch, watermark: common.watermark, digest, customers })
}

fn look(
    settings: &Settings,
    announced: &Announced,
    snapshot: &Snapshot,
) -> Result<(), SnapshotError> {
    let bounds = Domain::of(settings)?;
    let common = bounds.common(announced, &snapshot.common.to_bytes())?;
    let mut looks: BTreeMap<u16, ShardLook<'_>> = BTreeMap::new();
    for image in snapshot.images.iter().rev() {
        let look = looks.entry(image.shard).or_insert_with(|| bounds.shard(image.shard));
        Domain::look(look, image.whole, image.customers, Aligned::from(&image.bytes[..]))?;
    }
    Domain::compare(&common, looks.into_values().map(Domain::found))
}

/// A run that has taken a snapshot, which has chains of images.
fn taken(seed: u64) -> (Run, Outcome, Snapshot) {
    let mut random = Random(5_000 + seed);
    let arrivals = arrivals(&mut random, 400);
    let epochs = cuts(&mut random, arrivals.len());
    let saves = (1..epochs.len() as u64)
        .map(|epoch| (epoch, if epoch == 1 { Save::Everything } else { Save::Changes }))
        .collect();
    let run = Run { arrivals, epochs, workers: 1, saves, ..Run::default() };
    let outcome = run.run();
    let epoch = *outcome.complete.last_key_value().expect("a snapshot is complete").0;
    let snapshot = outcome.snapshot(epoch);
    (run, outcome, snapshot)
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let (_, Outcome { settings, .. }, snapshot) = taken(1);
    let announced = announced(&settings, &snapshot.common).expect("it is sound");
    let refused = |said: &str, change: &dyn Fn(&mut Snapshot, &mut Announced)| {
        let (mut snapshot, mut announced) = (snapshot.clone(), announced.clone());
        change(&mut snapshot, &mut announced);
        let error = look(&settings, &announced, &snapshot).expect_err(said).to_string();
        assert!(error.contains(said), "{said}: {error}");
    };
    let first = snapshot.images[0].shard;
    let other = snapshot
        .images
        .iter()
        .map(|image| image.shard)
        .find(|shard| *shard != first)
        .expect("another shard");
    refused("should be of", &|_, announced| announced.epoch += 1);
    refused("should be of", &|_, announced| announced.watermark = Some(7));
    refused("do not have the digest", &|_, announced| announced.digest[3] ^= 1);
    refused("customers in its segments, and should have", &|_, announced| announced.customers += 1);
    refused("an arm 9", &|snapshot, _| snapshot.common.arms.last_mut().expect("an arm").arm = 9);
    refused("an arm 9", &|snapshot, _| snapshot.common.arm_days[0].arm = 9);
    refused("not of contexts with", &|snapshot, _| snapshot.common.arms[0].totals.a.truncate(1));
    refused("not of contexts with", &|snapshot, _| snapshot.common.arms[0].totals.b.push(0));
    refused("not in order", &|snapshot, _| snapshot.common.arms.reverse());
    refused("have the digest", &|snapshot, _| {
        snapshot.common.arms.last_mut().expect("an arm").totals.n += 1
    });
    refused("not as many customers", &|snapshot, _| snapshot.images[0].customers += 1);
    refused("another virtual shard", &|snapshot, _| {
        snapshot.images.iter_mut().for_each(|image| image.shard ^= first ^ other)
    });
    refused("virtual shards have", &|snapshot, _| {
        snapshot.images.retain(|image| image.shard != first)
    });
    refused("begins with", &|snapshot, _| snapshot.images[0].bytes[0] ^= 1);
    refused("has checksum", &|snapshot, _| {
        *snapshot.images[0].bytes.last_mut().expect("bytes") ^= 1
    });
    refused("should have", &|snapshot, _| snapshot.images[0].bytes.truncate(40));
}

/// Where the rows of each block of an image lie.
fn bodies(bytes: &[u8]) -> Vec<Range<usize>> {
    let (mut bodies, mut start) = (Vec::new(), 0);
    // The number of bytes of a row is found where the next block begins.
    let magic = &bytes[..8];
    while start < bytes.len() {
        let end = (start + 8..bytes.len())
            .step_by(8)
            .find(|at| bytes[*at..].starts_with(magic))
            .unwrap_or(bytes.len());
        bodies.push(start + 32..end);
        start = end;
    }
    bodies
}

/// Gives a block the checksum of what is in it.
fn seal(bytes: &mut [u8], body: &Range<usize>) {
    let mut hash = crc32fast::Hasher::new();
    hash.update(&bytes[body.start - 32..body.start - 8]);
    hash.update(&bytes[body.clone()]);
    bytes[body.start - 8..body.start].copy_from_slice(&u64::from(hash.finalize()).to_ne_bytes());
}

#[test]
fn what_passes_is_taken_up_whatever_its_rows_say() {
    let (mut refused, mut passed) = (0, 0);
    for seed in 0..3 {
        let (run, Outcome { settings, .. }, snapshot) = taken(seed);
        let mut random = Random(seed);
        for _ in 0..80 {
            let mut changed = snapshot.clone();
            let number = random.below(changed.images.len() as u64) as usize;
            let bytes = &mut changed.images[number].bytes;
            let bodies: Vec<Range<usize>> =
                bodies(bytes).into_iter().filter(|body| !body.is_empty()).collect();
            let body = &bodies[random.below(bodies.len() as u64) as usize];
            let at = body.start + random.below(body.len() as u64) as usize;
            bytes[at] = random.next() as u8;
            seal(bytes, body);
            match sound(&settings, &changed) {
                Err(_) => refused += 1,
                Ok(()) => {
                    passed += 1;
                    Run { snapshot: Some(changed), ..run.clone() }.run();
                }
            }
        }
    }
    assert!(refused > 40 && passed > 40, "{refused} refused, {passed} passed");
}
