//! Settings that only make sense together; a wrong pair refuses to start and names both.

use super::{Config, ConfigError};

/// Time left between a stage's deadline and the end of the drain, to write its result.
const DRAIN_MARGIN_MS: u64 = 2_000;

impl Config {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let (worker, server, webhooks) = (&self.worker, &self.server, &self.webhooks);
        let rungs = [
            (
                ("worker.inference_limit_ms", worker.inference_limit_ms),
                ("worker.stage_deadline_ms", worker.stage_deadline_ms),
                "a stage holds several model runs",
            ),
            (
                ("worker.stage_deadline_ms", worker.stage_deadline_ms),
                ("broker.consumer_timeout_ms", self.broker.consumer_timeout_ms),
                "else the broker takes the job back while it runs",
            ),
            (
                ("worker.stage_deadline_ms plus 2000", worker.stage_deadline_ms + DRAIN_MARGIN_MS),
                ("worker.drain_deadline_ms", worker.drain_deadline_ms),
                "else a rollout burns attempts",
            ),
            (
                ("worker.drain_deadline_ms", worker.drain_deadline_ms),
                ("worker.grace_period_ms", worker.grace_period_ms),
                "else the pod is killed while it drains",
            ),
            (
                ("worker.stage_deadline_ms", worker.stage_deadline_ms),
                ("sweeper.overdue_after_ms", self.sweeper.overdue_after_ms),
                "else running stages are enqueued again",
            ),
            (
                ("webhooks.request_timeout_ms", webhooks.request_timeout_ms),
                ("webhooks.lease_ms", webhooks.lease_ms),
                "else a slow delivery is sent twice",
            ),
            (
                ("broker.confirm_timeout_ms", self.broker.confirm_timeout_ms),
                ("relay.lease_ms", self.relay.lease_ms),
                "else a slow confirm is published twice",
            ),
            (
                ("server.sync_wait_ms", server.sync_wait_ms),
                ("server.request_timeout_ms", server.request_timeout_ms),
                "else the server cuts off its own answer",
            ),
            (
                ("server.sync_wait_ms", server.sync_wait_ms),
                ("server.drain_deadline_ms", server.drain_deadline_ms),
                "else a rollout cuts off callers who wait",
            ),
        ];
        for ((smaller, smaller_ms), (larger, larger_ms), why) in rungs {
            if smaller_ms >= larger_ms {
                return Err(ConfigError::TimeLadder { smaller, smaller_ms, larger, larger_ms, why });
            }
        }
        let invalid = |key, message: &str| Err(ConfigError::Invalid { key, message: message.to_owned() });
        // Empty: the standalone makes its own, and everybody else refuses to start.
        if !self.keys.master.is_empty() {
            self.keys.parse()?;
        }
        if worker.stages.is_empty() {
            return invalid("worker.stages", "name at least one stage");
        }
        if worker.threads == Some(0) {
            return invalid("worker.threads", "must be at least 1; leave it out to use every CPU");
        }
        if worker.prefetch == Some(0) {
            return invalid("worker.prefetch", "must be at least 1; 0 would mean unlimited to the broker");
        }
        if worker.attempts < 1 {
            return invalid("worker.attempts", "must be at least 1");
        }
        if !self.database.schema.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            || self.database.schema.is_empty()
        {
            return invalid("database.schema", "lower-case letters, digits and underscores only");
        }
        if !(0.0..=1.0).contains(&self.telemetry.trace_ratio) {
            return invalid("telemetry.trace_ratio", "must lie between 0 and 1");
        }
        if self.sweeper.request_log_days < 1 {
            return invalid("sweeper.request_log_days", "must be at least 1");
        }
        if server.concurrent_uploads == 0 || webhooks.concurrency == 0 || self.relay.batch_rows < 1 {
            return invalid(
                "server.concurrent_uploads, webhooks.concurrency, relay.batch_rows",
                "must be at least 1",
            );
        }
        if webhooks.endpoint_concurrency == 0 || webhooks.endpoint_concurrency > webhooks.concurrency {
            return invalid("webhooks.endpoint_concurrency", "must lie between 1 and webhooks.concurrency");
        }
        Ok(())
    }
}
