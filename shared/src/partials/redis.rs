//! The meeting place in Redis. One hash per verification under a `{hash tag}`, so that cluster
//! mode keeps it in one place; a script makes set, expiry and count one atomic step.

use super::{PartialsError, Sealed};
use crate::config;
use crate::ids::VerificationId;
use crate::words::Stage;
use futures_util::StreamExt;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;

/// Wake-ups a slow listener may fall behind before it loses some (it polls as well).
pub(super) const WAKE_UPS: usize = 4096;
const RECONNECT_AFTER: Duration = Duration::from_millis(500);

/// KEYS: the set. ARGV: stage, sealed partial, expected count, ttl in ms.
pub(super) const JOIN: &str = r"
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then return redis.call('HGETALL', KEYS[1]) end
return {}
";

#[derive(Clone)]
pub struct RedisPartials {
    connection: ConnectionManager,
    client: redis::Client,
    prefix: String,
    ttl_ms: u64,
    join: Arc<redis::Script>,
    finished: broadcast::Sender<VerificationId>,
    listening: Arc<std::sync::Once>,
}

impl RedisPartials {
    pub(super) async fn connect(settings: &config::Redis) -> Result<Self, PartialsError> {
        let client = redis::Client::open(settings.url.reveal())?;
        let manager = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(5)))
            .set_response_timeout(Some(Duration::from_secs(5)))
            .set_number_of_retries(3);
        let connection = ConnectionManager::new_with_config(client.clone(), manager).await?;
        Ok(Self {
            connection,
            client,
            prefix: settings.prefix.clone(),
            ttl_ms: settings.partial_ttl_ms,
            join: Arc::new(redis::Script::new(JOIN)),
            finished: broadcast::channel(WAKE_UPS).0,
            listening: Arc::new(std::sync::Once::new()),
        })
    }

    fn key(&self, id: VerificationId) -> String {
        format!("{}{{{id}}}:partials", self.prefix)
    }

    fn channel(&self) -> String {
        format!("{}finished", self.prefix)
    }

    pub(super) async fn join(
        &self,
        id: VerificationId,
        stage: Stage,
        sealed: Vec<u8>,
        expected: usize,
    ) -> Result<Option<Sealed>, PartialsError> {
        let set: HashMap<String, Vec<u8>> = self
            .join
            .key(self.key(id))
            .arg(stage.as_str())
            .arg(sealed)
            .arg(expected)
            .arg(self.ttl_ms)
            .invoke_async(&mut self.connection.clone())
            .await?;
        Ok((!set.is_empty()).then(|| by_stage(set)))
    }

    pub(super) async fn get(&self, id: VerificationId) -> Result<Sealed, PartialsError> {
        let set: HashMap<String, Vec<u8>> =
            redis::cmd("HGETALL").arg(self.key(id)).query_async(&mut self.connection.clone()).await?;
        Ok(by_stage(set))
    }

    pub(super) async fn forget(&self, id: VerificationId, stage: Stage) -> Result<(), PartialsError> {
        let mut command = redis::cmd("HDEL");
        command.arg(self.key(id)).arg(stage.as_str());
        Ok(command.query_async::<()>(&mut self.connection.clone()).await?)
    }

    pub(super) async fn finish(&self, id: VerificationId) -> Result<(), PartialsError> {
        redis::pipe()
            .cmd("UNLINK")
            .arg(self.key(id))
            .ignore()
            .cmd("PUBLISH")
            .arg(self.channel())
            .arg(id.to_string())
            .ignore()
            .query_async::<()>(&mut self.connection.clone())
            .await?;
        Ok(())
    }

    /// The first listener starts the subscription of this process.
    pub(super) fn finished(&self) -> broadcast::Receiver<VerificationId> {
        self.listening.call_once(|| {
            let (client, channel, sender) = (self.client.clone(), self.channel(), self.finished.clone());
            #[expect(clippy::disallowed_methods, reason = "lives as long as the process and owns nothing")]
            tokio::spawn(async move {
                loop {
                    if let Err(error) = relay_wake_ups(&client, &channel, &sender).await {
                        tracing::warn!(%error, "wake-ups from Redis lost; waiters poll meanwhile");
                    }
                    tokio::time::sleep(RECONNECT_AFTER).await;
                }
            });
        });
        self.finished.subscribe()
    }

    pub(super) async fn ping(&self) -> Result<(), PartialsError> {
        redis::cmd("PING").query_async::<()>(&mut self.connection.clone()).await?;
        Ok(())
    }
}

async fn relay_wake_ups(
    client: &redis::Client,
    channel: &str,
    sender: &broadcast::Sender<VerificationId>,
) -> Result<(), redis::RedisError> {
    let mut subscription = client.get_async_pubsub().await?;
    subscription.subscribe(channel).await?;
    let mut messages = subscription.on_message();
    while let Some(message) = messages.next().await {
        if let Ok(id) = message.get_payload::<String>().unwrap_or_default().parse() {
            // Nobody waiting is fine.
            let _ = sender.send(id);
        }
    }
    Ok(())
}

fn by_stage(set: HashMap<String, Vec<u8>>) -> Sealed {
    set.into_iter().filter_map(|(stage, sealed)| Some((stage.parse().ok()?, sealed))).collect()
}
