//! Logs, traces and metrics. Names follow the OpenTelemetry conventions, units stand in the instrument.
//! Never in any of them: images, field values, names, file names, request bodies, secrets.

mod context;
mod metrics;
mod process;
pub mod signals;

pub use context::{current_traceparent, set_parent, traceparent_of};
pub use metrics::Metrics;

use crate::config::{LogFormat, Telemetry};
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use std::io::IsTerminal as _;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("telemetry.filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    #[error("telemetry.otlp_endpoint: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    #[error("metrics: {0}")]
    Metrics(#[from] opentelemetry_sdk::error::OTelSdkError),
    #[error("telemetry was set up before in this process")]
    AlreadySet(#[from] tracing_subscriber::util::TryInitError),
}

/// Flushes what is buffered when the process ends.
pub struct Guard {
    traces: Option<SdkTracerProvider>,
    meters: SdkMeterProvider,
}

/// Sets logs and traces up for the whole process. Call once, first thing.
pub fn init(service: &'static str, settings: &Telemetry) -> Result<Guard, TelemetryError> {
    crate::use_ring_for_tls();
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let resource = Resource::builder()
        .with_service_name(service)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();

    let mut meters = SdkMeterProvider::builder().with_resource(resource.clone());
    meters = meters.with_reader(metrics::prometheus_reader()?);
    let endpoint = settings.otlp_endpoint.trim_end_matches('/');
    let mut traces = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.trace_ratio))));
    if !endpoint.is_empty() {
        let spans =
            SpanExporter::builder().with_http().with_endpoint(format!("{endpoint}/v1/traces")).build()?;
        traces = traces.with_batch_exporter(spans);
        let metrics =
            MetricExporter::builder().with_http().with_endpoint(format!("{endpoint}/v1/metrics")).build()?;
        meters = meters.with_reader(PeriodicReader::builder(metrics).build());
    }
    let meters = meters.build();
    opentelemetry::global::set_meter_provider(meters.clone());

    // Without a collector, spans are still made where they are sampled: their ids tie log lines together.
    let traces = traces.build();
    opentelemetry::global::set_tracer_provider(traces.clone());
    let spans = tracing_opentelemetry::layer().with_tracer(traces.tracer("txid"));
    let logs = match settings.format {
        LogFormat::Json => tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_writer(std::io::stderr)
            .boxed(),
        LogFormat::Text => tracing_subscriber::fmt::layer()
            .compact()
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal())
            .with_writer(std::io::stderr)
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(EnvFilter::try_new(&settings.filter)?)
        .with(logs)
        .with(spans)
        .try_init()?;
    // From the start, so that what has not happened yet is seen as zero.
    Metrics::get();
    Ok(Guard { traces: Some(traces), meters })
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(traces) = self.traces.take() {
            let _ = traces.shutdown();
        }
        let _ = self.meters.shutdown();
    }
}

/// The Prometheus exposition of every metric of this process.
pub fn prometheus_text() -> String {
    metrics::prometheus_text()
}
