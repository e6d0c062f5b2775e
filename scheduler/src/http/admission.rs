//! One call from its beginning to its end: who calls, whether it fits into the allowance, what the answer
//! says about that, and the row that is left of it.

use super::Api;
use super::auth::{Authentication, Caller, Identity, authenticate, caller_address};
use super::envelope::Refusal;
use super::sandbox;
use axum::extract::{ConnectInfo, Request};
use axum::http::header::{HeaderName, HeaderValue};
use axum::response::Response;
use jiff::Timestamp;
use std::cmp::Reverse;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;
use txid_shared::allowance::{Allowance, Decision, Limit, Per, Scope, Slot, Standing, Terms};
use txid_shared::api::{ApiError, ErrorCode};
use txid_shared::config;
use txid_shared::ids::{AccountId, KeyId, RequestId};
use txid_shared::store::RequestLog;
use txid_shared::telemetry::Metrics;

use crate::request_log::RequestLogs;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const WINDOW: HeaderName = HeaderName::from_static("x-ratelimit-window");
/// What a call without a limit is told, so that clients who compute with the headers go on working.
const UNLIMITED: u32 = 2_147_483_647;
/// Until one of the calls under way may have ended.
const TRY_AGAIN_S: u32 = 1;
/// The caller hung up before there was an answer. Nobody ever sees it; the log says what happened.
const HUNG_UP: u16 = 499;

/// What admission works with.
pub(crate) struct Gate {
    pub(crate) allowance: Allowance,
    pub(crate) limits: config::Limits,
    pub(crate) logs: RequestLogs,
}

impl Gate {
    /// All that the calls of `caller` have to fit into; of the endpoints' own limits those in `endpoints`.
    pub(super) fn terms<'a>(&self, caller: &Caller, endpoints: impl Iterator<Item = &'a str>) -> Terms {
        let minute = |scope, calls| Limit { scope, per: Per::Minute, calls };
        let mut limits = Vec::new();
        limits.extend(caller.plan.per_minute().map(|calls| minute(Scope::Account, calls)));
        limits.extend(caller.plan.per_day().map(|calls| Limit {
            scope: Scope::Account,
            per: Per::Day,
            calls,
        }));
        limits.extend(caller.rate_limit.map(|calls| minute(Scope::Key(caller.key_id), calls)));
        limits.extend(endpoints.filter_map(|endpoint| {
            let calls = self.limits.endpoints_per_minute.get(endpoint)?;
            Some(minute(Scope::Endpoint(endpoint.to_owned()), *calls))
        }));
        Terms { account: caller.account_id, concurrent: caller.plan.concurrent(), limits }
    }
}

/// A call under way. Dropped without an answer, it still gives its slot back and leaves its row.
pub(super) struct Call {
    api: Arc<Api>,
    id: RequestId,
    request_id: String,
    method: String,
    route: String,
    began_at: Timestamp,
    began: Instant,
    address: Option<IpAddr>,
    /// Whose call it is, and whether the key opened the account.
    holder: Option<(AccountId, KeyId, bool)>,
    standings: Vec<Standing>,
    slot: Option<Slot>,
}

impl Call {
    /// `route`: its pattern, where there is one.
    pub(super) fn new(
        api: Arc<Api>,
        id: RequestId,
        request_id: String,
        request: &Request,
        route: &str,
    ) -> Self {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let proxies = &api.settings.trusted_proxies;
        let address = peer.map(|ConnectInfo(peer)| caller_address(*peer, request.headers(), proxies));
        Self {
            id,
            request_id,
            method: request.method().to_string(),
            route: route.to_owned(),
            began_at: api.clock.now(),
            began: Instant::now(),
            address,
            holder: None,
            standings: Vec::new(),
            slot: None,
            api,
        }
    }

    /// Finds out who calls, leaves that with the request, and counts the call. Whoever is nobody, or may not
    /// enter, is refused by the handler that asks for a caller; only what does not fit is refused here.
    pub(super) async fn admit(&mut self, request: &mut Request) -> Result<(), Refusal> {
        let api = self.api.clone();
        let identity = match authenticate(&api, request.headers(), self.address).await {
            Authentication::Nobody(refusal) => Err(refusal),
            Authentication::Refused(key, refusal) => {
                self.holder = Some((key.account_id, key.id, false));
                Err(refusal.into())
            }
            Authentication::Caller(caller) => {
                self.holder = Some((caller.account_id, caller.key_id, true));
                let endpoint = format!("{} {}", self.method, self.route);
                let terms = api.gate.terms(&caller, std::iter::once(endpoint.as_str()));
                if !terms.are_unlimited() {
                    self.count(&terms).await?;
                }
                if let Some(simulation) = &caller.simulation
                    && !self.route.starts_with(sandbox::ROUTES)
                {
                    sandbox::meet(&api, simulation).await?;
                }
                Ok(caller)
            }
        };
        request.extensions_mut().insert(Identity(identity));
        Ok(())
    }

    async fn count(&mut self, terms: &Terms) -> Result<(), ApiError> {
        let taken = match self.api.gate.allowance.take(terms, self.began_at).await {
            Ok(taken) => taken,
            Err(error) => {
                // Better uncounted than refused: a limit protects the service, and the service is there.
                tracing::warn!(%error, "a call goes on uncounted");
                Metrics::get().call_uncounted();
                self.standings = terms.unused(self.began_at);
                return Ok(());
            }
        };
        self.standings = taken.standings;
        match taken.decision {
            Decision::Admitted(slot) => {
                self.slot = slot;
                Ok(())
            }
            Decision::Refused(full) => Err(self.refusal(full, terms)),
        }
    }

    fn refusal(&self, full: Option<usize>, terms: &Terms) -> ApiError {
        let Some(standing) = full.and_then(|full| self.standings.get(full)) else {
            Metrics::get().call_limited("concurrency");
            let most = terms.concurrent.unwrap_or_default();
            let message = format!("too many requests at once: this account may have {most} under way");
            return limited(message, TRY_AGAIN_S);
        };
        let (scope, whose) = match &standing.limit.scope {
            Scope::Account => ("account", "this account may send"),
            Scope::Key(_) => ("key", "this API key may send"),
            Scope::Endpoint(_) => ("endpoint", "this account may send here"),
        };
        Metrics::get().call_limited(scope);
        let per = match standing.limit.per {
            Per::Minute => "minute",
            Per::Day => "day",
        };
        // Several windows may be used up; before the last of them begins anew there is no use in trying.
        let used_up = self.standings.iter().filter(|standing| standing.remaining() == 0);
        let again_at = used_up.map(|standing| standing.resets_at).max().unwrap_or(standing.resets_at);
        let seconds = (again_at.duration_since(self.began_at).as_millis() + 999) / 1000;
        let message = format!("too many requests: {whose} {} per {per}", standing.limit.calls);
        limited(message, u32::try_from(seconds).unwrap_or(u32::MAX).max(1))
    }

    /// Headers for the answer; the end of the call.
    pub(super) async fn finish(mut self, response: &mut Response, code: Option<ErrorCode>) {
        if let Some(slot) = &self.slot {
            // Waited for, so that the caller's next call finds the slot free.
            give_back(&self.api, slot).await;
        }
        self.slot = None;
        for (name, value) in self.headers() {
            response.headers_mut().insert(name, value);
        }
        self.leave_row(response.status().as_u16(), code);
    }

    /// Of several limits, the one that will refuse first.
    fn headers(&self) -> [(HeaderName, HeaderValue); 4] {
        let tightest = self
            .standings
            .iter()
            .min_by_key(|standing| (standing.remaining(), Reverse(standing.limit.per.seconds())));
        let (limit, remaining, resets_at, per) = match tightest {
            Some(standing) => {
                (standing.limit.calls, standing.remaining(), standing.resets_at, standing.limit.per)
            }
            None => (UNLIMITED, UNLIMITED, Per::Minute.resets_at(self.began_at), Per::Minute),
        };
        [
            (LIMIT, limit.into()),
            (REMAINING, remaining.into()),
            (RESET, resets_at.as_second().into()),
            (WINDOW, per.seconds().into()),
        ]
    }

    /// Once: the holder is taken.
    fn leave_row(&mut self, status: u16, code: Option<ErrorCode>) {
        let Some((account_id, key_id, authenticated)) = self.holder.take() else { return };
        self.api.gate.logs.note(RequestLog {
            account_id,
            id: self.id,
            key_id,
            request_id: std::mem::take(&mut self.request_id),
            at: self.began_at,
            method: std::mem::take(&mut self.method),
            route: std::mem::take(&mut self.route),
            status,
            error_code: code.map(ErrorCode::name),
            duration_ms: i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX),
            address: self.address,
            authenticated,
        });
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            let api = self.api.clone();
            self.api.tasks.spawn(async move { give_back(&api, &slot).await });
        }
        self.leave_row(HUNG_UP, None);
    }
}

async fn give_back(api: &Api, slot: &Slot) {
    if let Err(error) = api.gate.allowance.give_back(slot).await {
        tracing::warn!(%error, "a slot is taken until its lease ends");
    }
}

fn limited(message: String, retry_after_s: u32) -> ApiError {
    let mut error = ApiError::new(ErrorCode::RateLimitExceeded, message);
    error.retry_after = Some(retry_after_s);
    error
}
