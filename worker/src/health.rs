//! What a worker tells the cluster: alive, ready, and its metrics.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use std::net::SocketAddr;
use tokio_util::sync::CancellationToken;
use txid_shared::partials::Partials;
use txid_shared::store::Store;
use txid_shared::telemetry;

#[derive(Clone)]
struct Dependencies {
    store: Store,
    partials: Partials,
    stopping: CancellationToken,
}

/// Serves until `stopping`; the models are loaded before this is called, so listening means ready to run.
pub async fn serve(
    listen: SocketAddr,
    store: Store,
    partials: Partials,
    stopping: CancellationToken,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(|| async { telemetry::prometheus_text() }))
        .with_state(Dependencies { store, partials, stopping: stopping.clone() });
    let listener = tokio::net::TcpListener::bind(listen).await?;
    tracing::info!(address = %listener.local_addr()?, "health and metrics");
    axum::serve(listener, router).with_graceful_shutdown(stopping.cancelled_owned()).await
}

async fn ready(State(dependencies): State<Dependencies>) -> (StatusCode, String) {
    if dependencies.stopping.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned());
    }
    let (store, partials) = tokio::join!(dependencies.store.ping(), dependencies.partials.ping());
    let status =
        if store.is_ok() && partials.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = |ok: bool| if ok { "ok" } else { "unreachable" };
    (status, format!("postgres {}\nredis {}\n", word(store.is_ok()), word(partials.is_ok())))
}
