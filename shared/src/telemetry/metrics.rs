//! The instruments behind the list of `signals`.

use super::signals::{self, Kind, Signal};
use super::{TelemetryError, process};
use crate::queue::Depth;
use crate::words::{BatchStatus, DisabledReason, Lane, RowState, Stage, Status};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter, UpDownCounter};
use prometheus::{Encoder, Registry, TextEncoder};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

static REGISTRY: OnceLock<Registry> = OnceLock::new();
static METRICS: OnceLock<Metrics> = OnceLock::new();

const SECONDS: [f64; 15] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0];

/// Classes of failures that are about the machine and not about a picture.
const FAILURES: [&str; 3] = ["deadline_exceeded", "image_unavailable", "crashed"];

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

/// Values of the gauges by name. A new measurement takes the place of the one before, also where it found nothing:
/// a value that nobody can measure any more must not stand there as if it were current.
type Readings = Arc<Mutex<HashMap<&'static str, Vec<Reading>>>>;
type Reading = (f64, Vec<KeyValue>);

/// What the process counts. Attributes are words of ours only: no ids, no personal data.
pub struct Metrics {
    readings: Readings,
    request_duration: Histogram<f64>,
    calls_limited: Counter<u64>,
    calls_uncounted: Counter<u64>,
    request_logs_dropped: Counter<u64>,
    accepted: Counter<u64>,
    decided: Counter<u64>,
    duration: Histogram<f64>,
    swept: Counter<u64>,
    erasure_failures: Counter<u64>,
    outbox_published: Counter<u64>,
    consumer_rebuilds: Counter<u64>,
    dead_letters: Counter<u64>,
    stage_queue: Histogram<f64>,
    stage_duration: Histogram<f64>,
    stage_failures: Counter<u64>,
    worker_jobs: UpDownCounter<i64>,
    inference_busy: UpDownCounter<i64>,
    inference_waiting: UpDownCounter<i64>,
    webhook_attempts: Counter<u64>,
    webhook_duration: Histogram<f64>,
    webhook_requests: UpDownCounter<i64>,
    webhook_disabled: Counter<u64>,
}

impl Metrics {
    pub fn get() -> &'static Self {
        METRICS.get_or_init(Self::new)
    }

    fn new() -> Self {
        let meter = opentelemetry::global::meter("txid");
        let counter = |signal: &Signal| {
            meter.u64_counter(signal.name).with_unit(signal.unit).with_description(signal.means).build()
        };
        let up_down = |signal: &Signal| {
            meter
                .i64_up_down_counter(signal.name)
                .with_unit(signal.unit)
                .with_description(signal.means)
                .build()
        };
        let seconds = |signal: &Signal| {
            let histogram = meter.f64_histogram(signal.name).with_unit(signal.unit);
            histogram.with_description(signal.means).with_boundaries(SECONDS.to_vec()).build()
        };
        observe_process(&meter);
        let metrics = Self {
            readings: gauges(&meter),
            request_duration: seconds(&signals::REQUEST_DURATION),
            calls_limited: counter(&signals::CALLS_LIMITED),
            calls_uncounted: counter(&signals::CALLS_UNCOUNTED),
            request_logs_dropped: counter(&signals::REQUEST_LOGS_DROPPED),
            accepted: counter(&signals::ACCEPTED),
            decided: counter(&signals::DECIDED),
            duration: seconds(&signals::DURATION),
            swept: counter(&signals::SWEPT),
            erasure_failures: counter(&signals::ERASURE_FAILURES),
            outbox_published: counter(&signals::OUTBOX_PUBLISHED),
            consumer_rebuilds: counter(&signals::CONSUMER_REBUILDS),
            dead_letters: counter(&signals::DEAD_LETTERS),
            stage_queue: seconds(&signals::STAGE_QUEUE),
            stage_duration: seconds(&signals::STAGE_DURATION),
            stage_failures: counter(&signals::STAGE_FAILURES),
            worker_jobs: up_down(&signals::WORKER_JOBS),
            inference_busy: up_down(&signals::INFERENCE_BUSY),
            inference_waiting: up_down(&signals::INFERENCE_WAITING),
            webhook_attempts: counter(&signals::WEBHOOK_ATTEMPTS),
            webhook_duration: seconds(&signals::WEBHOOK_DURATION),
            webhook_requests: up_down(&signals::WEBHOOK_REQUESTS),
            webhook_disabled: counter(&signals::WEBHOOK_DISABLED),
        };
        metrics.begin_at_zero();
        metrics
    }

    /// A counter that appears with its first count has risen by nothing in Prometheus' eyes, and no alert would see it.
    fn begin_at_zero(&self) {
        for counter in [
            &self.calls_uncounted,
            &self.request_logs_dropped,
            &self.accepted,
            &self.swept,
            &self.erasure_failures,
            &self.outbox_published,
            &self.consumer_rebuilds,
        ] {
            counter.add(0, &[]);
        }
        let by = |counter: &Counter<u64>, attribute: &'static str, values: &[&'static str]| {
            for value in values {
                counter.add(0, &[KeyValue::new(attribute, *value)]);
            }
        };
        let verdicts = [Status::Verified, Status::Failed, Status::ManualReview, Status::Error];
        by(&self.decided, "status", &verdicts.map(Status::as_str));
        by(&self.calls_limited, "by", &["account", "key", "endpoint", "concurrency"]);
        by(&self.dead_letters, "reason", &["rejected", "delivery_limit"]);
        by(&self.webhook_attempts, "outcome", &["succeeded", "retry", "gone", "failed"]);
        let ours = [DisabledReason::Failing, DisabledReason::Gone];
        by(&self.webhook_disabled, "reason", &ours.map(DisabledReason::as_str));
        for (stage, class) in Stage::ALL.iter().flat_map(|stage| FAILURES.map(|class| (stage, class))) {
            let attributes = [KeyValue::new("stage", stage.as_str()), KeyValue::new("class", class)];
            self.stage_failures.add(0, &attributes);
        }
        self.worker_jobs.add(0, &[]);
        self.inference_busy.add(0, &[]);
        self.webhook_requests.add(0, &[]);
        for lane in Lane::ALL {
            self.waiting_for_thread(*lane, 0);
        }
    }

    fn measured(&self, signal: &Signal, readings: Vec<Reading>) {
        locked(&self.readings).insert(signal.name, readings);
    }

    /// `None`: it could not be measured.
    fn measured_one(&self, signal: &Signal, value: Option<f64>) {
        self.measured(signal, value.into_iter().map(|value| (value, Vec::new())).collect());
    }

    /// `method` and `route`: words of the API, never what a caller sent.
    pub fn answered(&self, method: &'static str, route: &str, status: u16, seconds: f64) {
        let attributes = [
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.route", route.to_owned()),
            KeyValue::new("http.response.status_code", i64::from(status)),
        ];
        self.request_duration.record(seconds, &attributes);
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

    pub fn accepted(&self) {
        self.accepted.add(1, &[]);
    }

    pub fn decided(&self, status: Status, seconds: f64) {
        let attributes = [KeyValue::new("status", status.as_str())];
        self.decided.add(1, &attributes);
        self.duration.record(seconds, &attributes);
    }

    /// By lane: how many are pending, and the age of the oldest.
    pub fn pending(&self, lanes: &[(Lane, i64, f64)]) {
        let lane = |lane: &Lane| vec![KeyValue::new("lane", lane.as_str())];
        let counts = lanes.iter().map(|(name, count, _)| (*count as f64, lane(name))).collect();
        self.measured(&signals::PENDING, counts);
        let ages = lanes.iter().map(|(name, _, oldest_s)| (*oldest_s, lane(name))).collect();
        self.measured(&signals::PENDING_OLDEST, ages);
    }

    pub fn swept(&self) {
        self.swept.add(1, &[]);
    }

    pub fn not_removed(&self) {
        self.erasure_failures.add(1, &[]);
    }

    pub fn published(&self, messages: u64) {
        self.outbox_published.add(messages, &[]);
    }

    pub fn outbox_oldest(&self, seconds: Option<f64>) {
        self.measured_one(&signals::OUTBOX_OLDEST, seconds);
    }

    /// By queue: messages that are ready, and consumers.
    pub fn queues(&self, depths: &[(String, Depth)]) {
        let queue = |name: &str| vec![KeyValue::new("queue", name.to_owned())];
        let ready = depths.iter().map(|(name, depth)| (f64::from(depth.messages), queue(name))).collect();
        self.measured(&signals::QUEUE_DEPTH, ready);
        let taking = depths.iter().map(|(name, depth)| (f64::from(depth.consumers), queue(name))).collect();
        self.measured(&signals::QUEUE_CONSUMERS, taking);
    }

    pub fn consumer_rebuilt(&self) {
        self.consumer_rebuilds.add(1, &[]);
    }

    pub fn dead_letter(&self, reason: &str) {
        self.dead_letters.add(1, &[KeyValue::new("reason", reason.to_owned())]);
    }

    pub fn stage_ran(&self, stage: Stage, lane: Lane, timing: &crate::partial::Timing) {
        let seconds = |milliseconds: f32| f64::from(milliseconds) / 1000.0;
        self.stage_phase(stage, "decode", seconds(timing.decode_ms));
        self.stage_phase(stage, "models", seconds(timing.models_ms));
        self.stage_phase(stage, "total", seconds(timing.total_ms));
        let attributes = [KeyValue::new("stage", stage.as_str()), KeyValue::new("lane", lane.as_str())];
        self.stage_queue.record(seconds(timing.queue_ms), &attributes);
    }

    /// `phase`: one of those that the signal's description names.
    pub fn stage_phase(&self, stage: Stage, phase: &'static str, seconds: f64) {
        let attributes = [KeyValue::new("stage", stage.as_str()), KeyValue::new("phase", phase)];
        self.stage_duration.record(seconds, &attributes);
    }

    pub fn stage_failed(&self, stage: Stage, class: &str) {
        let attributes = [KeyValue::new("stage", stage.as_str()), KeyValue::new("class", class.to_owned())];
        self.stage_failures.add(1, &attributes);
    }

    /// What a worker has: places for jobs, threads, and models by name with their digests.
    pub fn worker_has<'a>(
        &self,
        places: usize,
        threads: usize,
        models: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) {
        self.measured_one(&signals::WORKER_PLACES, Some(places as f64));
        self.measured_one(&signals::INFERENCE_THREADS, Some(threads as f64));
        let loaded = models.into_iter().map(|(model, digest)| {
            (1.0, vec![KeyValue::new("model", model.clone()), KeyValue::new("digest", digest.clone())])
        });
        self.measured(&signals::MODEL_LOADED, loaded.collect());
    }

    pub fn jobs_in_hand(&self, change: i64) {
        self.worker_jobs.add(change, &[]);
    }

    pub fn threads_busy(&self, change: i64) {
        self.inference_busy.add(change, &[]);
    }

    pub fn waiting_for_thread(&self, lane: Lane, change: i64) {
        self.inference_waiting.add(change, &[KeyValue::new("lane", lane.as_str())]);
    }

    pub fn delivery_attempted(&self, outcome: &'static str, seconds: f64) {
        let attributes = [KeyValue::new("outcome", outcome)];
        self.webhook_attempts.add(1, &attributes);
        self.webhook_duration.record(seconds, &attributes);
    }

    /// Deliveries that are due, and for how long the oldest is.
    pub fn delivery_backlog(&self, backlog: Option<(i64, f64)>) {
        self.measured_one(&signals::WEBHOOK_BACKLOG, backlog.map(|(due, _)| due as f64));
        self.measured_one(&signals::WEBHOOK_OLDEST, backlog.map(|(_, oldest_s)| oldest_s));
    }

    pub fn delivery_places(&self, places: usize) {
        self.measured_one(&signals::WEBHOOK_PLACES, Some(places as f64));
    }

    pub fn deliveries_under_way(&self, change: i64) {
        self.webhook_requests.add(change, &[]);
    }

    pub fn endpoint_disabled(&self, reason: DisabledReason) {
        self.webhook_disabled.add(1, &[KeyValue::new("reason", reason.as_str())]);
    }

    /// Batches that have not ended.
    pub fn batches(&self, batches: Option<&crate::store::BatchesUnderWay>) {
        let active = batches.into_iter().flat_map(|batches| &batches.by_status);
        let active = active.map(|(status, count): &(BatchStatus, i64)| {
            (*count as f64, vec![KeyValue::new("status", status.as_str())])
        });
        self.measured(&signals::BATCH_ACTIVE, active.collect());
        let rows = batches.into_iter().flat_map(|batches| {
            [
                (RowState::Pending.as_str(), batches.pending),
                (RowState::Processing.as_str(), batches.processing),
                ("ended", batches.ended),
            ]
        });
        let rows = rows.map(|(state, count)| (count as f64, vec![KeyValue::new("state", state)]));
        self.measured(&signals::BATCH_ROWS, rows.collect());
        self.measured_one(&signals::BATCH_RATE, batches.map(|batches| batches.rows_per_s));
    }
}

/// An instrument for each gauge, which shows what was measured last.
fn gauges(meter: &Meter) -> Readings {
    let readings = Readings::default();
    for signal in signals::ALL.iter().filter(|signal| signal.kind == Kind::Gauge && !signal.is_of_process()) {
        let readings = readings.clone();
        let gauge = meter.f64_observable_gauge(signal.name).with_unit(signal.unit);
        gauge
            .with_description(signal.means)
            .with_callback(move |observer| {
                for (value, attributes) in locked(&readings).get(signal.name).into_iter().flatten() {
                    observer.observe(*value, attributes);
                }
            })
            .build();
    }
    readings
}

/// What the system counts of this process, read when it is asked for.
fn observe_process(meter: &Meter) {
    let signal = &signals::PROCESS_CPU;
    let counter = meter.f64_observable_counter(signal.name).with_unit(signal.unit);
    counter
        .with_description(signal.means)
        .with_callback(|observer| {
            if let Some(seconds) = process::cpu_s() {
                observer.observe(seconds, &[]);
            }
        })
        .build();
    let gauge = |signal: &Signal, read: fn() -> Option<u64>| {
        let gauge = meter.u64_observable_gauge(signal.name).with_unit(signal.unit);
        gauge
            .with_description(signal.means)
            .with_callback(move |observer| {
                if let Some(value) = read() {
                    observer.observe(value, &[]);
                }
            })
            .build();
    };
    gauge(&signals::PROCESS_MEMORY, process::resident_bytes);
    gauge(&signals::PROCESS_FILES, process::open_files);
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
