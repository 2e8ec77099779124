//! Makes checkpoints whose every length and checksum is right, and that are wrong all the same.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A checkpoint that is changed.
pub(crate) struct Rotten {
    manifest: PathBuf,
    content: Value,
}

/// How a start names what is wrong with a checkpoint, and what is done to it for that.
pub(crate) type Rot = (&'static str, fn(&mut Rotten));

/// What a start must find.
pub(crate) const ROTTEN: [Rot; 9] = [
    ("the common part of a snapshot cannot be read", |rotten| {
        rotten.rewrite("/shared", |_| b"{}".to_vec())
    }),
    ("it is of epoch 0 with", |rotten| rotten.rewrite("/shared", |common| of_epoch_0(&common))),
    ("do not have the digest", |rotten| *rotten.at("/digest") = json!("0".repeat(64))),
    ("is damaged: a block of `snapshot::CustomerRow 2`", |rotten| {
        rotten.rewrite_shard(0, |_| b"no image".to_vec())
    }),
    ("a block of `snapshot::Word 1` should have", |rotten| {
        rotten.rewrite_shard(0, |image| image[..image.len() - 8].to_vec())
    }),
    ("it has customers of another virtual shard", |rotten| {
        let other = rotten.read(&rotten.shard(1));
        rotten.rewrite_shard(0, |_| other);
    }),
    ("it has not as many customers as it should have", |rotten| {
        *rotten.at(&format!("{}/customers", rotten.shard(0))) = json!(7)
    }),
    ("customers in its segments, and should have 77", |rotten| {
        *rotten.at("/customers") = json!(77)
    }),
    ("the virtual shards have", |rotten| {
        let shards = rotten.at("/shards").as_object_mut().expect("shards");
        let first = shards.keys().next().expect("a shard").clone();
        shards.remove(&first);
    }),
];

fn of_epoch_0(common: &[u8]) -> Vec<u8> {
    let mut common: Value = serde_json::from_slice(common).expect("JSON");
    common["epoch"] = json!(0);
    serde_json::to_vec(&common).expect("JSON")
}

impl Rotten {
    /// That of a manifest.
    pub(crate) fn of(manifest: &Path) -> Self {
        let text = std::fs::read_to_string(manifest).expect("a manifest");
        let content = text
            .split_once("\"content\":")
            .and_then(|(_, rest)| rest.strip_suffix("}\n"))
            .expect("a sealed text");
        Rotten {
            manifest: manifest.to_path_buf(),
            content: serde_json::from_str(content).expect("JSON"),
        }
    }

    /// As another version of the program would have written it.
    pub(crate) fn in_another_format(&mut self) {
        *self.at("/format") = json!(99);
    }

    fn at(&mut self, pointer: &str) -> &mut Value {
        self.content.pointer_mut(pointer).expect("a field of the manifest")
    }

    /// Where the last file of one of the shards stands in the manifest.
    fn shard(&self, number: usize) -> String {
        let (shard, chain) = self.content["shards"]
            .as_object()
            .expect("shards")
            .iter()
            .nth(number)
            .expect("another shard");
        format!("/shards/{shard}/{}", chain.as_array().expect("a chain").len() - 1)
    }

    fn rewrite_shard(&mut self, number: usize, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
        self.rewrite(&self.shard(number), change);
    }

    /// The paths of a file and, where there is one, of its twin.
    fn paths(&self, file: &str) -> Vec<PathBuf> {
        let history = self.manifest.ancestors().nth(2).expect("the folder of a history");
        let name = self.content.pointer(file).expect("a file")["name"].as_str().expect("a name");
        [history.join(name), history.join("twins").join(name)]
            .into_iter()
            .filter(|path| path.exists())
            .collect()
    }

    fn read(&self, file: &str) -> Vec<u8> {
        zstd::decode_all(std::fs::File::open(&self.paths(file)[0]).expect("a file"))
            .expect("it is whole")
    }

    /// Gives a file another content, and the manifest what tells it from any other.
    fn rewrite(&mut self, file: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
        let content = change(self.read(file));
        let packed = zstd::encode_all(content.as_slice(), 1).expect("enough memory");
        self.paths(file)
            .iter()
            .for_each(|path| std::fs::write(path, &packed).expect("it can be written"));
        let file = self.at(file);
        file["bytes"] = json!(packed.len());
        file["raw_bytes"] = json!(content.len());
        file["crc32"] = json!(crc32fast::hash(&packed));
    }
}

impl Drop for Rotten {
    /// Writes the manifest, with the checksum that it needs.
    fn drop(&mut self) {
        let content = self.content.to_string();
        let text = format!(
            "{{\"crc32\":\"{:08x}\",\"content\":{content}}}\n",
            crc32fast::hash(content.as_bytes())
        );
        std::fs::write(&self.manifest, text).expect("it can be written");
    }
}
