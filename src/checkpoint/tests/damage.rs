//! Tests of damage: it is found, the file is named, and the checkpoint before is taken, or none.

use super::*;
use crate::checkpoint::manifest::FORMAT;
use crate::sink::Link;
use std::fs;

/// Two checkpoints, of epochs 1 and 2, each of files of its own, which have no twins, as of a
/// version that wrote none.
fn two() -> Scene {
    let scene = two_with_twins();
    fs::remove_dir_all(scene.path("twins")).expect("a removal");
    scene
}

/// The same, with twins.
fn two_with_twins() -> Scene {
    let scene = Scene::new();
    let mut bench = Bench::new(scene.checkpoints(), None);
    assert!(bench.save(Checkpoint::full(1, &[1, 2])) && bench.save(Checkpoint::full(2, &[1, 2])));
    scene
}

const MANIFEST: &str = "manifests/00000000000000000002.json";
const SHARD: &str = "shards/001/00000000000000000002-base.zst";
const SHARED: &str = "shared/00000000000000000002.zst";

/// What is wrong with the checkpoint of epoch 2.
fn problems(scene: &Scene) -> Vec<CheckpointError> {
    match scene.checkpoints().manifest(2) {
        Ok(manifest) => scene.checkpoints().verify(&manifest, |_| ()),
        Err(error) => vec![error],
    }
}

/// Makes sure that damage to this file of the newest checkpoint is found and named, and that the
/// older one is taken.
fn assert_found(scene: &Scene, name: &str, what: &str) {
    let problems = problems(scene);
    assert_eq!(problems.len(), 1, "{what}: {problems:?}");
    assert!(
        problems[0].is_damage() && problems[0].to_string().contains(name),
        "{what}: {}",
        problems[0]
    );
    let taken = restored(&scene.checkpoints(), 2).expect("the older one is whole");
    assert_eq!(taken.epoch, 1, "{what}");
}

#[test]
fn no_single_file_of_a_shard_is_the_end_of_a_checkpoint() {
    let scene = Scene::new();
    let mut bench = Bench::new(scene.checkpoints(), None);
    assert!(
        bench.save(Checkpoint::full(1, &[1, 2]))
            && bench.save(Checkpoint::of(2, &[(1, FileKind::Delta)]))
    );
    let shards: Vec<String> = scene
        .names()
        .into_iter()
        .filter(|name| without_twins(name).starts_with("shards/"))
        .collect();
    assert_eq!(shards.len(), 6, "a base of each shard and a delta of one, each twice");
    let undamaged = restored(&scene.checkpoints(), 2);
    for name in &shards {
        let whole = fs::read(scene.path(name)).expect("it is there");
        let flipped: Vec<u8> = whole.iter().map(|byte| byte ^ 1).collect();
        for damaged in [Some(flipped), Some(whole[1..].to_vec()), None] {
            let is_there = damaged.is_some();
            match damaged {
                Some(damaged) => fs::write(scene.path(name), damaged).expect("a write"),
                None => fs::remove_file(scene.path(name)).expect("a removal"),
            }
            let checkpoints = scene.checkpoints();
            assert!(
                checkpoints.list().expect("a list").iter().all(|listed| listed.problem.is_none()),
                "{name}"
            );
            let found = restored(&checkpoints, 2);
            assert_eq!(found, undamaged);
            loaded(&checkpoints, found.as_ref().expect("the newest"));
            // Whoever looks for damage hears of it: a file that is not there is damaged, a twin may
            // never have been.
            let is_told = is_there || !name.starts_with("twins/");
            assert_eq!(
                checkpoints.verify(&found.expect("the newest"), |_| ()).len(),
                usize::from(is_told),
                "{name}"
            );
        }
        fs::write(scene.path(name), whole).expect("a write");
    }
    for name in shards.iter().filter(|name| name.contains("shards/002/")) {
        fs::write(scene.path(name), b"?").expect("a write");
    }
    assert_eq!(restored(&scene.checkpoints(), 2), None, "both have one base");
}

#[test]
fn every_flipped_bit_is_found() {
    let scene = two();
    for name in [SHARD, SHARED] {
        let whole = fs::read(scene.path(name)).expect("it is there");
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(scene.path(name), flipped).expect("a write");
            assert_found(&scene, name, &format!("bit {bit}"));
        }
        fs::write(scene.path(name), whole).expect("a write");
    }
    let whole = fs::read(scene.path(MANIFEST)).expect("it is there");
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(
            matches!(Manifest::from_text(&flipped), Err(manifest::Unreadable::Damaged(_))),
            "bit {bit}"
        );
        if bit % 997 == 0 {
            fs::write(scene.path(MANIFEST), flipped).expect("a write");
            assert_found(&scene, MANIFEST, &format!("bit {bit}"));
        }
    }
    fs::write(scene.path(MANIFEST), whole).expect("a write");
    assert_eq!(restored(&scene.checkpoints(), 2).expect("it is whole again").epoch, 2);
}

#[test]
fn every_truncation_is_found() {
    let scene = two();
    for name in [SHARD, SHARED, MANIFEST] {
        let whole = fs::read(scene.path(name)).expect("it is there");
        let step = if name == MANIFEST { 97 } else { 1 };
        for length in (0..whole.len()).step_by(step) {
            fs::write(scene.path(name), &whole[..length]).expect("a write");
            assert_found(&scene, name, &format!("{length} bytes"));
        }
        fs::write(scene.path(name), [&whole[..], b"\n"].concat()).expect("a write");
        assert_found(&scene, name, "a byte too many");
        fs::write(scene.path(name), whole).expect("a write");
    }
}

#[test]
fn a_missing_and_a_foreign_file_are_found() {
    for (name, foreign) in [
        (SHARD, "shards/002/00000000000000000002-base.zst"),
        (SHARD, "shards/001/00000000000000000001-base.zst"),
        (SHARED, "shared/00000000000000000001.zst"),
        (MANIFEST, "manifests/00000000000000000001.json"),
    ] {
        let scene = two();
        fs::copy(scene.path(foreign), scene.path(name)).expect("a copy");
        assert_found(&scene, name, foreign);
        fs::remove_file(scene.path(name)).expect("a removal");
        assert_found(&scene, name, "missing");
    }
}

#[test]
fn the_manifest_of_another_job_is_foreign() {
    let scene = two();
    let other = Checkpoints::over(
        scene.store(),
        "other",
        crate::campaign::fingerprint::of(&Settings::default()),
    );
    fs::rename(scene.folder.path().join("campaign"), scene.folder.path().join("other"))
        .expect("a move");
    let error = other.manifest(2).expect_err("it is of another job");
    assert!(error.is_damage() && error.to_string().contains("of job \"campaign\""), "{error}");
    assert!(other.newest().expect("the store works").is_none());
}

#[test]
fn a_length_that_is_wrong_shows_without_reading_the_file() {
    let scene = two();
    fs::write(scene.path(SHARD), b"short").expect("a write");
    let listed = scene.checkpoints().list().expect("a list");
    assert_eq!(
        listed.iter().map(|listed| (listed.epoch, listed.problem.is_none())).collect::<Vec<_>>(),
        [(2, false), (1, true)]
    );
    assert!(listed[0].problem.as_ref().is_some_and(|problem| problem.to_string().contains(SHARD)));
    assert_eq!(
        scene.checkpoints().newest().expect("the store works").expect("the older one").epoch,
        1
    );
}

#[test]
fn with_everything_damaged_there_is_no_checkpoint() {
    let scene = two();
    for epoch in [1, 2] {
        fs::write(scene.path(&format!("shared/{epoch:020}.zst")), b"?").expect("a write");
    }
    assert_eq!(restored(&scene.checkpoints(), u64::MAX), None);
}

#[test]
fn another_configuration_is_refused_with_what_differs() {
    let scene = two();
    let mut settings = Settings::default();
    settings.customer.context.pop();
    let other =
        Checkpoints::over(scene.store(), "campaign", crate::campaign::fingerprint::of(&settings));
    let error = other
        .find::<()>(u64::MAX, |_| None, |_| None, |_, _| None)
        .expect_err("an older one would not do either");
    assert_eq!(
        error.to_string(),
        format!(
            "{}/{MANIFEST} was written with another configuration: context.terms had \
             \"discount_usage_rate\"; \
             configure the job as before, or rebuild the state from the topics with --rebuild",
            scene.path("").display().to_string().trim_end_matches('/')
        )
    );
}

/// Writes a manifest whose content was changed by somebody who knows how to make the checksum.
fn forge(scene: &Scene, from: &str, to: &str) {
    forge_of(scene, 2, from, to);
}

fn forge_of(scene: &Scene, epoch: u64, from: &str, to: &str) {
    let text = scene.checkpoints().manifest(epoch).expect("it is whole").to_text();
    let content = text
        .split_once("\"content\":")
        .expect("a content")
        .1
        .trim_end()
        .strip_suffix('}')
        .expect("an end");
    assert!(content.contains(from), "{content}");
    let content = content.replacen(from, to, 1);
    let sealed = format!(
        "{{\"crc32\":\"{:08x}\",\"content\":{content}}}\n",
        crc32fast::hash(content.as_bytes())
    );
    fs::write(scene.path(&names::manifest(epoch)), sealed).expect("a write");
}

#[test]
fn another_format_is_refused_whatever_else_it_says() {
    let scene = two();
    forge(
        &scene,
        &format!("\"format\":{FORMAT},"),
        &format!("\"format\":{},\"new\":true,", FORMAT + 1),
    );
    let error = scene.checkpoints().newest().expect_err("an older one is no way out");
    assert!(
        matches!(error, CheckpointError::Format { found, .. } if found == FORMAT + 1),
        "{error}"
    );
    assert!(scene.checkpoints().prune(1).is_err(), "nobody knows what it names");
    assert_eq!(scene.names().len(), 8, "so nothing is removed");
}

#[test]
fn one_of_a_version_before_is_passed_over_and_goes_with_the_first_of_this_version() {
    let scene = two();
    for epoch in [1, 2] {
        forge_of(&scene, epoch, &format!("\"format\":{FORMAT},"), "\"format\":1,\"old\":true,");
    }
    let found = scene
        .checkpoints()
        .find::<()>(u64::MAX, |_| None, |_| None, |_, _| None)
        .expect("none of them ends the search");
    assert_eq!((found.manifest, found.passed_over.len()), (None, 2));
    let own = scene.checkpoints().of(Link::random());
    assert!(Bench::new(own.clone(), None).save(Checkpoint::full(3, &[1])));
    assert_eq!(
        (own.epochs().expect("a store"), scene.checkpoints().epochs().expect("a store")),
        (vec![3], Vec::new())
    );
}

#[test]
fn a_manifest_that_cannot_be_true_is_damaged() {
    for (from, to) in [
        ("shards/001/00000000000000000002-base.zst", "../../elsewhere/campaign/secrets.zst"),
        ("shared/00000000000000000002.zst", "shared/00000000000000000001.zst"),
        (
            "\"kind\":\"base\",\"epoch\":2,\"customers\":3}]",
            "\"kind\":\"delta\",\"epoch\":2,\"customers\":3}]",
        ),
        ("\"shards\":{\"1\"", "\"shards\":{\"256\""),
        ("\"shards\":{\"1\"", "\"shards\":{\"3\":[],\"1\""),
        ("\"rewards\"", "\"reviews\""),
        ("\"digest\":\"07", "\"digest\":\"7"),
        ("\"created\"", "\"creation\""),
        ("\"epoch\":2", "\"epoch\":3"),
    ] {
        let scene = two();
        forge(&scene, from, to);
        let error = scene.checkpoints().manifest(2).expect_err(to);
        assert!(error.is_damage() && error.to_string().contains(MANIFEST), "{error}");
        assert_eq!(restored(&scene.checkpoints(), 2).expect("the older one").epoch, 1);
    }
}

#[test]
fn a_checkpoint_whose_epoch_is_not_committed_is_passed_over() {
    let scene = two();
    assert_eq!(restored(&scene.checkpoints(), 1).expect("the older one").epoch, 1);
    assert_eq!(restored(&scene.checkpoints(), 0), None);
}

#[test]
fn one_of_another_history_is_passed_over_for_the_one_before() {
    let scene = Scene::new();
    let mut bench = Bench::new(scene.checkpoints(), None);
    for epoch in 1..=3 {
        assert!(bench.save(Checkpoint::full(epoch, &[1])));
    }
    let checkpoints = scene.checkpoints();
    let taken = |at_most, strange: u64| {
        let strange = |manifest: &Manifest| {
            (manifest.epoch == strange).then(|| "it is of another history".to_string())
        };
        let found = checkpoints
            .find::<()>(
                at_most,
                strange,
                |_| None,
                |manifest, _| unreadable(&checkpoints, manifest),
            )
            .expect("the store works");
        found.manifest.map(|manifest| manifest.epoch)
    };
    assert_eq!(
        (taken(3, 0), taken(3, 3), taken(3, 2), taken(2, 2)),
        (Some(3), Some(2), Some(3), None)
    );
    std::fs::remove_file(scene.path("shared/00000000000000000003.zst")).expect("a file");
    assert_eq!(
        (taken(3, 0), taken(3, 2)),
        (Some(2), None),
        "the newest is damaged, and two are kept"
    );
}

#[test]
fn a_manifest_of_the_format_before_is_read_and_has_no_link() {
    let scene = two();
    let manifest = scene.checkpoints().manifest(2).expect("it is whole");
    forge(&scene, "\"topic_ids\":{},", "");
    forge(&scene, &format!("\"format\":{FORMAT},"), "\"format\":2,");
    let before = restored(&scene.checkpoints(), 2).expect("it is taken");
    assert_eq!((before.format, before.chain), (2, None));
    assert_eq!(Manifest { format: FORMAT, ..before }, manifest);
}
