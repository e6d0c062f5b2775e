//! The instruments, each named once. OPERATIONS.md says what to do when one of them moves.

use super::TelemetryError;
use crate::words::{DisabledReason, Stage, Status};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, UpDownCounter};
use prometheus::{Encoder, Registry, TextEncoder};
use std::sync::OnceLock;

static REGISTRY: OnceLock<Registry> = OnceLock::new();
static METRICS: OnceLock<Metrics> = OnceLock::new();

const SECONDS: [f64; 15] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0];

pub(super) fn prometheus_reader() -> Result<opentelemetry_prometheus::PrometheusExporter, TelemetryError> {
    let registry = REGISTRY.get_or_init(Registry::new).clone();
    Ok(opentelemetry_prometheus::exporter().with_registry(registry).build()?)
}

pub(super) fn prometheus_text() -> String {
    let mut text = Vec::new();
    if let Some(registry) = REGISTRY.get()
        && let Err(error) = TextEncoder::new().encode(&registry.gather(), &mut text)
    {
        tracing::error!(%error, "metrics cannot be rendered");
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// What the process counts. Attributes are words of ours only: no ids, no personal data.
pub struct Metrics {
    verifications_accepted: Counter<u64>,
    verifications_decided: Counter<u64>,
    verification_duration: Histogram<f64>,
    outbox_published: Counter<u64>,
    outbox_oldest: Gauge<f64>,
    stage_duration: Histogram<f64>,
    stage_queue: Histogram<f64>,
    stage_failures: Counter<u64>,
    jobs_in_hand: UpDownCounter<i64>,
    consumer_rebuilds: Counter<u64>,
    dead_letters: Counter<u64>,
    swept: Counter<u64>,
    not_removed: Counter<u64>,
    delivery_attempts: Counter<u64>,
    delivery_duration: Histogram<f64>,
    delivery_backlog: Gauge<u64>,
    calls_limited: Counter<u64>,
    calls_uncounted: Counter<u64>,
    request_logs_dropped: Counter<u64>,
    endpoints_disabled: Counter<u64>,
}

impl Metrics {
    pub fn get() -> &'static Self {
        METRICS.get_or_init(Self::new)
    }

    fn new() -> Self {
        let meter = opentelemetry::global::meter("txid");
        let counter =
            |name, unit, text| meter.u64_counter(name).with_unit(unit).with_description(text).build();
        let seconds = |name, text| {
            let histogram = meter.f64_histogram(name).with_unit("s").with_description(text);
            histogram.with_boundaries(SECONDS.to_vec()).build()
        };
        Self {
            verifications_accepted: counter("txid.verification.accepted", "{verification}", "Answered 2xx"),
            verifications_decided: counter("txid.verification.decided", "{verification}", "By status"),
            verification_duration: seconds("txid.verification.duration", "From acceptance to verdict"),
            outbox_published: counter("txid.outbox.published", "{message}", "Confirmed by the broker"),
            outbox_oldest: meter
                .f64_gauge("txid.outbox.oldest")
                .with_unit("s")
                .with_description("Age of the oldest row that is due and not published")
                .build(),
            stage_duration: seconds("txid.stage.duration", "By stage and phase: decode, models, total"),
            stage_queue: seconds("txid.stage.queue.duration", "From enqueueing to the start"),
            stage_failures: counter("txid.stage.failures", "{run}", "Runs without a partial, by class"),
            jobs_in_hand: meter
                .i64_up_down_counter("txid.worker.jobs")
                .with_unit("{job}")
                .with_description("Received and not yet settled")
                .build(),
            consumer_rebuilds: counter("txid.consumer.rebuilds", "{rebuild}", "Broker connections lost"),
            dead_letters: counter("txid.dead_letters", "{message}", "By reason"),
            swept: counter("txid.sweeper.enqueued", "{verification}", "Overdue and enqueued again"),
            not_removed: counter(
                "txid.erasure.failures",
                "{removal}",
                "Key share and blobs of something erased not removed yet; tried again",
            ),
            delivery_attempts: counter("txid.webhook.attempts", "{attempt}", "By outcome"),
            delivery_duration: seconds("txid.webhook.duration", "One HTTP attempt"),
            delivery_backlog: meter
                .u64_gauge("txid.webhook.backlog")
                .with_unit("{delivery}")
                .with_description("Due and not yet sent")
                .build(),
            calls_limited: counter("txid.calls.limited", "{call}", "Answered 429, by what was used up"),
            calls_uncounted: counter("txid.calls.uncounted", "{call}", "Let through, since Redis was away"),
            request_logs_dropped: counter("txid.request_logs.dropped", "{row}", "Never written"),
            endpoints_disabled: counter("txid.webhook.disabled", "{endpoint}", "By us, by reason"),
        }
    }

    pub fn accepted(&self) {
        self.verifications_accepted.add(1, &[]);
    }

    pub fn decided(&self, status: Status, seconds: f64) {
        let attributes = [KeyValue::new("status", status.as_str())];
        self.verifications_decided.add(1, &attributes);
        self.verification_duration.record(seconds, &attributes);
    }

    pub fn published(&self, messages: u64) {
        self.outbox_published.add(messages, &[]);
    }

    pub fn outbox_oldest(&self, seconds: f64) {
        self.outbox_oldest.record(seconds, &[]);
    }

    pub fn stage_ran(&self, stage: Stage, timing: &crate::partial::Timing) {
        let name = KeyValue::new("stage", stage.as_str());
        for (phase, milliseconds) in
            [("decode", timing.decode_ms), ("models", timing.models_ms), ("total", timing.total_ms)]
        {
            let attributes = [name.clone(), KeyValue::new("phase", phase)];
            self.stage_duration.record(f64::from(milliseconds) / 1000.0, &attributes);
        }
        self.stage_queue.record(f64::from(timing.queue_ms) / 1000.0, &[name]);
    }

    pub fn stage_failed(&self, stage: Stage, class: &str) {
        let attributes = [KeyValue::new("stage", stage.as_str()), KeyValue::new("class", class.to_owned())];
        self.stage_failures.add(1, &attributes);
    }

    pub fn jobs_in_hand(&self, change: i64) {
        self.jobs_in_hand.add(change, &[]);
    }

    pub fn consumer_rebuilt(&self) {
        self.consumer_rebuilds.add(1, &[]);
    }

    pub fn dead_letter(&self, reason: &str) {
        self.dead_letters.add(1, &[KeyValue::new("reason", reason.to_owned())]);
    }

    pub fn swept(&self) {
        self.swept.add(1, &[]);
    }

    pub fn not_removed(&self) {
        self.not_removed.add(1, &[]);
    }

    pub fn delivery_attempted(&self, outcome: &'static str, seconds: f64) {
        let attributes = [KeyValue::new("outcome", outcome)];
        self.delivery_attempts.add(1, &attributes);
        self.delivery_duration.record(seconds, &attributes);
    }

    pub fn delivery_backlog(&self, deliveries: u64) {
        self.delivery_backlog.record(deliveries, &[]);
    }

    pub fn call_limited(&self, by: &'static str) {
        self.calls_limited.add(1, &[KeyValue::new("by", by)]);
    }

    pub fn call_uncounted(&self) {
        self.calls_uncounted.add(1, &[]);
    }

    pub fn request_logs_dropped(&self, rows: u64) {
        self.request_logs_dropped.add(rows, &[]);
    }

    pub fn endpoint_disabled(&self, reason: DisabledReason) {
        self.endpoints_disabled.add(1, &[KeyValue::new("reason", reason.as_str())]);
    }
}
