//! The W3C trace context that travels with a row or a message, so that one verification is one trace.

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use std::collections::HashMap;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// `traceparent` of the current span; `None` where it is not sampled or telemetry is off.
pub fn current_traceparent() -> Option<String> {
    traceparent_of(&Span::current())
}

/// The same of any span.
pub fn traceparent_of(span: &Span) -> Option<String> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut carrier);
    carrier.remove("traceparent")
}

/// Makes `span` a child of the context that came with a row, a message or a request.
pub fn set_parent(span: &Span, traceparent: Option<&str>) {
    if let Some(traceparent) = traceparent {
        let carrier = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
        // Fails only where telemetry is off.
        let _ = span.set_parent(TraceContextPropagator::new().extract(&carrier));
    }
}
