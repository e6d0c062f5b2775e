//! The settings, their defaults and what they mean.

use super::{Batches, Secret};
use crate::blobs::crypto::{CryptoError, MasterKeys};
use crate::network::Network;
use crate::words::Stage;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub server: Server,
    pub database: Database,
    pub broker: Broker,
    pub redis: Redis,
    pub blobs: Blobs,
    pub keys: Keys,
    pub limits: Limits,
    pub relay: Relay,
    pub sweeper: Sweeper,
    pub retention: Retention,
    pub batches: Batches,
    pub worker: Worker,
    pub webhooks: Webhooks,
    pub models: Models,
    pub policy: PolicyFile,
    pub telemetry: Telemetry,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Where the scheduler's HTTP API listens.
    pub listen: SocketAddr,
    /// How callers reach the API, such as `https://id.example.com`: for addresses in answers. Empty: as each
    /// request names its host, over http.
    pub public_url: String,
    /// How long a synchronous verify waits before it answers 202.
    pub sync_wait_ms: u64,
    /// The longest any request may take.
    pub request_timeout_ms: u64,
    /// How long a stopping scheduler waits for its open requests.
    pub drain_deadline_ms: u64,
    /// Requests with images that may be in memory at once (each up to about 45 MB).
    pub concurrent_uploads: usize,
    /// Networks of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    pub url: Secret,
    /// Schema that holds the tables.
    pub schema: String,
    pub max_connections: u32,
    pub acquire_timeout_ms: u64,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Broker {
    /// Empty: the queue lives in this process (standalone only).
    pub url: Secret,
    /// Put before every queue and exchange name; lets installations share a virtual host.
    pub prefix: String,
    /// How often the broker delivers a message before it goes to the dead-letter queue.
    pub delivery_limit: u32,
    /// The broker's own limit on unacknowledged messages (RabbitMQ default: 30 minutes).
    pub consumer_timeout_ms: u64,
    /// How long a publish may wait for its confirm before the channel is dropped.
    pub confirm_timeout_ms: u64,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Redis {
    /// Empty: partials live in this process (standalone only).
    pub url: Secret,
    /// Put before every key and channel.
    pub prefix: String,
    /// How long partials without a verdict are kept.
    pub partial_ttl_ms: u64,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Blobs {
    /// `file:///folder` or `s3://bucket/prefix`.
    pub url: String,
    /// For S3-compatible services other than AWS.
    pub s3_endpoint: Option<String>,
    pub s3_region: String,
    pub s3_access_key_id: Secret,
    pub s3_secret_access_key: Secret,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// Master keys, each `id:base64 of 32 bytes`; the first one wraps, all of them unwrap.
    pub master: Vec<Secret>,
}

impl Keys {
    pub fn parse(&self) -> Result<MasterKeys, CryptoError> {
        MasterKeys::parse(self.master.iter().map(Secret::reveal))
    }
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Method and route, such as `POST /v1/identity/verify` → calls per minute and account, besides the plan.
    pub endpoints_per_minute: BTreeMap<String, u32>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Relay {
    pub batch_rows: i64,
    pub poll_ms: u64,
    /// A row claimed longer than this may be claimed by another relay.
    pub lease_ms: u64,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sweeper {
    pub interval_ms: u64,
    /// A verification without verdict this long after its last enqueueing is enqueued again.
    pub overdue_after_ms: u64,
    /// After so many rounds without a verdict it ends as `error`.
    pub rounds: i32,
    /// How long request logs are kept.
    pub request_log_days: i64,
}

/// How long what accounts without times of their own send is kept, from its acceptance on.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Pictures and evidence, in days; 0: as long as the rest.
    pub images_days: u32,
    /// Everything about a verification, in days; 0: until it is erased by a call.
    pub data_days: u32,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Worker {
    /// Which stages this process runs.
    pub stages: Vec<Stage>,
    /// Inference threads; absent: the CPUs this process may use (cgroup quota honoured).
    pub threads: Option<usize>,
    /// Jobs in hand per queue; absent: twice the threads.
    pub prefetch: Option<u16>,
    /// The longest a stage may run, once it has a thread.
    pub stage_deadline_ms: u64,
    /// The longest a single model run may take; a check at start, see the time ladder.
    pub inference_limit_ms: u64,
    /// How long a stopping worker lets stages finish.
    pub drain_deadline_ms: u64,
    /// What the pod gives before SIGKILL (`terminationGracePeriodSeconds`).
    pub grace_period_ms: u64,
    /// How often a stage is tried before its check ends as `error`.
    pub attempts: i32,
    /// Delay before a failed stage is tried again.
    pub retry_delay_ms: u64,
    /// Memory for images kept for the next stage of their verification, besides those in hand.
    pub image_cache_bytes: u64,
    /// Health and metrics of the worker.
    pub listen: SocketAddr,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Webhooks {
    pub request_timeout_ms: u64,
    /// A delivery claimed longer than this may be claimed by another worker.
    pub lease_ms: u64,
    pub poll_ms: u64,
    /// Requests under way at once.
    pub concurrency: usize,
    /// Of these to one consumer; to one that fails a single request at a time.
    pub endpoint_concurrency: usize,
    /// Otherwise refused networks (CIDR) that endpoints may lie in; for development.
    pub allow_networks: Vec<String>,
    /// Seconds from one failure to the next attempt: seven attempts in all.
    pub retry_after_s: Vec<u64>,
    /// An endpoint with nothing but failures for so long is disabled; 0: never.
    pub disable_after_s: u64,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Models {
    /// Cache folder, also of the sandbox's fixtures; empty: `$TXID_CACHE`, `$XDG_CACHE_HOME/txid` or `~/.cache/txid`.
    pub cache: PathBuf,
    /// A manifest of your own instead of the built-in one.
    pub manifest: PathBuf,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyFile {
    /// Empty: the built-in policy.
    pub file: PathBuf,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// `tracing` filter directives.
    pub filter: String,
    pub format: LogFormat,
    /// OTLP/HTTP base address such as `http://collector:4318`; empty: nothing is sent.
    pub otlp_endpoint: String,
    /// Share of traces that are sampled, 0..1.
    pub trace_ratio: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Json,
    Text,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: String::new(),
            sync_wait_ms: 30_000,
            request_timeout_ms: 60_000,
            drain_deadline_ms: 35_000,
            concurrent_uploads: 16,
            trusted_proxies: Vec::new(),
        }
    }
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: Secret::new("postgres://postgres@127.0.0.1:5432/postgres"),
            schema: "txid".to_owned(),
            max_connections: 16,
            acquire_timeout_ms: 5_000,
        }
    }
}

impl Default for Broker {
    fn default() -> Self {
        Self {
            url: Secret::new("amqp://guest:guest@127.0.0.1:5672/%2f"),
            prefix: "txid.".to_owned(),
            delivery_limit: 5,
            consumer_timeout_ms: 1_800_000,
            confirm_timeout_ms: 10_000,
        }
    }
}

impl Default for Redis {
    fn default() -> Self {
        Self {
            url: Secret::new("redis://127.0.0.1:6379/0"),
            prefix: "txid:".to_owned(),
            partial_ttl_ms: 86_400_000,
        }
    }
}

impl Default for Blobs {
    fn default() -> Self {
        Self {
            url: "file:///var/lib/txid/blobs".to_owned(),
            s3_endpoint: None,
            s3_region: "us-east-1".to_owned(),
            s3_access_key_id: Secret::new(""),
            s3_secret_access_key: Secret::new(""),
        }
    }
}

impl Default for Relay {
    fn default() -> Self {
        Self { batch_rows: 256, poll_ms: 200, lease_ms: 30_000 }
    }
}

impl Default for Sweeper {
    fn default() -> Self {
        Self { interval_ms: 5_000, overdue_after_ms: 120_000, rounds: 10, request_log_days: 30 }
    }
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            stages: Stage::ALL.to_vec(),
            threads: None,
            prefetch: None,
            stage_deadline_ms: 20_000,
            inference_limit_ms: 10_000,
            drain_deadline_ms: 25_000,
            grace_period_ms: 40_000,
            attempts: 3,
            retry_delay_ms: 2_000,
            image_cache_bytes: 96 * 1024 * 1024,
            listen: SocketAddr::from(([127, 0, 0, 1], 9090)),
        }
    }
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            request_timeout_ms: 15_000,
            lease_ms: 60_000,
            poll_ms: 250,
            concurrency: 128,
            endpoint_concurrency: 16,
            allow_networks: Vec::new(),
            // 1 m, 5 m, 30 m, 2 h, 12 h, 24 h after the first failure and the following ones.
            retry_after_s: vec![60, 300, 1_800, 7_200, 43_200, 86_400],
            // Five days: longer than a delivery is tried, and than a weekend.
            disable_after_s: 432_000,
        }
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            filter: "info,sqlx=warn,lapin=warn".to_owned(),
            format: LogFormat::Json,
            otlp_endpoint: String::new(),
            trace_ratio: 1.0,
        }
    }
}

/// Settings are written in milliseconds, used as durations.
pub fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
