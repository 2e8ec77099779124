//! A broker and a database of a test's own, which it may stop and kill.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Both, with their data in a folder.
pub(crate) struct Services {
    folder: PathBuf,
}

impl Services {
    /// Starts both in a folder that other users can reach, for the database may run as another one;
    /// gives the brokers and the database's address too.
    pub(crate) fn up(folder: &Path) -> (Services, String, String) {
        let services = Services { folder: folder.to_path_buf() };
        let environment = services.run(&["up"]);
        let value = |name: &str| {
            let line = environment.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name} in {environment}")).to_string()
        };
        let (brokers, url) = (value("SLUICE_KAFKA_BROKERS="), value("SLUICE_POSTGRES_URL="));
        (services, brokers, url)
    }

    /// Starts a database alone; gives its address too.
    pub(crate) fn postgres(folder: &Path) -> (Services, String) {
        let services = Services { folder: folder.to_path_buf() };
        let environment = services.run(&["start", "postgres"]);
        let url = environment
            .lines()
            .find_map(|line| line.strip_prefix("SLUICE_POSTGRES_URL="))
            .expect("its address")
            .to_string();
        (services, url)
    }

    /// A command of `scripts/services` for them.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/services"));
        command.args(arguments).arg("--data").arg(&self.folder);
        command
    }

    /// Runs a command of `scripts/services` for them.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("the script can be started");
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("UTF-8")
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.run(&["down", "--wipe"]);
        // Of a test that failed the data is kept, where its folder is. A second panic would end
        // the program with all other tests.
        } else if let Err(error) = self.command(&["down"]).output() {
            eprintln!("services stay in {}: {error}", self.folder.display());
        }
    }
}

/// Whether tests that need services are wanted: where there are none for the others, these are left
/// out too.
pub(crate) fn wanted() -> bool {
    let is = |name: &str| std::env::var(name).is_ok_and(|value| !value.is_empty());
    let wanted = is("SLUICE_KAFKA_BROKERS") || is("SLUICE_REQUIRE_SERVICES");
    if !wanted {
        eprintln!("left out: no SLUICE_KAFKA_BROKERS; scripts/test starts services");
    }
    wanted
}
