//! What a checkpoint costs. Not a test: run it with `cargo test --release --bin sluice
//! checkpoint::tests::measure -- --ignored --nocapture`.

use super::*;
use std::time::Instant;

/// Bytes of a shard before they are compressed.
const SHARD_BYTES: usize = 1 << 20;

/// Bytes that compress about as histories do: small counters beside bits that look random.
fn history() -> Vec<u8> {
    let mut state = 1u64;
    let mut word = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    (0..SHARD_BYTES / 8)
        .flat_map(|i| if i % 2 == 0 { word().to_le_bytes() } else { (i as u64).to_le_bytes() })
        .collect()
}

#[test]
#[ignore = "a measurement"]
fn a_full_checkpoint_in_a_folder() {
    let scene = Scene::new();
    let checkpoints = scene.checkpoints();
    let mut bench = Bench::new(checkpoints.clone(), None);
    let bytes = history();
    let started = Instant::now();
    for shard in 0..SHARDS {
        bench.assembly.take(Piece::Shard {
            epoch: 1,
            shard,
            kind: FileKind::Base,
            customers: 1,
            bytes: bytes.clone(),
        });
    }
    bench.save(Checkpoint::full(1, &[]));
    let written = started.elapsed();
    let manifest = checkpoints.manifest(1).expect("it is complete");
    let started = Instant::now();
    assert!(checkpoints.verify(&manifest, |_| ()).is_empty());
    let (raw, packed) =
        (manifest.files().map(|(_, file)| file.raw_bytes).sum::<u64>(), manifest.bytes());
    println!(
        "{raw} bytes as {packed} in 257 files: written in {written:?}, verified in {:?}",
        started.elapsed()
    );
}
