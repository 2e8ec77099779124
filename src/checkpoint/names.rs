//! Names of the files of a history's checkpoints, below the history's folder, and the epoch in
//! each.

use super::manifest::FileKind;
use crate::sink::SHORT;

/// Folder of the manifests.
pub const MANIFESTS: &str = "manifests";
/// Folder of the shards' files.
pub const SHARDS: &str = "shards";
/// Folder of what belongs to no customer.
pub const SHARED: &str = "shared";
/// Folder of what the tables must hold.
pub const TABLES: &str = "tables";
/// Folder of what the other processes have written.
pub const PARTS: &str = "parts";
/// Folder of what is there twice: below it each of those files has the name that it has beside it.
pub const TWINS: &str = "twins";
/// Digits of an epoch: as many as the largest has, so that names sort as epochs do.
const DIGITS: usize = 20;

/// Name of an epoch's manifest.
pub fn manifest(epoch: u64) -> String {
    format!("{MANIFESTS}/{epoch:020}.json")
}

/// Name of a file of a shard.
pub fn shard(shard: u16, epoch: u64, kind: FileKind) -> String {
    format!("{SHARDS}/{shard:03}/{epoch:020}-{kind}.zst")
}

/// Name of the file of what belongs to no customer.
pub fn shared(epoch: u64) -> String {
    format!("{SHARED}/{epoch:020}.zst")
}

/// Name of a file of what the tables must hold after an epoch.
pub fn tables(epoch: u64, number: u64) -> String {
    format!("{TABLES}/{epoch:020}-{number}.zst")
}

/// Name of the twin of a file of a shard.
pub fn twin(name: &str) -> String {
    format!("{TWINS}/{name}")
}

/// Name of what a process has written of an epoch's checkpoint.
pub fn part(epoch: u64, process: usize) -> String {
    format!("{PARTS}/{epoch:020}-{process}.json")
}

/// The epoch in a name, be the file whole or a temporary one; `None` for what is no file of a
/// checkpoint.
pub fn epoch_of(name: &str) -> Option<u64> {
    let (folder, rest) = match name.split_once('/')? {
        (TWINS, name) => name.split_once('/').filter(|(folder, _)| *folder == SHARDS)?,
        parts => parts,
    };
    let rest = match folder {
        SHARDS => rest.split_once('/')?.1,
        MANIFESTS | SHARED | TABLES | PARTS => rest,
        _ => return None,
    };
    let (digits, rest) = rest.split_at_checked(DIGITS)?;
    let is_epoch = digits.bytes().all(|byte| byte.is_ascii_digit()) && rest.starts_with(['.', '-']);
    digits.parse().ok().filter(|_| is_epoch)
}

/// The history of a manifest of this name below the job's folder, by its first digits; no history
/// for one that lies in that folder itself.
pub fn history_of_manifest(name: &str) -> Option<Option<&str>> {
    let is_history = |folder: &str| {
        folder.len() == SHORT
            && folder.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_manifest = |name: &str| epoch_of(name).is_some_and(|epoch| manifest(epoch) == name);
    match name.split_once('/')? {
        (folder, rest) if is_history(folder) => is_manifest(rest).then_some(Some(folder)),
        _ => is_manifest(name).then_some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_is_read_back_from_every_name_and_from_no_other() {
        for epoch in [0, 7, u64::MAX] {
            let shards = [shard(17, epoch, FileKind::Base), shard(255, epoch, FileKind::Delta)];
            let twins = shards.each_ref().map(|name| twin(name));
            for name in shards.into_iter().chain(twins).chain([
                manifest(epoch),
                shared(epoch),
                tables(epoch, 12),
                part(epoch, 3),
            ]) {
                assert_eq!(epoch_of(&name), Some(epoch), "{name}");
                assert_eq!(epoch_of(&format!("{name}.123-4.tmp")), Some(epoch), "{name}");
            }
        }
        for name in [
            "",
            "manifests",
            "manifests/7.json",
            "notes/00000000000000000007.json",
            "shared/0000000000000000000é.zst",
            "shards/017",
            "twins",
            "twins/notes",
            "twins/shared/00000000000000000007.zst",
        ] {
            assert_eq!(epoch_of(name), None, "{name}");
        }
        assert_eq!(epoch_of("shared/000000000000000000070.zst"), None, "one digit too many");
        assert_eq!(epoch_of("shared/99999999999999999999.zst"), None, "no u64");
    }

    #[test]
    fn a_manifest_tells_its_history_and_nothing_else_does() {
        let (history, manifest) = ("0123456789abcdef", manifest(7));
        assert_eq!(history_of_manifest(&manifest), Some(None));
        assert_eq!(history_of_manifest(&format!("{history}/{manifest}")), Some(Some(history)));
        for other in ["0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF", "kept", "twins"] {
            assert_eq!(history_of_manifest(&format!("{other}/{manifest}")), None, "{other}");
        }
        for name in [
            shard(3, 7, FileKind::Base),
            shared(7),
            "manifests/7.json".to_string(),
            format!("{manifest}.1-2.tmp"),
        ] {
            assert_eq!(
                (history_of_manifest(&name), history_of_manifest(&format!("{history}/{name}"))),
                (None, None),
                "{name}"
            );
        }
    }

    #[test]
    fn names_sort_as_epochs_do() {
        assert!(
            manifest(9) < manifest(10)
                && shard(9, 1, FileKind::Base) < shard(10, 1, FileKind::Base)
        );
        assert_eq!(shard(7, 12, FileKind::Delta), "shards/007/00000000000000000012-delta.zst");
    }
}
