//! The fleet's counters: per account one counter for each window and one sorted set of the calls under
//! way, all under one `{hash tag}`. A script makes counting and refusing one atomic step.

use super::{AllowanceError, Counted, Slot, Terms};
use crate::config;
use crate::ids::{AccountId, RequestId};
use jiff::Timestamp;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A call must not wait long for its counters: without them it goes on uncounted.
const PATIENCE: Duration = Duration::from_millis(250);
/// After a failure the calls of this time go on uncounted at once, instead of each waiting in vain.
const AWAY_FOR: Duration = Duration::from_secs(1);
/// Schedulers' clocks may differ: a window's counter outlives the window.
const SLACK_S: i64 = 60;

/// KEYS: calls under way, then one counter per limit. ARGV: now in ms, calls at once (-1: not limited),
/// this call ('': only look), lease in ms, then calls and seconds to live of each limit.
/// Answers 0 for yes, -1 for too many at once, n for the limit that is used up; then the calls under way,
/// and what each counter holds.
const TAKE: &str = r"
local now, at_once, call, lease = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local refused, under_way, used = 0, 0, {}
if at_once >= 0 then
  if call ~= '' then redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now) end
  under_way = redis.call('ZCOUNT', KEYS[1], '(' .. ARGV[1], '+inf')
  if under_way >= at_once then refused = -1 end
end
for n = #KEYS - 1, 1, -1 do
  used[n] = tonumber(redis.call('GET', KEYS[n + 1]) or '0')
  if used[n] >= tonumber(ARGV[3 + 2 * n]) then refused = n end
end
if call ~= '' and refused == 0 then
  for n = 1, #KEYS - 1 do
    used[n] = redis.call('INCR', KEYS[n + 1])
    redis.call('EXPIRE', KEYS[n + 1], ARGV[4 + 2 * n])
  end
  if at_once >= 0 then
    redis.call('ZADD', KEYS[1], now + lease, call)
    redis.call('PEXPIRE', KEYS[1], lease)
    under_way = under_way + 1
  end
end
return {refused, under_way, unpack(used)}
";

#[derive(Clone)]
pub struct RedisAllowance {
    connection: ConnectionManager,
    prefix: String,
    lease_ms: u64,
    take: Arc<redis::Script>,
    failed_at: Arc<Mutex<Option<Instant>>>,
}

impl RedisAllowance {
    pub(super) fn open(settings: &config::Redis, lease: Duration) -> Result<Self, AllowanceError> {
        let client = redis::Client::open(settings.url.reveal())?;
        let manager = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE))
            .set_number_of_retries(1);
        Ok(Self {
            connection: ConnectionManager::new_lazy_with_config(client, manager)?,
            prefix: settings.prefix.clone(),
            lease_ms: u64::try_from(lease.as_millis()).unwrap_or(u64::MAX),
            take: Arc::new(redis::Script::new(TAKE)),
            failed_at: Arc::default(),
        })
    }

    fn under_way(&self, account: AccountId) -> String {
        format!("{}{{{account}}}:under_way", self.prefix)
    }

    /// Without a `call` it only looks.
    pub(super) async fn take(
        &self,
        terms: &Terms,
        call: Option<RequestId>,
        now: Timestamp,
    ) -> Result<Counted, AllowanceError> {
        let mut script = self.take.key(self.under_way(terms.account));
        for limit in &terms.limits {
            let (name, window) = (limit.name(), limit.per.window(now));
            script.key(format!("{}{{{}}}:calls:{name}:{window}", self.prefix, terms.account));
        }
        script.arg(now.as_millisecond());
        script.arg(terms.concurrent.map_or(-1, i64::from));
        script.arg(call.map(|call| call.to_string()).unwrap_or_default());
        script.arg(self.lease_ms);
        for limit in &terms.limits {
            let left = limit.per.resets_at(now).as_second() - now.as_second();
            script.arg(limit.calls).arg(left + SLACK_S);
        }
        let mut connection = self.connection.clone();
        let counts: Vec<i64> = self.bounded(script.invoke_async(&mut connection)).await?;
        let whole = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
        let [refused, under_way, used @ ..] = counts.as_slice() else {
            return Err(AllowanceError::Silent);
        };
        let refused = match *refused {
            0 => None,
            -1 => Some(None),
            limit => Some(usize::try_from(limit - 1).ok()),
        };
        let used = used.iter().map(|count| whole(*count)).collect();
        Ok(Counted { refused, under_way: whole(*under_way), used })
    }

    pub(super) async fn give_back(&self, slot: &Slot) -> Result<(), AllowanceError> {
        let mut connection = self.connection.clone();
        let mut remove = redis::cmd("ZREM");
        remove.arg(self.under_way(slot.account)).arg(slot.call.to_string());
        self.bounded(remove.query_async::<()>(&mut connection)).await
    }

    async fn bounded<T>(
        &self,
        asking: impl Future<Output = Result<T, redis::RedisError>>,
    ) -> Result<T, AllowanceError> {
        let failed_at = || self.failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        if failed_at().is_some_and(|failed_at| failed_at.elapsed() < AWAY_FOR) {
            return Err(AllowanceError::Silent);
        }
        let answer = match tokio::time::timeout(PATIENCE, asking).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(AllowanceError::Silent),
        };
        *failed_at() = answer.is_err().then(Instant::now);
        answer
    }
}
