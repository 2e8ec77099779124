//! Tells the program its version: that of the package, with the commit it was built from where that
//! is known.
//!
//! Known it is from `SLUICE_COMMIT`, for a builder that has no repository, or from git where the
//! source is the repository itself. From an archive of the source there is none.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=SLUICE_COMMIT");
    println!("cargo:rerun-if-changed=build.rs");
    let given = std::env::var("SLUICE_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = given
        .or_else(of_repository)
        .filter(|commit| commit.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let version = env!("CARGO_PKG_VERSION");
    match commit {
        Some(commit) => println!("cargo:rustc-env=SLUICE_VERSION={version} ({commit})"),
        None => println!("cargo:rustc-env=SLUICE_VERSION={version}"),
    }
}

/// The commit that is checked out; it is asked for again when another one is.
fn of_repository() -> Option<String> {
    // An archive may lie within the repository of something else.
    let top = git(&["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()?
        != Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize().ok()?
    {
        return None;
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    for name in ["HEAD", "logs/HEAD", "packed-refs"].into_iter().chain(branch.as_deref()) {
        // A file that is not there would make every build begin anew.
        if let Some(path) =
            git(&["rev-parse", "--git-path", name]).filter(|path| Path::new(path).exists())
        {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    Some(commit)
}

/// What git says; `None` where it is missing or fails.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
}
