//! Tests of the stores, the same for each, and stores that fail where a test wants them to.

use super::*;
use object_store::memory::InMemory;
use std::sync::atomic::{AtomicU64, Ordering};

/// An object store in memory.
pub fn in_memory() -> Objects {
    Objects::over(
        Box::new(InMemory::new()),
        "memory://bucket/some/prefix".to_string(),
        "some/prefix".into(),
    )
    .expect("a runtime")
}

/// A store that changes no more after so many changes, as if the process had died then.
pub struct Stopping {
    pub inner: Arc<dyn Store>,
    pub changes_left: AtomicU64,
}

impl Stopping {
    pub fn after(changes: u64, inner: Arc<dyn Store>) -> Arc<Stopping> {
        Arc::new(Stopping { inner, changes_left: AtomicU64::new(changes) })
    }

    fn change(&self, name: &str, done: &'static str) -> Result<(), CheckpointError> {
        let left = self
            .changes_left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        let stopped = |_| CheckpointError::Store {
            object: self.object(name),
            done,
            source: "the process is dead".into(),
        };
        left.map(|_| ()).map_err(stopped)
    }
}

impl Store for Stopping {
    fn address(&self) -> String {
        self.inner.address()
    }
    fn put(&self, files: &[(String, Bytes)]) -> Result<(), CheckpointError> {
        files.iter().try_for_each(|file| {
            self.change(&file.0, "written")
                .and_then(|()| self.inner.put(std::slice::from_ref(file)))
        })
    }
    fn get(&self, name: &str, at_most: u64) -> Result<Bytes, CheckpointError> {
        self.inner.get(name, at_most)
    }
    fn list(&self, folder: &str) -> Result<Vec<StoredFile>, CheckpointError> {
        self.inner.list(folder)
    }
    fn delete(&self, names: &[String]) -> Result<(), CheckpointError> {
        names.iter().try_for_each(|name| {
            self.change(name, "deleted")
                .and_then(|()| self.inner.delete(std::slice::from_ref(name)))
        })
    }
}

pub fn check_store(store: &dyn Store) {
    let names = |folder: &str| {
        store
            .list(folder)
            .expect("a list")
            .into_iter()
            .map(|entry| (entry.name, entry.bytes))
            .collect::<Vec<_>>()
    };
    let entry = |name: &str, bytes: u64| (name.to_string(), bytes);
    assert_eq!(names("job"), [], "no folder is no file");
    let file = |name: &str, content: &'static str| {
        (name.to_string(), Bytes::from_static(content.as_bytes()))
    };
    let files = [
        "job/shards/001/b",
        "job/shards/000/a",
        "job/shards-of-others/a",
        "job/shared/1",
        "jobs/shards/a",
    ]
    .map(|name| file(name, "first"));
    store.put(&files).expect("a write");
    store.put(&[file("job/shared/1", "second")]).expect("a write in place of another");
    assert_eq!(names("job/shards"), [entry("job/shards/000/a", 5), entry("job/shards/001/b", 5)]);
    assert_eq!(names("job").len(), 4);
    assert_eq!(store.get("job/shared/1", 6).expect("a read"), "second");
    assert!(
        matches!(store.get("job/shared/1", 5), Err(CheckpointError::Damaged { .. })),
        "longer than it may be"
    );
    store
        .delete(&["job/shared/1".to_string(), "job/shared/0".to_string()])
        .expect("a removal, of one that is not there as well");
    let missing = store.get("job/shared/1", 6).expect_err("it is gone");
    let address = format!("{}/job/shared/1", store.address());
    assert!(
        matches!(&missing, CheckpointError::Missing { object } if *object == address),
        "{missing}"
    );
    assert_eq!(names("job/shared"), []);
}

#[test]
fn a_folder_keeps_files_and_leaves_no_temporary_ones() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    check_store(&Folder::new(folder.path().join("not/there/yet")));
}

#[test]
fn an_object_store_keeps_files() {
    check_store(&in_memory());
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let store = Folder::new(file.path().join("checkpoints"));
    let error = store
        .put(&[("job/shared/1".to_string(), Bytes::new())])
        .expect_err("its parent is a file")
        .to_string();
    assert!(
        error.starts_with(&format!("{}/job/shared/1 cannot be written: ", store.address())),
        "{error}"
    );
}

#[test]
fn a_location_is_a_folder_or_an_object_store() {
    assert_eq!(Location::parse("checkpoints"), Some(Location::Folder("checkpoints".into())));
    for url in ["s3://bucket", "s3://bucket/some/prefix", "s3a://bucket/"] {
        assert_eq!(Location::parse(url), Some(Location::Url(url.to_string())));
        Location::parse(url).expect("a location").open().expect("nothing is asked for yet");
    }
    for wrong in [
        "",
        "s3://",
        "s3:///prefix",
        "ftp://host/folder",
        "s3://key:secret@bucket/prefix",
        "s3://bucket?versions=1",
    ] {
        assert_eq!(Location::parse(wrong), None, "{wrong}");
    }
}
