//! For orchestrators and dashboards. No key needed, so nothing here names hosts or holds data.

use super::Api;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde::Serialize;
use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use txid_shared::telemetry::prometheus_text;
use utoipa::ToSchema;

/// A probe must answer while what it asks hangs.
const PATIENCE: Duration = Duration::from_millis(1_500);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Reach {
    Ok,
    Unreachable,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Readiness {
    /// Verifications can be accepted: database, schema and object store are there.
    ready: bool,
    stopping: bool,
    migrated: bool,
    database: Reach,
    object_store: Reach,
    /// Not needed to accept: the outbox holds what cannot be published yet.
    broker: Reach,
    /// Not needed to accept.
    partials: Reach,
}

/// The process is alive
#[utoipa::path(get, path = "/healthz", tag = "operations", security(()),
    responses((status = 200, description = "alive", body = str)))]
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// Whether verifications can be accepted
#[utoipa::path(get, path = "/readyz", tag = "operations", security(()),
    responses(
        (status = 200, description = "ready", body = Readiness),
        (status = 503, description = "not ready, or stopping", body = Readiness),
    ))]
pub(super) async fn ready(State(api): State<Arc<Api>>) -> impl IntoResponse {
    let (database, object_store, broker, partials) = tokio::join!(
        reach("database", api.store.ping()),
        reach("object store", api.blobs.ping()),
        reach("broker", api.queue.ping()),
        reach("partials", api.partials.ping()),
    );
    let migrated = database == Reach::Ok && is_migrated(&api).await;
    let stopping = api.tasks.stopping().is_cancelled();
    let ready = migrated && object_store == Reach::Ok && !stopping;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, stopping, migrated, database, object_store, broker, partials }))
}

async fn is_migrated(api: &Api) -> bool {
    if !api.migrated.load(Ordering::Relaxed) {
        let answer = tokio::time::timeout(PATIENCE, api.store.is_migrated()).await;
        api.migrated.store(matches!(answer, Ok(Ok(true))), Ordering::Relaxed);
    }
    api.migrated.load(Ordering::Relaxed)
}

async fn reach<E: Display>(what: &'static str, ping: impl Future<Output = Result<(), E>>) -> Reach {
    match tokio::time::timeout(PATIENCE, ping).await {
        Ok(Ok(())) => Reach::Ok,
        Ok(Err(error)) => {
            tracing::warn!(%error, "readiness: the {what} cannot be reached");
            Reach::Unreachable
        }
        Err(_) => Reach::Unreachable,
    }
}

/// Metrics for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "operations", security(()),
    responses((status = 200, description = "Prometheus text exposition", body = str)))]
pub(super) async fn metrics() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], prometheus_text())
}
