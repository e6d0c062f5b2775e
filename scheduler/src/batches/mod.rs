//! Bulk work. A batch is driven by one scheduler at a time, which holds a lease on it: it reads the manifest,
//! checks it where that was asked for, admits rows as the lane has room, takes over how they ended, and writes the
//! files. Everything that a driver knows stands in Postgres, so that any other can go on where it died.

mod admit;
mod drive;
mod files;
mod finish;
mod groups;
mod lines;
mod manifest;
mod preflight;
mod references;
mod rows;
mod source;
mod zipped;

pub(crate) use drive::ROWS;
pub(crate) use rows::row_form;
pub(crate) use source::{Location, Source, not_open};

use bytes::Bytes;
use references::References;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use txid_shared::api::ApiError;
use txid_shared::blobs::sources::Sources;
use txid_shared::blobs::spool::{SpoolReader, SpoolWriter};
use txid_shared::blobs::{BlobError, Blobs};
use txid_shared::clock::Clock;
use txid_shared::config::{self, ms};
use txid_shared::ids::{AccountId, UploadId};
use txid_shared::outbound::{self, Guard};
use txid_shared::partials::Partials;
use txid_shared::services::Services;
use txid_shared::store::{BatchRecord, Retention, Store, StoreError, Upload};
use txid_shared::task::Tasks;
use txid_shared::words::BatchFile;
use uuid::Uuid;

/// What drivers work with. Cheap to clone.
#[derive(Clone)]
pub struct Batches {
    store: Store,
    blobs: Blobs,
    partials: Partials,
    clock: Clock,
    settings: Arc<config::Batches>,
    retention: Retention,
    outbox_filled: Arc<Notify>,
    references: References,
}

#[derive(Debug, thiserror::Error)]
pub enum BatchesError {
    #[error("batches.allow_networks: {0}")]
    Guard(#[from] txid_shared::network::MalformedNetwork),
    #[error("HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    #[error(transparent)]
    Blobs(#[from] BlobError),
}

/// Why a driver stops.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DriveError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error(transparent)]
    Crypto(#[from] txid_shared::blobs::crypto::CryptoError),
    #[error("another scheduler drives it")]
    LeaseLost,
    #[error("the process ends")]
    Stopping,
    #[error("a task of it panicked")]
    Panicked,
}

impl Batches {
    pub fn new(
        services: &Services,
        settings: &config::Batches,
        retention: Retention,
        outbox_filled: Arc<Notify>,
    ) -> Result<Self, BatchesError> {
        txid_shared::use_ring_for_tls();
        let guard = Arc::new(Guard::allowing(&settings.allow_networks)?);
        let client = outbound::client(guard.clone(), ms(settings.fetch_timeout_ms))?;
        let sources = Sources::open(&settings.buckets)?;
        let Services { context, blobs, .. } = services.clone();
        let references = References {
            store: context.store.clone(),
            blobs: blobs.clone(),
            sources,
            web: settings.https.then_some((client, guard)),
            local_files: settings.local_files.clone(),
        };
        Ok(Self {
            store: context.store,
            blobs,
            partials: context.partials,
            clock: context.clock,
            settings: Arc::new(settings.clone()),
            retention,
            outbox_filled,
            references,
        })
    }

    /// Until `stopping`: looks for batches that nobody drives, and drives them. `recover`: what held leases
    /// before is dead.
    pub async fn run(self, recover: bool, stopping: CancellationToken) {
        if recover && let Err(error) = self.store.release_all_batches().await {
            tracing::error!(%error, "leases of batches cannot be taken back");
        }
        let drivers = Tasks::new();
        let places = Arc::new(tokio::sync::Semaphore::new(self.settings.concurrent));
        while !stopping.is_cancelled() && self.settings.concurrent > 0 {
            if let Err(error) = self.take_up(&places, &drivers, &stopping).await {
                tracing::error!(%error, "batches cannot be looked for");
            }
            tokio::select! {
                () = stopping.cancelled() => {}
                () = tokio::time::sleep(ms(self.settings.poll_ms)) => {}
            }
        }
        drivers.drained(Duration::from_secs(5)).await;
    }

    async fn take_up(
        &self,
        places: &Arc<tokio::sync::Semaphore>,
        drivers: &Tasks,
        stopping: &CancellationToken,
    ) -> Result<(), StoreError> {
        let free = i64::try_from(places.available_permits()).unwrap_or(i64::MAX);
        if free == 0 {
            return Ok(());
        }
        let token = Uuid::new_v4();
        let now = self.clock.now();
        for id in self.store.claim_batches(free, token, now, now + self.lease()).await? {
            // Only this loop takes places, so that there is one for each that was claimed.
            let place = places.clone().acquire_owned().await;
            let (batches, stopping) = (self.clone(), stopping.clone());
            drivers.spawn(async move {
                batches.drive(id, token, stopping).await;
                drop(place);
            });
        }
        Ok(())
    }

    /// The first bytes of an upload; `None`: there is no such upload.
    pub(crate) async fn start_of_upload(
        &self,
        account: AccountId,
        id: UploadId,
        size: usize,
    ) -> Result<Option<Bytes>, DriveError> {
        let Some((_, reader)) = self.references.upload(account, id).await? else { return Ok(None) };
        Ok(Some(reader.read(0, size).await?))
    }

    /// Why a manifest in a bucket cannot be read; what can be told before there is a batch.
    pub(crate) async fn refusal_of_bucket(
        &self,
        account: AccountId,
        param: &str,
        url: &str,
    ) -> Result<Option<ApiError>, StoreError> {
        let account = self.store.account_name(account).await?.unwrap_or_default();
        let looked = self.references.sources.look(&account, url).await;
        Ok(looked.err().map(|error| manifest::unreachable(param, &error)))
    }

    /// A place for bytes to come, kept for as long as the settings say.
    pub(crate) async fn new_upload(&self, account: AccountId) -> Result<Upload, StoreError> {
        let now = self.clock.now();
        let kept = jiff::SignedDuration::from_hours(i64::from(self.settings.upload_hours));
        self.store.create_upload(account, now, now + kept).await
    }

    /// The rows without a verdict, as a manifest of their own.
    pub(crate) async fn errors_as_upload(&self, record: &BatchRecord) -> Result<UploadId, DriveError> {
        let upload = self.new_upload(record.account_id).await?;
        let key = self.store.upload_key(&upload).await?;
        let attempt = Uuid::new_v4();
        let mut writer = SpoolWriter::new(&self.blobs, &key, &upload.place_of(attempt));
        let reader = self.file_of(record, BatchFile::Errors).await?;
        let mut number = 0;
        while let Some(piece) = reader.piece_or_end(number).await? {
            writer.write(&piece).await?;
            number += 1;
        }
        self.store.upload_stored(upload.id, attempt, &writer.close().await?).await?;
        Ok(upload.id)
    }

    /// One of a batch's files.
    pub(crate) async fn file_of(
        &self,
        record: &BatchRecord,
        file: BatchFile,
    ) -> Result<SpoolReader, DriveError> {
        let key = self.store.batch_key(record).await?;
        Ok(SpoolReader::new(&self.blobs, &key, &record.place(file.as_str())))
    }

    fn lease(&self) -> jiff::SignedDuration {
        jiff::SignedDuration::try_from(ms(self.settings.lease_ms))
            .unwrap_or(jiff::SignedDuration::from_secs(15))
    }
}
