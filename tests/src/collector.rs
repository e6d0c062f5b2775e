//! An OTLP/HTTP collector that keeps what processes export.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use txid_shared::task::Tasks;

#[derive(Clone)]
pub struct Collector {
    /// For `telemetry.otlp_endpoint`.
    pub url: String,
    received: Arc<Mutex<Received>>,
}

#[derive(Clone, Default)]
struct Received {
    traces: Vec<Bytes>,
    metrics: Vec<Bytes>,
}

/// What tests ask of an exported span; ids in hex, no parent is an empty text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub service: String,
    pub name: String,
    pub trace_id: String,
    pub id: String,
    pub parent: String,
    pub kind: Kind,
    /// Names and, where they are texts, values.
    pub attributes: BTreeMap<String, String>,
}

/// `SpanKind` of opentelemetry-proto.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

impl Collector {
    /// Listens on loopback until the runtime ends.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let received = Arc::<Mutex<Received>>::default();
        let router = Router::new()
            .route("/v1/traces", post(traces))
            .route("/v1/metrics", post(metrics))
            .layer(DefaultBodyLimit::disable())
            .with_state(received.clone());
        Tasks::new().spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url, received })
    }

    /// Every body of both kinds, as it came in.
    pub fn bodies(&self) -> Vec<Bytes> {
        let received = self.received();
        received.traces.into_iter().chain(received.metrics).collect()
    }

    /// The spans of `ExportTraceServiceRequest { ResourceSpans { Resource, ScopeSpans { Span } } }`,
    /// by the field numbers of opentelemetry-proto. Fails on a body that is not protobuf.
    pub fn spans(&self) -> anyhow::Result<Vec<Span>> {
        let mut spans = Vec::new();
        for body in self.received().traces {
            for resource_spans in all(&body, 1)? {
                let resource = first(resource_spans, 1)?;
                let service = attributes(resource, 1)?.remove("service.name").unwrap_or_default();
                for scope_spans in all(resource_spans, 2)? {
                    for span in all(scope_spans, 2)? {
                        spans.push(Span {
                            service: service.clone(),
                            name: text(first(span, 5)?),
                            trace_id: hex(first(span, 1)?),
                            id: hex(first(span, 2)?),
                            parent: hex(first(span, 4)?),
                            kind: kind(span)?,
                            attributes: attributes(span, 9)?,
                        });
                    }
                }
            }
        }
        Ok(spans)
    }

    fn received(&self) -> Received {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn traces(State(received): State<Arc<Mutex<Received>>>, body: Bytes) {
    received.lock().unwrap_or_else(PoisonError::into_inner).traces.push(body);
}

async fn metrics(State(received): State<Arc<Mutex<Received>>>, body: Bytes) {
    received.lock().unwrap_or_else(PoisonError::into_inner).metrics.push(body);
}

/// `KeyValue { key, AnyValue { string } }` of a message's fields of this number; empty for another kind of value.
fn attributes(message: &[u8], number: u64) -> anyhow::Result<BTreeMap<String, String>> {
    let named = all(message, number)?
        .into_iter()
        .map(|attribute| Ok((text(first(attribute, 1)?), text(first(first(attribute, 2)?, 1)?))));
    named.collect()
}

fn kind(span: &[u8]) -> anyhow::Result<Kind> {
    let given = fields(span)?.into_iter().find_map(|(number, value)| match value {
        Field::Number(kind) if number == 6 => Some(kind),
        _ => None,
    });
    Ok(match given {
        Some(1) => Kind::Internal,
        Some(2) => Kind::Server,
        Some(3) => Kind::Client,
        Some(4) => Kind::Producer,
        Some(5) => Kind::Consumer,
        other => anyhow::bail!("a span of kind {other:?}"),
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The payload of a message's first field of this number; empty where there is none.
fn first(message: &[u8], number: u64) -> anyhow::Result<&[u8]> {
    Ok(all(message, number)?.first().copied().unwrap_or_default())
}

/// The payloads of a message's fields of this number, as far as they have bytes: no varints.
fn all(message: &[u8], number: u64) -> anyhow::Result<Vec<&[u8]>> {
    let found = fields(message)?.into_iter().filter_map(|(given, value)| match value {
        Field::Bytes(payload) if given == number => Some(payload),
        _ => None,
    });
    Ok(found.collect())
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// Every field of a message, by its number.
fn fields(mut message: &[u8]) -> anyhow::Result<Vec<(u64, Field<'_>)>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message)?;
        let length = match key & 7 {
            0 => {
                fields.push((key >> 3, Field::Number(varint(&mut message)?)));
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut message)?)?,
            5 => 4,
            other => anyhow::bail!("wire type {other} is not in use"),
        };
        let Some((payload, rest)) = message.split_at_checked(length) else {
            anyhow::bail!("field {} is cut off", key >> 3);
        };
        message = rest;
        fields.push((key >> 3, Field::Bytes(payload)));
    }
    Ok(fields)
}

fn varint(bytes: &mut &[u8]) -> anyhow::Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let Some((&byte, rest)) = bytes.split_first() else { anyhow::bail!("a number is cut off") };
        *bytes = rest;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    anyhow::bail!("a number has more than 64 bits")
}
