//! Request logs on their way to the database. A call leaves its row and goes on; what finds no room is
//! dropped and counted.

use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use txid_shared::store::{RequestLog, Store};
use txid_shared::telemetry::Metrics;

/// Rows that wait at most: about 4 MB.
const BUFFER_ROWS: usize = 10_000;
/// Rows of one statement.
const BATCH_ROWS: usize = 500;
const WRITE_EVERY: Duration = Duration::from_millis(500);
const ATTEMPTS: u32 = 3;

#[derive(Clone)]
pub(crate) struct RequestLogs(mpsc::Sender<RequestLog>);

pub(crate) struct LogWriter {
    store: Store,
    rows: mpsc::Receiver<RequestLog>,
}

impl RequestLogs {
    pub(crate) fn new(store: Store) -> (Self, LogWriter) {
        let (sender, rows) = mpsc::channel(BUFFER_ROWS);
        (Self(sender), LogWriter { store, rows })
    }

    pub(crate) fn note(&self, row: RequestLog) {
        if self.0.try_send(row).is_err() {
            Metrics::get().request_logs_dropped(1);
        }
    }
}

impl LogWriter {
    /// Until it is stopped; then once more, for what the last calls left.
    pub(crate) async fn run(mut self, stopping: CancellationToken) {
        loop {
            let stopped = tokio::select! {
                () = stopping.cancelled() => true,
                () = tokio::time::sleep(WRITE_EVERY) => false,
            };
            while let Some(batch) = self.batch() {
                self.write(&batch).await;
            }
            if stopped {
                return;
            }
        }
    }

    /// `None`: nothing waits.
    fn batch(&mut self) -> Option<Vec<RequestLog>> {
        let mut batch = Vec::new();
        while batch.len() < BATCH_ROWS
            && let Ok(row) = self.rows.try_recv()
        {
            batch.push(row);
        }
        (!batch.is_empty()).then_some(batch)
    }

    async fn write(&self, batch: &[RequestLog]) {
        for attempt in 1..=ATTEMPTS {
            match self.store.record_requests(batch).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(%error, attempt, rows = batch.len(), "request logs cannot be written");
                }
            }
            tokio::time::sleep(WRITE_EVERY).await;
        }
        Metrics::get().request_logs_dropped(batch.len() as u64);
    }
}
