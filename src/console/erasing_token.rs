//! The token that erasing takes where none is configured: made once for a job, and kept in its
//! folder, which only its user may look at.

use super::access::Hash;
use crate::config::secret::Secret;
use crate::config::types::Config;
use crate::durable;
use crate::hexadecimal::hexadecimal;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// Its file in the folder of a job's checkpoints.
const NAME: &str = "erase.token";

/// Random bytes in a token.
const BYTES: usize = 32;

/// The token of a job, once it is there. Clones share it.
#[derive(Clone, Debug)]
pub struct ErasingToken {
    /// Where it lies; `None`: there is no folder for it.
    path: Option<PathBuf>,
    hash: Arc<OnceLock<Hash>>,
    /// Whether there is no configured one.
    is_needed: bool,
}

impl ErasingToken {
    /// Of a job with this configuration.
    pub fn of(config: &Config) -> Self {
        ErasingToken {
            is_needed: config.http.api_token_file.is_none(),
            ..ErasingToken::within(config.job_folder())
        }
    }

    /// Of a job with this folder; without one there is never a token.
    pub(super) fn within(folder: Option<PathBuf>) -> Self {
        ErasingToken {
            path: folder.map(|folder| folder.join(NAME)),
            hash: Arc::default(),
            is_needed: true,
        }
    }

    /// Where it lies, or would; `None` where there is no folder for it.
    pub(super) fn path(&self) -> Option<&PathBuf> {
        self.path.as_ref()
    }

    pub(super) fn hash(&self) -> Option<&Hash> {
        self.hash.get()
    }

    /// Reads the token, or makes it where there is none yet. Only a job that has begun does so: one
    /// that is refused leaves everything as it was.
    pub fn prepare(&self) {
        if !self.is_needed {
            return;
        }
        let Some(path) = &self.path else {
            tracing::info!(
                "Nobody can erase a customer at the console's port: that needs \
                 http.api_token_file, or a folder in checkpoint.dir."
            );
            return;
        };
        match self.read_or_make() {
            Ok((token, made)) => {
                let _ = self.hash.set(Hash::of(&token));
                let path = path.display();
                match made {
                    true => {
                        tracing::info!(%path, token = token.expose(), "Erasing a customer takes \
                            this token, which is shown this once.")
                    }
                    false => {
                        tracing::info!(%path, "Erasing a customer takes the token that lies there.")
                    }
                }
            }
            Err(error) => {
                let path = path.display();
                tracing::error!(%path, %error, "The token that erasing takes cannot be kept, so \
                    nobody can erase at the console's port: set http.api_token_file.");
            }
        }
    }

    /// The token, and whether it was made just now.
    fn read_or_make(&self) -> io::Result<(Secret, bool)> {
        let path = self.path.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let made = random()?;
        // Of several processes that begin at once, one makes it.
        let is_ours = durable::create(path, format!("{}\n", made.expose()).as_bytes())?;
        if is_ours {
            return Ok((made, true));
        }
        let text = fs::read_to_string(path)?;
        match text.trim() {
            "" => Err(io::Error::other("the file is empty; remove it, and another token is made")),
            token => Ok((Secret::new(token.to_string()), false)),
        }
    }
}

/// A token that nobody can guess.
fn random() -> io::Result<Secret> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(Secret::new(hexadecimal(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn it_is_made_once_and_closed_to_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let job = folder.path().join("campaign");
        let token = ErasingToken::within(Some(job.clone()));
        assert!(
            !job.exists() && token.hash().is_none(),
            "nothing is made before the job has begun"
        );
        let (made, is_new) = token.read_or_make().expect("it is made");
        let mode = fs::metadata(job.join(NAME)).expect("its file").permissions().mode() & 0o777;
        assert_eq!((is_new, made.expose().len(), mode), (true, 2 * BYTES, 0o600));
        let (again, is_new) = token.read_or_make().expect("it is read");
        assert_eq!((is_new, again), (false, made));
        fs::write(job.join(NAME), "\n").expect("it is emptied");
        assert!(token.read_or_make().is_err());
        token.prepare();
        assert!(token.hash().is_none(), "an empty token is none");
    }

    #[test]
    fn of_many_that_begin_at_once_all_have_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let token = ErasingToken::within(Some(folder.path().to_path_buf()));
        let begin = || token.read_or_make().expect("it is there");
        let begun: Vec<(Secret, bool)> = std::thread::scope(|scope| {
            (0..8)
                .map(|_| scope.spawn(begin))
                .collect::<Vec<_>>()
                .into_iter()
                .map(|thread| thread.join().expect("no panic"))
                .collect()
        });
        assert_eq!(begun.iter().filter(|(_, made)| *made).count(), 1);
        assert!(begun.iter().all(|(token, _)| *token == begun[0].0));
        assert_eq!(
            fs::read_dir(folder.path()).expect("the folder").count(),
            1,
            "nothing temporary is left"
        );
    }
}
