//! What an operator can see: every instrument, named once. `txid signals` prints the list that stands in OPERATIONS.md.
//! Names and units follow the OpenTelemetry conventions; Prometheus shows them as [`Signal::prometheus_name`].

/// How a signal moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    /// Rises and falls with what begins and ends in this process.
    UpDown,
    /// Measured from time to time.
    Gauge,
    Histogram,
}

#[derive(Debug)]
pub struct Signal {
    pub name: &'static str,
    pub kind: Kind,
    /// UCUM; what is counted stands in braces.
    pub unit: &'static str,
    pub attributes: &'static [&'static str],
    pub means: &'static str,
}

macro_rules! signals {
    ($($constant:ident = $kind:ident $name:literal [$unit:literal] ($($attribute:literal),*) $means:literal;)+) => {
        $(pub const $constant: Signal = Signal {
            name: $name, kind: Kind::$kind, unit: $unit, attributes: &[$($attribute),*], means: $means,
        };)+

        /// In the order of a verification's way.
        pub const ALL: &[&Signal] = &[$(&$constant),+];
    };
}

signals! {
    REQUEST_DURATION = Histogram "http.server.request.duration" ["s"]
        ("http.request.method", "http.route", "http.response.status_code") "Calls of the API";
    CALLS_LIMITED = Counter "txid.calls.limited" ["{call}"] ("by") "Answered 429, by what was used up";
    CALLS_UNCOUNTED = Counter "txid.calls.uncounted" ["{call}"] () "Let through without a limit, since Redis was away";
    REQUEST_LOGS_DROPPED = Counter "txid.request_logs.dropped" ["{row}"] () "Never written";
    ACCEPTED = Counter "txid.verification.accepted" ["{verification}"] () "Accepted: it will get a verdict";
    DECIDED = Counter "txid.verification.decided" ["{verification}"] ("status") "Ended with a verdict";
    DURATION = Histogram "txid.verification.duration" ["s"] ("status") "From acceptance to verdict";
    PENDING = Gauge "txid.verification.pending" ["{verification}"] ("lane") "Accepted and without a verdict (1)";
    PENDING_OLDEST = Gauge "txid.verification.oldest" ["s"] ("lane") "Age of the oldest without a verdict (1)";
    SWEPT = Counter "txid.sweeper.enqueued" ["{verification}"] () "Overdue and enqueued again";
    ERASURE_FAILURES = Counter "txid.erasure.failures" ["{removal}"] ()
        "Key share and blobs of something erased not removed yet; tried again";
    OUTBOX_PUBLISHED = Counter "txid.outbox.published" ["{message}"] () "Confirmed by the broker";
    OUTBOX_OLDEST = Gauge "txid.outbox.oldest" ["s"] () "Age of the oldest row that is due and not published (1)";
    QUEUE_DEPTH = Gauge "txid.queue.depth" ["{message}"] ("queue") "Ready for a consumer (1)";
    QUEUE_CONSUMERS = Gauge "txid.queue.consumers" ["{consumer}"] ("queue") "Who takes from it (1)";
    CONSUMER_REBUILDS = Counter "txid.consumer.rebuilds" ["{rebuild}"] () "Consumers lost or not to be had, and built anew";
    DEAD_LETTERS = Counter "txid.dead_letters" ["{message}"] ("reason") "Given up by the broker";
    STAGE_QUEUE = Histogram "txid.stage.queue.duration" ["s"] ("stage", "lane") "From enqueueing to the start";
    STAGE_DURATION = Histogram "txid.stage.duration" ["s"] ("stage", "phase")
        "Phases in order: `fetch` images from the object store, `wait` for a thread, `total` on the thread with its parts \
         `decode` and `models`, `store` partial and verdict";
    STAGE_FAILURES = Counter "txid.stage.failures" ["{run}"] ("stage", "class") "Runs without a partial";
    WORKER_JOBS = UpDown "txid.worker.jobs" ["{job}"] () "Received and not yet settled";
    WORKER_PLACES = Gauge "txid.worker.places" ["{job}"] () "Jobs that may be in hand: prefetch of all queues";
    INFERENCE_THREADS = Gauge "txid.inference.threads" ["{thread}"] () "Threads that run stages";
    INFERENCE_BUSY = UpDown "txid.inference.busy" ["{thread}"] () "Threads that are running one";
    INFERENCE_WAITING = UpDown "txid.inference.waiting" ["{run}"] ("lane") "Runs that wait for a thread";
    MODEL_LOADED = Gauge "txid.model.loaded" ["{model}"] ("model", "digest") "1 for each model that is loaded; digest: sha256";
    WEBHOOK_ATTEMPTS = Counter "txid.webhook.attempts" ["{attempt}"] ("outcome") "Requests to consumers";
    WEBHOOK_DURATION = Histogram "txid.webhook.duration" ["s"] ("outcome") "One request";
    WEBHOOK_BACKLOG = Gauge "txid.webhook.backlog" ["{delivery}"] () "Due and not yet sent (1)";
    WEBHOOK_OLDEST = Gauge "txid.webhook.oldest" ["s"] () "How long the oldest of these is due (1)";
    WEBHOOK_REQUESTS = UpDown "txid.webhook.requests" ["{request}"] () "Under way";
    WEBHOOK_PLACES = Gauge "txid.webhook.places" ["{request}"] () "Requests that may be under way";
    WEBHOOK_DISABLED = Counter "txid.webhook.disabled" ["{endpoint}"] ("reason") "Endpoints that we disabled";
    BATCH_ACTIVE = Gauge "txid.batch.active" ["{batch}"] ("status") "Batches that have not ended (1)";
    BATCH_ROWS = Gauge "txid.batch.rows" ["{row}"] ("state") "Their rows: `pending`, `processing`, `ended` (1)";
    BATCH_RATE = Gauge "txid.batch.rate" ["{row}/s"] () "Rows decided lately (1)";
    PROCESS_CPU = Counter "process.cpu.time" ["s"] () "Processor time of the process";
    PROCESS_MEMORY = Gauge "process.memory.usage" ["By"] () "Memory in use (resident)";
    PROCESS_FILES = Gauge "process.open_file_descriptor.count" ["{file_descriptor}"] () "Files and connections that it has open";
}

impl Signal {
    pub(super) fn is_of_process(&self) -> bool {
        self.name.starts_with("process.")
    }

    /// As the exporter for Prometheus derives it.
    pub fn prometheus_name(&self) -> String {
        let mut name = self.name.replace('.', "_");
        match self.unit {
            "s" => name.push_str("_seconds"),
            "By" => name.push_str("_bytes"),
            unit if unit.ends_with("/s") => name.push_str("_per_second"),
            _ => {}
        }
        if self.kind == Kind::Counter {
            name.push_str("_total");
        }
        name
    }
}

/// The list for OPERATIONS.md, in Markdown.
pub fn table() -> String {
    let mut table = String::from(
        "| name | in Prometheus | kind | unit | attributes | what |\n|---|---|---|---|---|---|\n",
    );
    for signal in ALL {
        let kind = match signal.kind {
            Kind::Counter => "counter",
            Kind::UpDown => "up-down counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let attributes: Vec<_> = signal.attributes.iter().map(|name| format!("`{name}`")).collect();
        table += &format!(
            "| `{}` | `{}` | {kind} | `{}` | {} | {} |\n",
            signal.name,
            signal.prometheus_name(),
            signal.unit,
            attributes.join(", "),
            signal.means
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_in_operations_md_is_the_one_in_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../OPERATIONS.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (_, after) = text.split_once("<!-- txid signals -->\n").unwrap();
        let (written, _) = after.split_once("<!-- end -->").unwrap();
        assert!(written == table(), "put this into OPERATIONS.md (`txid signals` prints it):\n{}", table());
    }

    #[test]
    fn names_are_unique_and_none_is_the_beginning_of_another() {
        for (number, signal) in ALL.iter().enumerate() {
            for other in ALL.iter().skip(number + 1) {
                assert_ne!(signal.name, other.name);
                let (one, two) = (signal.prometheus_name(), other.prometheus_name());
                assert_ne!(one, two);
            }
        }
    }
}
