//! Settings of bulk work.

use super::Secret;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Batches {
    /// Batches that one scheduler drives at once; 0: it drives none.
    pub concurrent: usize,
    /// How soon another scheduler goes on with a batch whose scheduler died.
    pub lease_ms: u64,
    /// How often a batch looks for rows that were decided.
    pub poll_ms: u64,
    /// Work that the batch lane holds ahead, in seconds of what is decided lately.
    pub ahead_s: f64,
    /// Rows of all batches that are under way at most.
    pub most_under_way: i64,
    /// Rows that one batch fetches, checks and accepts at once.
    pub admissions: usize,
    /// Rows of one manifest at most.
    pub most_rows: i64,
    /// Bytes of one upload at most.
    pub largest_upload_bytes: u64,
    /// How long an upload is kept.
    pub upload_hours: u32,
    /// Whether rows may refer to pictures by `https:`; the scheduler then needs a way out.
    pub https: bool,
    /// Otherwise refused networks (CIDR) that such pictures may lie in; for development.
    pub allow_networks: Vec<String>,
    /// How long fetching one picture may take.
    pub fetch_timeout_ms: u64,
    /// Buckets that rows and manifests may refer to by `s3://`.
    pub buckets: Vec<Bucket>,
    /// Folder (canonical) that `file:` paths start from and that those of pictures may not leave; absent: they are not
    /// followed. No setting, but what a process decides that its own user feeds.
    #[serde(skip)]
    pub local_files: Option<PathBuf>,
}

/// A bucket, or what lies under a prefix of it, for one account or for all.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bucket {
    /// `s3://bucket/prefix`
    pub url: String,
    /// Name of the account that may read it; absent: each of them.
    pub account: Option<String>,
    /// For S3-compatible services other than AWS.
    pub endpoint: Option<String>,
    pub region: String,
    pub access_key_id: Secret,
    pub secret_access_key: Secret,
}

impl Default for Batches {
    fn default() -> Self {
        Self {
            concurrent: 8,
            lease_ms: 15_000,
            poll_ms: 250,
            ahead_s: 30.0,
            most_under_way: 20_000,
            admissions: 16,
            most_rows: 5_000_000,
            largest_upload_bytes: 20 * 1024 * 1024 * 1024,
            upload_hours: 168,
            https: true,
            allow_networks: Vec::new(),
            fetch_timeout_ms: 15_000,
            buckets: Vec::new(),
            local_files: None,
        }
    }
}
