//! One HTTP attempt: signed, bounded, without redirects or retries of its own.

use super::sign;
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, StatusCode};
use std::time::Duration;
use txid_shared::outbound::{Guard, allowed_url};
use txid_shared::store::{Response, Secrets};
use txid_shared::words::DeliveryFailure;

/// Read of a receiver's answer, so that the connection can be used again; the rest is dropped.
const ANSWER_BYTES: usize = 4096;
/// A receiver may ask for patience up to a day.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(86_400);

pub(super) struct Request<'a> {
    pub event_id: &'a str,
    pub url: &'a str,
    pub body: Vec<u8>,
    pub secrets: &'a Secrets,
}

#[derive(Debug)]
pub(super) enum Answer {
    /// 2xx, and nothing else.
    Accepted(u16),
    Refused {
        status: u16,
        retry_after: Option<Duration>,
    },
    /// 410: the receiver wants no more.
    Gone,
    /// Time-out, connection or name error.
    Unreachable(String),
    /// Ours: it could not be opened or written this time.
    Unready(String),
    /// Not sent, now or later.
    Never(DeliveryFailure),
}

impl Answer {
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Accepted(status) | Self::Refused { status, .. } => Some(*status),
            Self::Gone => Some(StatusCode::GONE.as_u16()),
            Self::Unreachable(_) | Self::Unready(_) | Self::Never(_) => None,
        }
    }

    pub(super) fn error(&self) -> Option<String> {
        match self {
            Self::Unreachable(why) | Self::Unready(why) => Some(why.clone()),
            Self::Accepted(_) | Self::Refused { .. } | Self::Gone | Self::Never(_) => None,
        }
    }

    /// What it says about the endpoint.
    pub(super) fn response(&self) -> Response {
        match self {
            Self::Accepted(_) => Response::Good,
            Self::Refused { .. } | Self::Gone | Self::Unreachable(_) => Response::Bad,
            Self::Unready(_) | Self::Never(_) => Response::None,
        }
    }
}

pub(super) async fn send(client: &Client, guard: &Guard, request: Request<'_>, now: Timestamp) -> Answer {
    let url = match allowed_url(request.url, guard) {
        Ok(url) => url,
        Err(why) => return Answer::Unreachable(why),
    };
    let timestamp_s = now.as_second();
    let signature = sign::standard_by(request.secrets, request.event_id, timestamp_s, &request.body);
    let sending = client
        .post(url)
        .header(CONTENT_TYPE, "application/json")
        .header("X-TXCloud-Signature", sign::txcloud_by(request.secrets, &request.body))
        .header("X-TXCloud-Timestamp", timestamp_s)
        .header("webhook-id", request.event_id)
        .header("webhook-timestamp", timestamp_s)
        .header("webhook-signature", signature)
        .body(request.body)
        .send();
    let mut response = match sending.await {
        Ok(response) => response,
        Err(error) => return Answer::Unreachable(cause(&error)),
    };
    let (status, retry_after) = (response.status(), retry_after(&response, now));
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read >= ANSWER_BYTES {
            break;
        }
    }
    match status {
        _ if status.is_success() => Answer::Accepted(status.as_u16()),
        StatusCode::GONE => Answer::Gone,
        _ => Answer::Refused { status: status.as_u16(), retry_after },
    }
}

fn retry_after(response: &reqwest::Response, now: Timestamp) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    let wait = match value.trim().parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
            Duration::try_from(at.duration_since(now)).ok()?
        }
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

/// The innermost cause says what happened; the outer layers only that something did. No URL in it.
fn cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    if error.is_timeout() { "no answer in time".to_owned() } else { innermost.to_string() }
}
