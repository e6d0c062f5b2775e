//! Postgres: the only folder that holds SQL, one file per aggregate. Each statement starts with its
//! function's name, so that a slow query in the server's log leads here.

mod acceptance;
mod accounts;
mod audit;
mod batch;
mod bulk;
mod bulk_driving;
mod bulk_moves;
mod bulk_rows;
mod data_keys;
mod dead_letters;
mod deliveries;
mod delivery_log;
mod endpoints;
mod idempotency;
mod inspection;
mod keys;
mod lifecycle;
mod likenesses;
mod making;
mod master_keys;
mod outbox;
mod request_logs;
mod sandbox;
mod sessions;
mod time;
mod troubles;
mod under_way;
mod uploads;
mod usage;
mod verifications;

pub use acceptance::{Acceptance, Declared, Retention};
pub use accounts::{Account, AccountKeys, AccountRow, BATCH_WEIGHTS};
pub use audit::{AuditEntry, Chain};
pub use bulk::{BatchOptions, BatchRecord, NewBatch, Progress};
pub use bulk_rows::{BatchRow, NewRow, Reservation, RowEnd};
pub use dead_letters::{DeadLetter, DeadLetterCount, DeadLetterRow, LetterFilter, stage_and_lane};
pub use deliveries::{
    AttemptRecord, ClaimedDelivery, ClaimedEndpoint, DeliveriesClaimed, DeliveryClaim, DeliveryOutcome,
    Response, Secrets, Standing,
};
pub use delivery_log::{Replay, Replayed, StoredEvent};
pub use endpoints::{EndpointChange, NewEndpoint, SecretRotation};
pub use idempotency::{Claim, Claimed, Made, SealedAnswer};
pub use inspection::{DataKeys, DatabaseReport, Migrations, inspect_database};
pub use keys::{ApiKey, AuthenticatedKey, KeyRow, NewKey, Rotation};
pub use lifecycle::{Filter, Page};
pub use likenesses::AlikeRow;
pub use making::Making;
pub use master_keys::{AccountKeysReport, Rewrapped};
pub use outbox::ClaimedRow;
pub use request_logs::{RequestFilter, RequestLog};
pub use sandbox::Simulation;
pub use sessions::{Session, Upload as SessionUpload};
pub use troubles::Overdue;
pub use under_way::BatchesUnderWay;
pub use uploads::Upload;
pub use usage::{Calls, EndpointUsage, UsageDay, VerificationsOfDay};
pub use verifications::{Case, Finish, OutgoingEvent, Row};

use crate::blobs::crypto::{CryptoError, MasterKeys};
use crate::blobs::{BlobError, Blobs};
use crate::config::{self, ms};
use crate::ids::VerificationId;
use batch::Batch;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, PgPool};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// Every statement of a running fleet reads few rows by an index. A plan made while a table was small must
/// not read all of it once it is large, and planning or compiling a statement costs more than running it.
const PLANNING: [(&str, &str); 5] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];

const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("migration: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    #[error("keys.master opens none of the {0} account keys in the database: restore the right key")]
    WrongMasterKeys(usize),
    #[error("the database holds what this version does not know: {0}")]
    Unknown(String),
    #[error("`{0}` exists already")]
    Exists(String),
    #[error("the verification's data key is destroyed")]
    Erased,
    /// The row stands as before its erasure, or the object store is not the one that it was accepted with.
    #[error("the share of the verification's data key is not in the object store")]
    ShareGone,
    #[error("key shares cannot be read here: no object store was opened")]
    NoShares,
    #[error("key share: {0}")]
    Share(#[from] BlobError),
    /// A statement that served several callers failed for all of them.
    #[error("{0}")]
    Together(Arc<StoreError>),
}

#[derive(Clone)]
pub struct Store {
    pool: PgPool,
    keys: Arc<AccountKeys>,
    shares: Option<Blobs>,
    batches: Arc<Batches>,
}

/// The statements that every verification needs.
struct Batches {
    api_key: Batch<Vec<u8>, Option<AuthenticatedKey>>,
    accept: Batch<Acceptance, bool>,
    case: Batch<VerificationId, Option<Case>>,
    finish: Batch<Finish, bool>,
    record_attempt: Batch<deliveries::Attempted, bool>,
}

impl Batches {
    fn new(pool: &PgPool) -> Self {
        Self {
            api_key: Batch::new(pool.clone(), keys::authenticate),
            accept: Batch::new(pool.clone(), acceptance::accept),
            case: Batch::new(pool.clone(), verifications::cases),
            finish: Batch::new(pool.clone(), verifications::finish),
            record_attempt: Batch::new(pool.clone(), deliveries::record_attempts),
        }
    }
}

impl StoreError {
    /// Nobody opens it again: erased, or a row that a backup brought back.
    pub const fn is_destroyed(&self) -> bool {
        matches!(self, Self::Erased | Self::ShareGone)
    }
}

impl Store {
    pub async fn connect(settings: &config::Database, master: MasterKeys) -> Result<Self, StoreError> {
        let options = options(settings)?.options(PLANNING);
        // A dead connection shows at its first use and is replaced; asking before each use costs a round trip.
        let pool = PgPoolOptions::new().max_connections(settings.max_connections).test_before_acquire(false);
        let pool = connect(pool, options, settings).await?;
        let (batches, keys) = (Arc::new(Batches::new(&pool)), Arc::new(AccountKeys::new(master)));
        Ok(Self { batches, pool, keys, shares: None })
    }

    /// Brings the schema to this version. Safe to repeat and to run beside a running fleet, also one of a
    /// newer version: what that one added stays, or nobody could roll back.
    pub async fn migrate(settings: &config::Database) -> Result<(), StoreError> {
        let pool = single_connection(settings).await?;
        // The name cannot be a bind parameter; the configuration allows [a-z0-9_] only.
        let create = format!("CREATE SCHEMA IF NOT EXISTS \"{}\"", settings.schema);
        sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&pool).await?;
        let known = MIGRATIONS.migrations.clone();
        Migrator { migrations: known, ignore_missing: true, ..Migrator::DEFAULT }.run(&pool).await?;
        pool.close().await;
        Ok(())
    }

    /// True when every migration of this version has run (newer ones may have, too).
    pub async fn is_migrated(&self) -> Result<bool, StoreError> {
        let applied: Vec<(i64,)> =
            sqlx::query_as("/* is_migrated */ SELECT version FROM _sqlx_migrations WHERE success")
                .fetch_all(&self.pool)
                .await?;
        Ok(MIGRATIONS.iter().all(|wanted| applied.iter().any(|(version,)| *version == wanted.version)))
    }

    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("/* ping */ SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Waits for statements under way, within bounds: a database that does not answer must not hold up the end.
    pub async fn close(&self) {
        if tokio::time::timeout(CLOSE_TIMEOUT, self.pool.close()).await.is_err() {
            tracing::warn!("statements were still under way at the end");
        }
    }
}

fn options(settings: &config::Database) -> Result<PgConnectOptions, StoreError> {
    let options = PgConnectOptions::from_str(settings.url.reveal())?;
    Ok(options.options([("search_path", settings.schema.as_str())]).application_name("txid"))
}

/// For what is done once, and not by the plans of a running fleet.
async fn single_connection(settings: &config::Database) -> Result<PgPool, StoreError> {
    connect(PgPoolOptions::new().max_connections(1), options(settings)?, settings).await
}

async fn connect(
    pool: PgPoolOptions,
    options: PgConnectOptions,
    settings: &config::Database,
) -> Result<PgPool, StoreError> {
    let patience = ms(settings.acquire_timeout_ms);
    match pool.acquire_timeout(patience).connect_with(options.clone()).await {
        // The pool tries again until its time is over, and does not say what went wrong meanwhile.
        Err(sqlx::Error::PoolTimedOut) => {
            match tokio::time::timeout(patience, PgConnection::connect_with(&options)).await {
                Ok(Err(cause)) => Err(cause.into()),
                Ok(Ok(_)) | Err(_) => Err(sqlx::Error::PoolTimedOut.into()),
            }
        }
        connected => Ok(connected?),
    }
}

/// Text from the database that must be one of our words.
fn word<T: FromStr<Err = crate::words::UnknownWord>>(text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|error: crate::words::UnknownWord| StoreError::Unknown(error.to_string()))
}

fn words<T: FromStr<Err = crate::words::UnknownWord>>(texts: &[String]) -> Result<Vec<T>, StoreError> {
    texts.iter().map(|text| word(text)).collect()
}
