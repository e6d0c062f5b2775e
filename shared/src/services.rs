//! Everything a process works with, opened from the configuration in one way.

use crate::blobs::crypto::CryptoError;
use crate::blobs::{BlobError, Blobs};
use crate::clock::Clock;
use crate::conclude::Context;
use crate::config::Config;
use crate::likeness::Lookalikes;
use crate::partials::{Partials, PartialsError};
use crate::policy::{Policy, PolicyError};
use crate::queue::Queue;
use crate::store::{Store, StoreError};
use std::path::Path;
use std::sync::Arc;

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Keys(#[from] CryptoError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Partials(#[from] PartialsError),
    #[error(transparent)]
    Blobs(#[from] BlobError),
    #[error("policy.file {0}: {1}")]
    PolicyFile(std::path::PathBuf, std::io::Error),
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error("the database schema is not of this version: run `txid migrate`")]
    NotMigrated,
}

/// Of that file; without a name the built-in one.
pub fn policy(file: &Path) -> Result<Policy, OpenError> {
    if file.as_os_str().is_empty() {
        return Ok(Policy::default());
    }
    let text =
        std::fs::read_to_string(file).map_err(|error| OpenError::PolicyFile(file.to_owned(), error))?;
    Ok(Policy::parse(&text)?)
}

/// Cheap to clone; all of it is shared.
#[derive(Clone)]
pub struct Services {
    pub context: Context,
    pub queue: Queue,
    pub blobs: Blobs,
}

impl Services {
    /// Refuses a database that was not migrated, or that is of other master keys. The broker is connected at
    /// first use: it may come later.
    pub async fn open(config: &Config, clock: Clock) -> Result<Self, OpenError> {
        let master = config.keys.parse()?;
        let policy = policy(&config.policy.file)?;
        let blobs = Blobs::open(&config.blobs)?;
        let store = Store::connect(&config.database, master).await?.with_shares(blobs.clone());
        if !store.is_migrated().await.unwrap_or(false) {
            return Err(OpenError::NotMigrated);
        }
        store.check_account_keys().await?;
        let partials = Partials::open(&config.redis).await?;
        Ok(Self {
            context: Context {
                lookalikes: Lookalikes::new(store.clone()),
                store,
                partials,
                policy: Arc::new(policy),
                clock,
            },
            queue: Queue::open(&config.broker),
            blobs,
        })
    }
}
