//! The API: one file per resource, an envelope around all of them.

mod admission;
mod auth;
mod batch_opening;
mod batch_results;
mod batches;
mod body;
mod deliveries;
mod documents;
mod envelope;
mod files;
mod health;
mod idempotency;
mod keys;
mod lifecycle;
mod limits;
mod liveness;
mod oneshots;
pub(crate) mod openapi;
mod query;
mod requests;
mod sandbox;
mod sessions;
mod signed;
mod uploads;
mod usage;
mod validate;
mod verifications;
mod verify;
mod webhooks;

use crate::batches::Batches;
use crate::waiters::Waiters;
pub(crate) use admission::Gate;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post, put};
use body::UploadRoom;
use envelope::Refusal;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::{Notify, Semaphore};
use txid_shared::api::{ApiError, ErrorCode};
use txid_shared::blobs::Blobs;
use txid_shared::clock::Clock;
use txid_shared::config::{self, Config};
use txid_shared::partials::Partials;
use txid_shared::queue::Queue;
use txid_shared::services::Services;
use txid_shared::store::{Retention, Store};
use txid_shared::task::Tasks;
use utoipa_swagger_ui::SwaggerUi;

/// What the handlers work with.
pub(crate) struct Api {
    store: Store,
    queue: Queue,
    partials: Partials,
    blobs: Blobs,
    clock: Clock,
    settings: config::Server,
    batches: config::Batches,
    drivers: Batches,
    retention: Retention,
    gate: Gate,
    /// Where the sandbox's fixtures are.
    fixtures: PathBuf,
    tasks: Tasks,
    room: UploadRoom,
    /// Pictures that may be decoded here at once.
    decoding: Semaphore,
    waiters: Waiters,
    outbox_filled: Arc<Notify>,
    /// Migrations only ever go forward, so it is asked once.
    migrated: AtomicBool,
}

impl Api {
    pub(crate) fn new(
        services: Services,
        config: &Config,
        drivers: Batches,
        gate: Gate,
        tasks: Tasks,
        waiters: Waiters,
        outbox_filled: Arc<Notify>,
    ) -> Self {
        let Services { context, queue, blobs } = services;
        let settings = config.server.clone();
        Self {
            store: context.store,
            queue,
            partials: context.partials,
            blobs,
            clock: context.clock,
            room: UploadRoom::new(config.server.concurrent_uploads),
            decoding: Semaphore::new(validate::pool_size()),
            settings,
            batches: config.batches.clone(),
            drivers,
            retention: days(&config.retention),
            gate,
            fixtures: config.models.folder().join("fixtures"),
            tasks,
            waiters,
            outbox_filled,
            migrated: AtomicBool::new(false),
        }
    }
}

pub(crate) fn days(settings: &config::Retention) -> Retention {
    let seconds = |days: u32| (days > 0).then_some(i64::from(days) * 86_400);
    Retention { images_s: seconds(settings.images_days), data_s: seconds(settings.data_days) }
}

/// `POST /v1/identity/verify` and its like: what a limit of an endpoint may be set for.
pub(crate) fn is_endpoint(name: &str) -> bool {
    openapi::endpoints(&openapi::openapi()).iter().any(|endpoint| endpoint == name)
}

pub(crate) fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/v1/identity/verify", post(verify::verify))
        .route("/v1/identity/extract", post(oneshots::extract))
        .route("/v1/identity/face-match", post(oneshots::face_match))
        .route("/v1/identity/liveness", post(liveness::liveness))
        .route("/v1/identity/verifications", get(verifications::list))
        .route("/v1/identity/verifications/{id}", get(verifications::show).delete(lifecycle::delete))
        .route("/v1/identity/verifications/{id}/cancel", post(lifecycle::cancel))
        .route("/v1/identity/verifications/{id}/retry", post(lifecycle::retry))
        .route("/v1/identity/verifications/{id}/review", post(lifecycle::review))
        .route("/v1/identity/verifications/{id}/audit", get(lifecycle::audit))
        .route("/v1/identity/verifications/{id}/evidence/{evidence_id}", get(verifications::evidence))
        .route("/v1/identity/validate", post(validate::validate))
        .route("/v1/identity/sessions", post(sessions::create))
        .route("/v1/identity/sessions/{id}", get(sessions::show))
        .route("/v1/identity/sessions/{id}/documents", post(uploads::upload))
        .route("/v1/identity/sessions/{id}/documents/{side}", put(uploads::put))
        .route("/v1/identity/sessions/{id}/complete", post(sessions::complete))
        .route("/v1/identity/documents/{id}", get(documents::show))
        .route("/v1/identity/documents/{id}/download", get(documents::download))
        .route("/v1/identity/documents/{id}/content", get(documents::content))
        .route("/v1/identity/supported-documents", get(documents::list))
        .route("/v1/identity/countries", get(documents::countries))
        .route("/v1/identity/uploads", post(files::create))
        .route("/v1/identity/uploads/{id}", get(files::show))
        .route(files::CONTENT_ROUTE, put(files::content))
        .route("/v1/identity/batches", post(batch_opening::create).get(batches::list))
        .route("/v1/identity/batches/{id}", get(batches::show).delete(batches::delete))
        .route("/v1/identity/batches/{id}/confirm", post(batches::confirm))
        .route("/v1/identity/batches/{id}/pause", post(batches::pause))
        .route("/v1/identity/batches/{id}/resume", post(batches::resume))
        .route("/v1/identity/batches/{id}/cancel", post(batches::cancel))
        .route("/v1/identity/batches/{id}/retry-failed", post(batches::retry_failed))
        .route("/v1/identity/batches/{id}/results", get(batch_results::list))
        .route("/v1/identity/batches/{id}/files/{file}", get(batch_results::file))
        .route("/v1/developers/webhooks", post(webhooks::create).get(webhooks::list))
        .route("/v1/developers/keys", post(keys::create).get(keys::list))
        .route("/v1/developers/keys/{id}", get(keys::show).delete(keys::revoke))
        .route("/v1/developers/keys/{id}/rotate", post(keys::rotate))
        .route("/v1/developers/limits", get(limits::show))
        .route("/v1/developers/usage", get(usage::show))
        .route("/v1/developers/usage/daily", get(usage::daily))
        .route("/v1/developers/usage/by-endpoint", get(usage::by_endpoint))
        .route("/v1/developers/logs", get(requests::list))
        .route("/v1/developers/logs/{id}", get(requests::show))
        .route(
            "/v1/developers/webhooks/{id}",
            get(webhooks::show).put(webhooks::change).delete(webhooks::delete),
        )
        .route("/v1/developers/webhooks/{id}/rotate-secret", post(webhooks::rotate_secret))
        .route("/v1/developers/webhooks/{id}/test", post(deliveries::test))
        .route("/v1/developers/webhooks/{id}/logs", get(deliveries::logs))
        .route("/v1/developers/webhooks/{id}/deliveries", get(deliveries::deliveries))
        .route("/v1/developers/webhooks/{id}/replay", post(deliveries::replay))
        .route("/v1/developers/sandbox/fixtures", get(sandbox::fixtures))
        .route("/v1/developers/sandbox/fixtures/{fixture}/{side}", get(sandbox::fixture_image))
        .route("/v1/developers/sandbox/simulate", post(sandbox::simulate))
        .route("/v1/developers/events/{id}", get(deliveries::show_event))
        .route("/v1/developers/events/{id}/resend", post(deliveries::resend))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .merge(SwaggerUi::new("/docs").url("/openapi.json", openapi::openapi()))
        .fallback(async || Refusal::from(ApiError::new(ErrorCode::NotFound, "no such address")))
        .method_not_allowed_fallback(async || Refusal::method_not_allowed())
        .layer(axum::middleware::from_fn_with_state(api.clone(), envelope::envelope))
        // Bodies are bounded where they are read.
        .layer(DefaultBodyLimit::disable())
        .with_state(api)
}
