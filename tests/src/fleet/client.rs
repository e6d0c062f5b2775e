//! A customer: talks HTTP and knows nothing of the inside.

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use txid_shared::config::Secret;

/// The longest a test waits for a verdict.
const VERDICT_WITHIN: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    key: Secret,
}

/// Status code and JSON body.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Client {
    pub fn new(address: SocketAddr, key: &Secret) -> anyhow::Result<Self> {
        txid_shared::use_ring_for_tls();
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { http, base: format!("http://{address}"), key: key.clone() })
    }

    /// A Moroccan identity card of blank pictures, to be verified asynchronously.
    pub fn submission() -> Value {
        let document = STANDARD.encode(crate::pictures::blank_document());
        json!({
            "document_front": document,
            "document_back": STANDARD.encode(crate::pictures::jpeg(1280, 721)),
            "selfie": STANDARD.encode(crate::pictures::blank_selfie()),
            "country": "MA",
            "document_type": "national_id",
            "mode": "async",
        })
    }

    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        let request = self.http.post(format!("{}{path}", self.base)).bearer_auth(self.key.reveal());
        answer(request.json(body).send().await?).await
    }

    /// The same request again is answered as the first one was.
    pub async fn post_once(&self, path: &str, key: &str, body: &Value) -> anyhow::Result<Answer> {
        let request = self.http.post(format!("{}{path}", self.base)).bearer_auth(self.key.reveal());
        answer(request.header("Idempotency-Key", key).json(body).send().await?).await
    }

    /// The bytes at an address that carries its own permission; `None` where nothing is found.
    pub async fn fetch(&self, url: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let response = self.http.get(url).send().await?;
        Ok(if response.status() == 404 {
            None
        } else {
            Some(response.error_for_status()?.bytes().await?.to_vec())
        })
    }

    pub async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        let request = self.http.put(format!("{}{path}", self.base)).bearer_auth(self.key.reveal());
        answer(request.json(body).send().await?).await
    }

    pub async fn delete(&self, path: &str) -> anyhow::Result<Answer> {
        let request = self.http.delete(format!("{}{path}", self.base)).bearer_auth(self.key.reveal());
        answer(request.send().await?).await
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        let request = self.http.get(format!("{}{path}", self.base)).bearer_auth(self.key.reveal());
        answer(request.send().await?).await
    }

    /// The id of an accepted asynchronous verification.
    pub async fn submit(&self, body: &Value) -> anyhow::Result<String> {
        let answer = self.post("/v1/identity/verify", body).await?;
        anyhow::ensure!(answer.status == 201, "expected 201: {answer:?}");
        Ok(answer.body["id"].as_str().context("no id")?.to_owned())
    }

    /// The same with a body that is JSON already.
    pub async fn submit_text(&self, body: &str) -> anyhow::Result<()> {
        let request =
            self.http.post(format!("{}/v1/identity/verify", self.base)).bearer_auth(self.key.reveal());
        let request = request.header("content-type", "application/json").body(body.to_owned());
        let answer = answer(request.send().await?).await?;
        anyhow::ensure!(answer.status == 201, "expected 201: {answer:?}");
        Ok(())
    }

    pub async fn verification(&self, id: &str) -> anyhow::Result<Value> {
        let answer = self.get(&format!("/v1/identity/verifications/{id}")).await?;
        anyhow::ensure!(answer.status == 200, "expected 200: {answer:?}");
        Ok(answer.body)
    }

    /// Asks until the verification is decided.
    pub async fn decided(&self, id: &str) -> anyhow::Result<Value> {
        let started = Instant::now();
        loop {
            let verification = self.verification(id).await?;
            if verification["status"] != "pending" {
                return Ok(verification);
            }
            anyhow::ensure!(started.elapsed() < VERDICT_WITHIN, "{id} is still pending");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn answer(response: reqwest::Response) -> anyhow::Result<Answer> {
    let status = response.status().as_u16();
    Ok(Answer { status, body: serde_json::from_str(&response.text().await?).unwrap_or_default() })
}
