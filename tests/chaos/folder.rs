//! Where everything lies that a trial makes.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// The folder of everything: kept where it was named by whoever started the test, and when that
/// fails.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    named: bool,
}

impl Folder {
    pub(super) fn new() -> Folder {
        let named = std::env::var("CHAOS_DATA").ok().filter(|folder| !folder.is_empty());
        let path = match &named {
            Some(folder) => PathBuf::from(folder),
            None => {
                tempfile::Builder::new().prefix("sluice-chaos.").tempdir().expect("a folder").keep()
            }
        };
        std::fs::create_dir_all(&path).expect("the folder can be made");
        // The database may run as another user, who must get through.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o711))
            .expect("permissions can be set");
        Folder { path, named: named.is_some() }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.named && !std::thread::panicking() {
            // What is left behind of a test that went well is in nobody's way.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
