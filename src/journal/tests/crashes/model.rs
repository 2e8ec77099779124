//! A disk as a crash may leave it, made from the steps that were taken: what was waited for is
//! there, and of the rest whatever the file system and the disk had come to.

use crate::durable::disk::watch::DiskStep;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of which the disk has all or none.
const SECTOR: usize = 512;

/// What is left of the steps that were not waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// Everything: only the process ended.
    Everything,
    /// Nothing.
    Nothing,
    /// The names, and of their files what was waited for.
    Names,
    /// The names and the lengths, with zeros for the bytes that were not waited for.
    Lengths,
    /// The bytes, under names that were waited for.
    Bytes,
    /// Everything, but of the last bytes that were written only so many.
    Torn(usize),
    /// Everything, but one sector with bytes that were not waited for, by its number.
    Hole(usize),
    /// Everything, but of the sectors with bytes that were not waited for only one, likewise.
    Only(usize),
}

/// A file's bytes, as the program sees them and as far as they were waited for.
#[derive(Clone, Debug, Default)]
struct ModelFile {
    now: Vec<u8>,
    safe: Vec<u8>,
}

/// Names of files, by their number, and folders.
#[derive(Clone, Debug, Default)]
struct Names {
    files: BTreeMap<PathBuf, usize>,
    folders: BTreeSet<PathBuf>,
}

/// The disk.
#[derive(Clone, Debug, Default)]
pub struct ModelDisk {
    files: Vec<ModelFile>,
    now: Names,
    safe: Names,
    /// The file that was written last, and with how many bytes, if that was the last step.
    last: Option<(usize, usize)>,
}

impl ModelDisk {
    /// Takes a step.
    pub fn take(&mut self, step: &DiskStep) {
        self.last = None;
        match step {
            DiskStep::Made(path) => {
                self.now.files.insert(path.clone(), self.files.len());
                self.files.push(ModelFile::default());
            }
            DiskStep::Written(path, bytes) => {
                let number = self.now.files[path];
                self.files[number].now.extend(bytes);
                self.last = Some((number, bytes.len()));
            }
            DiskStep::Cut(path, length) => self.file(path).now.truncate(*length),
            DiskStep::Synced(path) => {
                let file = self.file(path);
                file.safe = file.now.clone();
            }
            DiskStep::Renamed(from, to) => {
                let number = self.now.files.remove(from).expect("it is there");
                self.now.files.insert(to.clone(), number);
            }
            DiskStep::Linked(from, to) => {
                self.now.files.insert(to.clone(), self.now.files[from]);
            }
            DiskStep::Removed(path) => drop(self.now.files.remove(path)),
            DiskStep::FolderMade(path) => {
                self.now.folders.extend(path.ancestors().map(Path::to_path_buf));
            }
            DiskStep::FolderSynced(path) => self.sync_names(path),
        }
    }

    fn file(&mut self, path: &Path) -> &mut ModelFile {
        &mut self.files[self.now.files[path]]
    }

    fn sync_names(&mut self, folder: &Path) {
        let inside = |path: &PathBuf| path.parent() == Some(folder);
        let Names { files, folders } = &mut self.safe;
        files.retain(|path, _| !inside(path));
        files.extend(self.now.files.clone().into_iter().filter(|(path, _)| inside(path)));
        folders.extend(self.now.folders.iter().filter(|path| inside(path)).cloned());
    }

    /// What a crash now may leave.
    pub fn leftovers(&self) -> Vec<Leftover> {
        let mut all = vec![
            Leftover::Everything,
            Leftover::Nothing,
            Leftover::Names,
            Leftover::Lengths,
            Leftover::Bytes,
        ];
        if let Some((_, bytes)) = self.last {
            all.extend([0, 1, bytes / 2, bytes.saturating_sub(1)].map(Leftover::Torn));
        }
        let sectors: BTreeSet<usize> =
            self.files.iter().flat_map(ModelFile::unsafe_sectors).collect();
        if sectors.len() > 1 {
            all.extend(sectors.into_iter().flat_map(|at| [Leftover::Hole(at), Leftover::Only(at)]));
        }
        all
    }

    /// Makes what is left below a folder, of what was below another one.
    pub fn leave(&self, left: Leftover, from: &Path, to: &Path) {
        let names = match left {
            Leftover::Nothing | Leftover::Bytes => &self.safe,
            _ => &self.now,
        };
        let moved = |path: &Path| path.strip_prefix(from).ok().map(|path| to.join(path));
        let is_there = |path: &Path| {
            let above = path.ancestors().skip(1).take_while(|above| above.starts_with(from));
            above.filter(|above| *above != from).all(|above| names.folders.contains(above))
        };
        for folder in names.folders.iter().filter(|folder| is_there(folder)) {
            moved(folder).into_iter().for_each(|path| fs::create_dir_all(path).expect("a folder"));
        }
        for (path, number) in names.files.iter().filter(|(path, _)| is_there(path)) {
            let path = moved(path).expect("all lies in the folder");
            fs::write(path, self.content(*number, left)).expect("a file");
        }
    }

    fn content(&self, number: usize, left: Leftover) -> Vec<u8> {
        let file = &self.files[number];
        let mut content = file.now.clone();
        let has_sector = |at: &usize| file.unsafe_sectors().any(|sector| sector == *at);
        match left {
            Leftover::Everything | Leftover::Bytes => {}
            Leftover::Nothing | Leftover::Names => content = file.safe.clone(),
            Leftover::Lengths if content.starts_with(&file.safe) => {
                content[file.safe.len()..].fill(0);
            }
            // A file that was cut has its old length again.
            Leftover::Lengths => content = file.safe.clone(),
            Leftover::Torn(bytes) => {
                if let Some((_, written)) = self.last.filter(|(last, _)| *last == number) {
                    content.truncate(content.len() - written + bytes);
                }
            }
            Leftover::Hole(at) => file.empty(&mut content, Some(at).filter(has_sector)),
            Leftover::Only(at) => {
                file.empty(&mut content, file.unsafe_sectors().filter(|other| *other != at));
            }
        }
        content
    }
}

impl ModelFile {
    /// The numbers of the sectors with bytes that were not waited for.
    fn unsafe_sectors(&self) -> impl Iterator<Item = usize> + use<> {
        let grown = self.now.len() > self.safe.len() && self.now.starts_with(&self.safe);
        let (first, end) = (self.safe.len() / SECTOR, self.now.len().div_ceil(SECTOR));
        (first..end).filter(move |_| grown)
    }

    /// Puts zeros in the place of what was not waited for in these sectors.
    fn empty(&self, content: &mut [u8], sectors: impl IntoIterator<Item = usize>) {
        for at in sectors {
            let (first, end) =
                (self.safe.len().max(at * SECTOR), content.len().min((at + 1) * SECTOR));
            content[first..end].fill(0);
        }
    }
}
