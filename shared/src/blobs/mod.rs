//! Images and evidence in an object store, sealed before they leave the process.

pub mod crypto;
mod local;
mod shares;
pub mod sources;
pub mod spool;

use crate::config;
use bytes::Bytes;
use crypto::{CryptoError, SealingKey};
use futures_util::future::try_join_all;
use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    #[error("blobs.url: {0}")]
    Configuration(String),
    #[error("there is no such blob")]
    NotFound,
    #[error("object store: {0}")]
    Store(#[from] object_store::Error),
    #[error("blob folder: {0}")]
    Folder(#[from] std::io::Error),
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

/// Names are `account/verification/what`, so that one prefix holds the pictures of a verification; what opens
/// them is elsewhere (`shares.rs`).
#[derive(Clone, Debug)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    prefix: String,
    /// Where the names are, if the store is a folder of this machine.
    folder: Option<PathBuf>,
}

impl Blobs {
    /// Makes the folder where there is none yet.
    pub fn open(settings: &config::Blobs) -> Result<Self, BlobError> {
        if let Some(folder) = settings.url.strip_prefix("file://") {
            std::fs::create_dir_all(folder)
                .map_err(|error| BlobError::Configuration(format!("cannot create {folder}: {error}")))?;
        }
        Self::open_existing(settings)
    }

    /// For whoever looks and must not put a new folder where a mount is missing.
    pub fn open_existing(settings: &config::Blobs) -> Result<Self, BlobError> {
        if let Some(folder) = settings.url.strip_prefix("file://") {
            std::fs::metadata(folder)
                .map_err(|error| BlobError::Configuration(format!("folder {folder}: {error}")))?;
            // fsync: an accepted verification must not lose its images to a power cut.
            let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
            let folder = Some(PathBuf::from(folder));
            return Ok(Self { store: Arc::new(store), prefix: String::new(), folder });
        }
        if let Some(rest) = settings.url.strip_prefix("s3://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let mut builder =
                AmazonS3Builder::from_env().with_bucket_name(bucket).with_region(&settings.s3_region);
            if let Some(endpoint) = &settings.s3_endpoint {
                builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
            }
            if !settings.s3_access_key_id.reveal().is_empty() {
                builder = builder
                    .with_access_key_id(settings.s3_access_key_id.reveal())
                    .with_secret_access_key(settings.s3_secret_access_key.reveal());
            }
            // Whoever comes here first: the client speaks TLS.
            crate::use_ring_for_tls();
            let prefix = prefix.trim_matches('/');
            let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
            return Ok(Self { store: Arc::new(builder.build()?), prefix, folder: None });
        }
        Err(BlobError::Configuration(format!(
            "`{}` is neither file:///folder nor s3://bucket/prefix",
            settings.url
        )))
    }

    fn path(&self, name: &str) -> Path {
        Path::from(format!("{}{name}", self.prefix))
    }

    /// Seals and stores. The name is the associated data: a blob moved elsewhere does not open.
    pub async fn put(&self, key: &SealingKey, name: &str, plain: &[u8]) -> Result<(), BlobError> {
        let sealed = key.seal(name, plain)?;
        self.store.put(&self.path(name), PutPayload::from(sealed)).await?;
        Ok(())
    }

    /// Seals and stores what is new under `prefix`, each under its own name: all of it, or an error.
    pub async fn put_new(
        &self,
        key: &SealingKey,
        prefix: &str,
        plain: &[(String, &[u8])],
    ) -> Result<(), BlobError> {
        let Some(root) = &self.folder else {
            let putting = plain
                .iter()
                .map(|(name, bytes)| async move { self.put(key, &format!("{prefix}/{name}"), bytes).await });
            return try_join_all(putting).await.map(drop);
        };
        let folder = root.join(prefix);
        let files: Vec<(String, Vec<u8>)> = plain
            .iter()
            .map(|(name, bytes)| Ok((name.clone(), key.seal(&format!("{prefix}/{name}"), bytes)?)))
            .collect::<Result<_, CryptoError>>()?;
        let writing = tokio::task::spawn_blocking(move || local::write_new(&folder, &files));
        Ok(writing.await.map_err(std::io::Error::other)??)
    }

    pub async fn get(&self, key: &SealingKey, name: &str) -> Result<Bytes, BlobError> {
        let found = self.store.get(&self.path(name)).await.map_err(|error| match error {
            object_store::Error::NotFound { .. } => BlobError::NotFound,
            other => other.into(),
        })?;
        let sealed = found.bytes().await?;
        Ok(Bytes::from(key.open(name, &sealed)?))
    }

    /// Removes everything under `prefix`; how many there were.
    pub async fn remove_all(&self, prefix: &str) -> Result<usize, BlobError> {
        let found: Vec<Path> =
            self.store.list(Some(&self.path(prefix))).map_ok(|object| object.location).try_collect().await?;
        let count = found.len();
        let names = futures_util::stream::iter(found.into_iter().map(Ok)).boxed();
        self.store.delete_stream(names).try_for_each(|_| async { Ok(()) }).await?;
        Ok(count)
    }

    /// The folder, if the store is one of this machine.
    pub fn folder(&self) -> Option<&std::path::Path> {
        self.folder.as_deref()
    }

    /// Writes, reads and removes an object, each of which may be forbidden alone.
    pub async fn probe(&self) -> Result<(), BlobError> {
        let name = self.path(&format!("doctor-{:016x}", rand::random::<u64>()));
        let written = Bytes::from_static(b"txid doctor");
        self.store.put(&name, PutPayload::from(written.clone())).await?;
        let read = self.store.get(&name).await?.bytes().await?;
        self.store.delete(&name).await?;
        if read != written {
            return Err(std::io::Error::other("an object did not come back as it was written").into());
        }
        Ok(())
    }

    /// A cheap call that fails when the store cannot be reached.
    pub async fn ping(&self) -> Result<(), BlobError> {
        match self.store.head(&self.path("ping")).await {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
