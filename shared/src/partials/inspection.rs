//! What Redis says about itself, for `txid doctor`.

use super::PartialsError;
use super::redis::JOIN;
use crate::config;
use jiff::{SignedDuration, Timestamp};
use redis::{AsyncConnectionConfig, Client, InfoDict, Script, cmd};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);
/// For whoever dies before it is removed.
const PROBE_LIVES_MS: u64 = 10_000;

#[derive(Debug, Clone)]
pub struct RedisReport {
    pub version: String,
    pub is_replica: bool,
    /// `noeviction`, `allkeys-lru` and others; empty where the server keeps it to itself.
    pub eviction: String,
    /// 0: as much as the machine has.
    pub most_bytes: u64,
    pub used_bytes: u64,
    /// Partials are written to a disk, which nothing here needs.
    pub persists: bool,
    pub clock_ahead: SignedDuration,
}

/// Also joins a partial and removes it again, so that rights, scripts and room are tried. `None`: partials stay in
/// this process.
pub async fn inspect_redis(settings: &config::Redis) -> Result<Option<RedisReport>, PartialsError> {
    if settings.url.reveal().is_empty() {
        return Ok(None);
    }
    let limits = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE));
    let client = Client::open(settings.url.reveal())?;
    let mut redis = client.get_multiplexed_async_connection_with_config(&limits).await?;
    let info: InfoDict = cmd("INFO").query_async(&mut redis).await?;
    let before = Timestamp::now();
    let (seconds, micros): (i64, i64) = cmd("TIME").query_async(&mut redis).await?;
    let asked_for = Timestamp::now().duration_since(before);
    let clock = SignedDuration::from_secs(seconds) + SignedDuration::from_micros(micros);

    let probe = format!("{}doctor:{:016x}", settings.prefix, rand::random::<u64>());
    let join = Script::new(JOIN);
    let mut script = join.key(&probe);
    script.arg("probe").arg("x").arg(1).arg(PROBE_LIVES_MS);
    let joined: Vec<String> = script.invoke_async(&mut redis).await?;
    cmd("UNLINK").arg(&probe).query_async::<()>(&mut redis).await?;
    tracing::debug!(?joined, "a partial was joined and removed");

    let text = |key: &str| info.get::<String>(key).unwrap_or_default();
    let number = |key: &str| info.get::<u64>(key).unwrap_or_default();
    Ok(Some(RedisReport {
        version: text("redis_version"),
        is_replica: text("role") == "slave",
        eviction: text("maxmemory_policy"),
        most_bytes: number("maxmemory"),
        used_bytes: number("used_memory"),
        persists: number("aof_enabled") > 0 || number("rdb_saves") > 0,
        clock_ahead: clock - before.duration_since(Timestamp::UNIX_EPOCH) - asked_for / 2,
    }))
}
