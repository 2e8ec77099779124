//! Where something lies that may be in a folder or in an object store.

use std::fmt;
use std::path::PathBuf;

/// Where a configuration puts its checkpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A folder.
    Folder(PathBuf),
    /// A bucket and what stands before all names in it, such as `s3://bucket/prefix`.
    Url(String),
}

/// Schemes of object stores.
const SCHEMES: [&str; 2] = ["s3", "s3a"];

impl Location {
    /// Reads a folder's path or a URL; `None` for an empty text and for a URL of another kind of
    /// store.
    pub fn parse(text: &str) -> Option<Location> {
        match text.split_once("://") {
            None if text.is_empty() => None,
            None => Some(Location::Folder(PathBuf::from(text))),
            Some((scheme, rest)) => {
                let bucket = rest
                    .split('/')
                    .next()
                    .filter(|bucket| !bucket.is_empty() && !rest.contains(['@', '?', '#', ' ']));
                (SCHEMES.contains(&scheme) && bucket.is_some())
                    .then(|| Location::Url(text.to_string()))
            }
        }
    }

    /// The one of this name below it.
    pub fn below(&self, name: &str) -> Location {
        match self {
            Location::Folder(path) => Location::Folder(path.join(name)),
            Location::Url(url) => Location::Url(format!("{}/{name}", url.trim_end_matches('/'))),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Folder(path) => write!(f, "{}", path.display()),
            Location::Url(url) => f.write_str(url),
        }
    }
}
