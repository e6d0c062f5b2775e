//! How much there is to do: what waits in tables and queues, as gauges. Every scheduler measures the same things, so
//! that they are seen as long as one lives, also when nobody is left who works on them.

use std::time::Duration;
use tokio_util::sync::CancellationToken;
use txid_shared::clock::Clock;
use txid_shared::queue::Queue;
use txid_shared::services::Services;
use txid_shared::store::Store;
use txid_shared::telemetry::Metrics;

const EVERY: Duration = Duration::from_secs(2);
/// A service that hangs must not keep old values standing.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct Measurer {
    store: Store,
    queue: Queue,
    clock: Clock,
}

impl Measurer {
    pub(crate) fn new(services: &Services) -> Self {
        let Services { context, queue, .. } = services.clone();
        Self { store: context.store, queue, clock: context.clock }
    }

    /// Until `stopping`. What cannot be measured is shown as nothing, not as it was.
    pub(crate) async fn run(self, stopping: CancellationToken) {
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = self.measure() => {}
            }
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    async fn measure(&self) {
        let (store, now, metrics) = (&self.store, self.clock.now(), Metrics::get());
        let (outbox, pending, deliveries, batches, queues) = tokio::join!(
            known("the outbox", store.oldest_unpublished_s(now)),
            known("pending verifications", store.pending_by_lane(now)),
            known("due deliveries", store.delivery_backlog(now)),
            known("batches", store.batches_under_way()),
            known("the queues", self.queue.depths()),
        );
        metrics.outbox_oldest(outbox);
        metrics.pending(&pending.unwrap_or_default());
        metrics.delivery_backlog(deliveries);
        metrics.batches(batches.as_ref());
        metrics.queues(&queues.unwrap_or_default());
    }
}

async fn known<T, E: std::fmt::Display>(
    what: &'static str,
    measuring: impl Future<Output = Result<T, E>>,
) -> Option<T> {
    match tokio::time::timeout(PATIENCE, measuring).await {
        Ok(Ok(value)) => Some(value),
        Ok(Err(error)) => {
            tracing::warn!(%error, "{what} cannot be measured");
            None
        }
        Err(_) => {
            tracing::warn!("{what} cannot be measured within {PATIENCE:?}");
            None
        }
    }
}
