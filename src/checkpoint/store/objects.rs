//! An object store as a store: S3, or what speaks its protocol.

use super::{CheckpointError, Store, StoredFile};
use crate::config::secret::keep;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, RetryConfig};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// How long a request is tried again before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Variables whose values may be shown.
const HARMLESS: [&str; 9] = [
    "AWS_ALLOW_HTTP",
    "AWS_BUCKET",
    "AWS_BUCKET_NAME",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_PROFILE",
    "AWS_REGION",
];

/// How often.
const RETRIES: usize = 5;

/// Requests under way at once: each takes long and costs little.
const AT_ONCE: usize = 16;

/// A bucket, and what stands before all names in it.
pub struct Objects {
    address: String,
    prefix: Path,
    client: Box<dyn ObjectStore>,
    /// Of its own: connections are kept up between two requests, and no caller need be
    /// asynchronous.
    runtime: Runtime,
}

impl Objects {
    /// The store at a URL such as `s3://bucket/prefix`. Region, credentials and endpoint are taken
    /// from the variables that the tools of AWS read: `AWS_REGION`, `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_ENDPOINT_URL_S3`, `AWS_ALLOW_HTTP` and so on.
    ///
    /// # Errors
    /// [`CheckpointError::Address`].
    pub fn open(url: &str) -> Result<Self, CheckpointError> {
        let secrets = std::env::vars()
            .filter(|(name, _)| name.starts_with("AWS_") && !HARMLESS.contains(&name.as_str()));
        secrets.for_each(|(_, value)| keep(&value));
        Objects::connect(url, AmazonS3Builder::from_env())
    }

    /// As [`Objects::open`], with settings that are given rather than read from the environment.
    ///
    /// # Errors
    /// [`CheckpointError::Address`].
    pub fn connect(url: &str, settings: AmazonS3Builder) -> Result<Self, CheckpointError> {
        let address = |why: String| CheckpointError::Address { address: url.to_string(), why };
        let prefix = url
            .split_once("://")
            .map_or("", |(_, rest)| rest.split_once('/').map_or("", |(_, prefix)| prefix));
        let prefix =
            Path::parse(prefix.trim_matches('/')).map_err(|error| address(error.to_string()))?;
        let retry =
            RetryConfig { max_retries: RETRIES, retry_timeout: PATIENCE, ..RetryConfig::default() };
        // Not every store that speaks the protocol knows how to delete many at once.
        let client = settings
            .with_url(url)
            .with_retry(retry)
            .with_disable_bulk_delete(true)
            .build()
            .map_err(|error| address(error.to_string()))?;
        Objects::over(Box::new(client), url.trim_end_matches('/').to_string(), prefix)
    }

    /// The store of a client.
    ///
    /// # Errors
    /// [`CheckpointError::Address`], where the thread of the client cannot be started.
    pub fn over(
        client: Box<dyn ObjectStore>,
        address: String,
        prefix: Path,
    ) -> Result<Self, CheckpointError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("object-store")
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| CheckpointError::Address {
            address: address.clone(),
            why: error.to_string(),
        })?;
        Ok(Objects { address, prefix, client, runtime })
    }

    fn path(&self, name: &str) -> Path {
        self.prefix.parts().chain(Path::from(name).parts()).collect()
    }

    fn error(
        &self,
        name: &str,
        done: &'static str,
    ) -> impl Fn(object_store::Error) -> CheckpointError {
        let object = self.object(name);
        move |error| match error {
            object_store::Error::NotFound { .. } => {
                CheckpointError::Missing { object: object.clone() }
            }
            error => CheckpointError::Store { object: object.clone(), done, source: error.into() },
        }
    }
}

impl Store for Objects {
    fn address(&self) -> String {
        self.address.clone()
    }

    fn put(&self, files: &[(String, Bytes)]) -> Result<(), CheckpointError> {
        let put = async |(name, content): &(String, Bytes)| {
            let written = self.client.put(&self.path(name), content.clone().into()).await;
            written.map(|_| ()).map_err(self.error(name, "written"))
        };
        self.runtime.block_on(stream::iter(files).map(Ok).try_for_each_concurrent(AT_ONCE, put))
    }

    fn get(&self, name: &str, at_most: u64) -> Result<Bytes, CheckpointError> {
        let found = self
            .runtime
            .block_on(self.client.get(&self.path(name)))
            .map_err(self.error(name, "read"))?;
        match found.meta.size > at_most {
            true => Err(super::too_long(self, name, at_most)),
            false => self.runtime.block_on(found.bytes()).map_err(self.error(name, "read")),
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<StoredFile>, CheckpointError> {
        let found = self.client.list(Some(&self.path(folder)));
        let found: Vec<_> =
            self.runtime.block_on(found.try_collect()).map_err(self.error(folder, "listed"))?;
        let name = |location: &Path| {
            let parts = location.prefix_match(&self.prefix)?;
            Some(parts.map(|part| part.as_ref().to_string()).collect::<Vec<_>>().join("/"))
        };
        let mut entries: Vec<StoredFile> = found
            .iter()
            .filter_map(|object| {
                Some(StoredFile { name: name(&object.location)?, bytes: object.size })
            })
            .collect();
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn delete(&self, names: &[String]) -> Result<(), CheckpointError> {
        let delete = async |name: &String| match self.client.delete(&self.path(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.error(name, "deleted")(error)),
        };
        self.runtime.block_on(stream::iter(names).map(Ok).try_for_each_concurrent(AT_ONCE, delete))
    }
}
