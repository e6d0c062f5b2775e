//! The one way to start a task: it carries the caller's span, is counted, and the drain waits for it.

use std::future::Future;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// Who works in this process and how it is told to stop.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    pub fn new() -> Self {
        Self::default()
    }

    /// A group of its own that also stops when this one does.
    pub fn child(&self) -> Self {
        Self { tracker: TaskTracker::new(), stop: self.stop.child_token() }
    }

    /// Cancelled when no new work may be taken.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stop
    }

    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tracker.spawn(task.in_current_span())
    }

    /// Asks everything to stop taking work. Idempotent.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until all tasks have ended. True when they did within `limit`.
    pub async fn drained(&self, limit: Duration) -> bool {
        self.tracker.close();
        tokio::time::timeout(limit, self.tracker.wait()).await.is_ok()
    }
}

/// For who needs time to stop: told once, and a second time by somebody who will not wait.
#[derive(Clone, Debug, Default)]
pub struct StopSignals {
    pub once: CancellationToken,
    pub twice: CancellationToken,
}

impl StopSignals {
    /// From now on.
    pub fn listen() -> Self {
        let signals = Self::default();
        let Self { once, twice } = signals.clone();
        Tasks::new().spawn(async move {
            for told in [once, twice] {
                match stop_signal().await {
                    Ok(()) => told.cancel(),
                    Err(error) => return tracing::error!(%error, "signals cannot be received"),
                }
            }
        });
        signals
    }
}

/// Returns on SIGTERM or SIGINT.
pub async fn stop_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM received: draining"),
        _ = interrupt.recv() => tracing::info!("SIGINT received: draining"),
    }
    Ok(())
}
