//! What single calls take, one after the other, on a running scheduler; and beside each the same bytes to a handler
//! that reads them and throws them away, on the same HTTP stack in a process of its own. The two are asked in turn,
//! so that whatever else the machine does meets both.

use super::Sample;
use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::serve::ListenerExt;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use tokio::net::TcpListener;
use txid_shared::config::Secret;
use txid_tests::fleet::{Client, Role, Space};

/// Before what is measured: connections, prepared statements, first allocations.
const WARM_UP: usize = 20;
/// Bytes of the picture that `verify` is sent.
const PICTURE_BYTES: usize = 2 * 1024 * 1024;

/// Milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Times {
    pub p50: f64,
    pub p99: f64,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Latency {
    pub call: &'static str,
    pub ours_ms: Times,
    pub no_op_ms: Times,
}

struct Call {
    name: &'static str,
    method: reqwest::Method,
    path: String,
    body: Option<String>,
    status: u16,
}

pub(crate) async fn measure(sample: &Sample, requests: usize) -> anyhow::Result<Vec<Latency>> {
    let mut space = Space::new().await?;
    space.set("telemetry.filter", "warn,txid_worker::service=info,txid_scheduler::service=info");
    let (key, _) = space.account(None).await?;
    let scheduler = space.node(Role::Scheduler)?;
    let client = space.client(&scheduler, &key)?;
    // Only to have a verification that is decided.
    let worker = space.node(Role::StubWorker)?;
    let id = client.submit(&Client::submission()).await?;
    client.decided(&id).await?;
    worker.terminate()?;

    let no_op = NoOp::start()?;
    let ours = scheduler.address().context("the scheduler has no address")?;
    let mut measured = Vec::new();
    for call in calls(sample, &id)? {
        let both = [ours, no_op.address];
        measured.push(compare(&call, both, &key, requests).await.with_context(|| call.name.to_owned())?);
    }
    drop(no_op);
    scheduler.terminate()?;
    space.remove().await?;
    Ok(measured)
}

fn calls(sample: &Sample, id: &str) -> anyhow::Result<Vec<Call>> {
    let post = reqwest::Method::POST;
    let validate = json!({ "image": STANDARD.encode(&sample.front), "side": "front" });
    let verify = json!({
        "document_front": STANDARD.encode(picture(&sample.front, PICTURE_BYTES)?),
        "country": "MA", "document_type": "passport", "checks": ["ocr"], "mode": "async",
    });
    Ok(vec![
        Call {
            name: "POST /identity/validate, a card of 4 MP",
            method: post.clone(),
            path: "/v1/identity/validate".to_owned(),
            body: Some(validate.to_string()),
            status: 200,
        },
        Call {
            name: "GET /identity/verifications/{id}, decided",
            method: reqwest::Method::GET,
            path: format!("/v1/identity/verifications/{id}"),
            body: None,
            status: 200,
        },
        Call {
            name: "POST /identity/verify, async, a picture of 2 MB",
            method: post,
            path: "/v1/identity/verify".to_owned(),
            body: Some(verify.to_string()),
            status: 201,
        },
    ])
}

/// The picture with comments behind its start, as large as wanted: what is read of it stays the same.
fn picture(jpeg: &[u8], bytes: usize) -> anyhow::Result<Vec<u8>> {
    const LONGEST_COMMENT: usize = 65_533;
    let (start, rest) = jpeg.split_at_checked(2).context("no picture")?;
    let mut larger = start.to_vec();
    while larger.len() + rest.len() < bytes {
        let length = LONGEST_COMMENT.min(bytes - larger.len() - rest.len());
        larger.extend_from_slice(&[0xff, 0xfe]);
        larger.extend_from_slice(&u16::try_from(length + 2)?.to_be_bytes());
        larger.resize(larger.len() + length, b' ');
    }
    larger.extend_from_slice(rest);
    Ok(larger)
}

async fn compare(
    call: &Call,
    addresses: [SocketAddr; 2],
    key: &Secret,
    requests: usize,
) -> anyhow::Result<Latency> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut times = [Vec::with_capacity(requests), Vec::with_capacity(requests)];
    for number in 0..WARM_UP + requests {
        for (address, times) in addresses.iter().zip(&mut times) {
            let url = format!("http://{address}{}", call.path);
            let mut request = client.request(call.method.clone(), url).bearer_auth(key.reveal());
            if let Some(body) = &call.body {
                request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
            }
            let started = Instant::now();
            let answer = request.send().await?;
            let status = answer.status();
            let body = answer.bytes().await?;
            let took_ms = started.elapsed().as_secs_f64() * 1000.0;
            let expected = *address != addresses[0] || status.as_u16() == call.status;
            anyhow::ensure!(expected, "{status}: {}", String::from_utf8_lossy(&body));
            if number >= WARM_UP {
                times.push(took_ms);
            }
        }
    }
    let [ours_ms, no_op_ms] = times.map(percentiles);
    Ok(Latency { call: call.name, ours_ms, no_op_ms })
}

fn percentiles(mut times: Vec<f64>) -> Times {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let rank = (times.len() as f64 * share).ceil() as usize;
        times.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    };
    Times { p50: at(0.50), p99: at(0.99) }
}

/// This program once more, as the handler that does nothing.
struct NoOp {
    process: Child,
    address: SocketAddr,
}

impl NoOp {
    fn start() -> anyhow::Result<Self> {
        let mut process =
            Command::new(std::env::current_exe()?).arg("--no-op").stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("no output")?).read_line(&mut line)?;
        Ok(Self { process, address: line.trim().parse()? })
    }
}

impl Drop for NoOp {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Says where it listens, and goes on until it is killed.
pub(crate) async fn no_op() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let without_delay = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let router =
        Router::new().fallback(async |body: Body| match axum::body::to_bytes(body, usize::MAX).await {
            Ok(_) => (StatusCode::OK, [(CONTENT_TYPE, "application/json")], "{}"),
            Err(_) => (StatusCode::BAD_REQUEST, [(CONTENT_TYPE, "application/json")], "{}"),
        });
    Ok(axum::serve(without_delay, router).await?)
}
