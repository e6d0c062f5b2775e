//! A webhook consumer that checks both signatures with its own code and remembers every request.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// One request as it came in.
#[derive(Debug, Clone)]
pub struct Delivered {
    pub event_id: String,
    pub timestamp: String,
    pub headers: HeaderMap,
    pub raw: Vec<u8>,
    pub body: serde_json::Value,
    pub status: StatusCode,
}

/// Whose signatures a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedBy {
    /// `X-TXCloud-Signature`
    pub txcloud: bool,
    /// `webhook-signature`
    pub standard: bool,
}

#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    state: Arc<Shared>,
}

struct Shared {
    delivered: Mutex<Vec<Delivered>>,
    /// Answers still to give; 200 when there are none.
    answers: Mutex<VecDeque<StatusCode>>,
    /// False: only counted, so that a measurement is not about its receiver.
    remember: bool,
    /// How long it takes over each answer.
    delay: Duration,
    count: watch::Sender<usize>,
}

impl Receiver {
    /// Listens on loopback until the runtime ends.
    pub async fn start() -> anyhow::Result<Self> {
        Self::listen(true, Duration::ZERO).await
    }

    /// One that only counts what comes in.
    pub async fn counting() -> anyhow::Result<Self> {
        Self::listen(false, Duration::ZERO).await
    }

    /// One that counts, and takes its time to answer.
    pub async fn slow(delay: Duration) -> anyhow::Result<Self> {
        Self::listen(false, delay).await
    }

    #[expect(clippy::disallowed_methods, reason = "a test double that lives as long as its test")]
    async fn listen(remember: bool, delay: Duration) -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/hook", listener.local_addr()?);
        let state = Arc::new(Shared {
            delivered: Mutex::default(),
            answers: Mutex::default(),
            remember,
            delay,
            count: watch::channel(0).0,
        });
        let router = Router::new().route("/hook", post(receive)).with_state(state.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url, state })
    }

    /// The next answers, first to last.
    pub fn answer_with(&self, answers: &[StatusCode]) {
        self.state.answers.lock().unwrap_or_else(PoisonError::into_inner).extend(answers);
    }

    /// From now on 200.
    pub fn forget_answers(&self) {
        self.state.answers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub fn delivered(&self) -> Vec<Delivered> {
        self.state.delivered.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn count(&self) -> usize {
        *self.state.count.borrow()
    }

    /// Like [`Self::wait_for`] without copying what came in: how many there are now.
    pub async fn wait_for_count(&self, count: usize) -> usize {
        let _ = self.state.count.subscribe().wait_for(|now| *now >= count).await;
        self.count()
    }

    /// Waits until `count` requests have come in.
    pub async fn wait_for(&self, count: usize) -> Vec<Delivered> {
        let mut counted = self.state.count.subscribe();
        // The sender lives in `self`.
        let _ = counted.wait_for(|now| *now >= count).await;
        self.delivered()
    }
}

impl Delivered {
    /// Both signature sets, computed here from the specification.
    pub fn signatures_are_valid(&self, secret: &str) -> bool {
        let no_other = !self.text("webhook-signature").contains(' ');
        no_other && self.signed_by(secret) == SignedBy { txcloud: true, standard: true }
    }

    /// Which of the two sets this secret made. `webhook-signature` may hold several signatures, of which one
    /// is enough.
    pub fn signed_by(&self, secret: &str) -> SignedBy {
        let hex_mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), &self.raw);
        let hex: String = hex_mac.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let key = STANDARD.decode(secret.trim_start_matches("whsec_")).unwrap_or_default();
        let mut signed =
            format!("{}.{}.", self.text("webhook-id"), self.text("webhook-timestamp")).into_bytes();
        signed.extend_from_slice(&self.raw);
        let standard = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &signed);
        let standard = format!("v1,{}", STANDARD.encode(standard.as_ref()));
        SignedBy {
            txcloud: self.text("X-TXCloud-Signature") == hex && !self.text("X-TXCloud-Timestamp").is_empty(),
            standard: self.text("webhook-signature").split(' ').any(|one| one == standard),
        }
    }

    fn text(&self, header: &str) -> &str {
        self.headers.get(header).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

async fn receive(State(state): State<Arc<Shared>>, headers: HeaderMap, raw: Bytes) -> StatusCode {
    // None on its way at zero: a timer would cost a millisecond.
    if !state.delay.is_zero() {
        tokio::time::sleep(state.delay).await;
    }
    let answer = state.answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let status = answer.unwrap_or(StatusCode::OK);
    if state.remember {
        let delivered = delivered(headers, &raw, status);
        state.delivered.lock().unwrap_or_else(PoisonError::into_inner).push(delivered);
    }
    state.count.send_modify(|count| *count += 1);
    status
}

fn delivered(headers: HeaderMap, raw: &[u8], status: StatusCode) -> Delivered {
    let text =
        |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    Delivered {
        event_id: text("webhook-id"),
        timestamp: text("webhook-timestamp"),
        body: serde_json::from_slice(raw).unwrap_or_default(),
        raw: raw.to_vec(),
        headers,
        status,
    }
}
