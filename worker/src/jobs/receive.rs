//! The receive loops, one per queue: a permit first, then a message, so that prefetch never exceeds
//! what is being worked on. Connections are rebuilt here, with backoff.

use super::{Runner, Settlement};
use rand::Rng;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use txid_shared::queue::{Consumer, Queue, Received, Source};
use txid_shared::task::Tasks;
use txid_shared::telemetry::Metrics;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Messages in hand per queue; also the broker's prefetch.
    pub prefetch: u16,
}

/// Takes jobs of one queue and settles each as the runner says.
pub struct Receiver {
    pub queue: Queue,
    pub source: Source,
    pub runner: Arc<Runner>,
    pub settings: Settings,
    /// In-hand jobs live here; the drain waits for them.
    pub jobs: Tasks,
    /// Cancelled at the end of the drain: what still runs is given back.
    pub abandon: CancellationToken,
}

enum Ended {
    Stopping,
    ConnectionLost,
}

impl Receiver {
    /// Until `jobs` is asked to stop.
    pub async fn receive(self) {
        let permits = Arc::new(Semaphore::new(usize::from(self.settings.prefetch)));
        let stopping = self.jobs.stopping().clone();
        let mut pause = FIRST_PAUSE;
        loop {
            let consuming = self.queue.consume(self.source, self.settings.prefetch);
            let consumer = tokio::select! {
                () = stopping.cancelled() => return,
                consumer = consuming => consumer,
            };
            match consumer {
                Ok(consumer) => {
                    pause = FIRST_PAUSE;
                    match self.take(consumer, &permits, &stopping).await {
                        Ended::Stopping => return,
                        Ended::ConnectionLost => {}
                    }
                }
                Err(error) => tracing::warn!(%error, queue = self.source.name(), "cannot consume"),
            }
            Metrics::get().consumer_rebuilt();
            let jitter = rand::rng().random_range(0.5..1.5);
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(pause.mul_f64(jitter)) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn take(
        &self,
        mut consumer: Consumer,
        permits: &Arc<Semaphore>,
        stopping: &CancellationToken,
    ) -> Ended {
        loop {
            let permit = tokio::select! {
                () = stopping.cancelled() => break,
                permit = permits.clone().acquire_owned() => permit,
            };
            // The semaphore is never closed.
            let Ok(permit) = permit else { break };
            let received = tokio::select! {
                () = stopping.cancelled() => break,
                received = consumer.next() => received,
            };
            let Some(received) = received else { return Ended::ConnectionLost };
            let (runner, abandon) = (self.runner.clone(), self.abandon.clone());
            Metrics::get().jobs_in_hand(1);
            self.jobs.spawn(async move {
                work(&runner, received, &abandon).await;
                Metrics::get().jobs_in_hand(-1);
                drop(permit);
            });
        }
        consumer.cancel().await;
        Ended::Stopping
    }
}

async fn work(runner: &Runner, received: Received, abandon: &CancellationToken) {
    let settlement = tokio::select! {
        settlement = runner.run(&received) => settlement,
        () = abandon.cancelled() => Settlement::GiveBack,
    };
    let sent = match settlement {
        Settlement::Acknowledge => received.acknowledge().await,
        Settlement::DeadLetter(reason) => received.dead_letter(reason).await,
        Settlement::GiveBack => received.give_back().await,
    };
    if !sent {
        // Its effect is durable; whoever gets it again finds the partial and goes straight to the join.
        tracing::info!("connection lost before the settlement: the message will come again");
    }
}
