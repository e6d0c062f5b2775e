//! Starts everything that makes a scheduler, and stops it in order: first no new requests, then the
//! open ones are answered, then the relay publishes what they left, then it is over.

use crate::batches::{Batches, BatchesError};
use crate::dead_letters::DeadLetters;
use crate::http::{self, Api, Gate};
use crate::measure::Measurer;
use crate::relay::Relay;
use crate::request_log::RequestLogs;
use crate::sweeper::Sweeper;
use crate::waiters::Waiters;
use axum::serve::ListenerExt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use txid_shared::allowance::{Allowance, AllowanceError};
use txid_shared::config::{Config, ms};
use txid_shared::services::Services;
use txid_shared::task::Tasks;

/// Two, so that one claims rows while the other waits for the broker's confirms.
const RELAYS: usize = 2;
/// After the last request: time for the relay's last rows and for messages in hand.
pub const LAST_WORK: Duration = Duration::from_secs(5);
/// Beyond the longest that a call may take: then whoever held its slot is gone.
const SLOT_MARGIN: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("server.listen: cannot listen on {address}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error(transparent)]
    Allowance(#[from] AllowanceError),
    #[error(transparent)]
    Batches(#[from] BatchesError),
    #[error("limits.endpoints_per_minute: `{0}` is no method and route of the API")]
    NoSuchEndpoint(String),
}

/// Starts API, relay, sweeper, dead-letter consumer and request logs on `tasks`; `tasks.stop()` begins the drain and
/// `tasks.drained()` waits for its end. Answers with the address that is listened on, so that port 0
/// may be asked for.
pub async fn start(services: Services, config: &Config, tasks: &Tasks) -> Result<SocketAddr, StartError> {
    if let Some(unknown) = config.limits.endpoints_per_minute.keys().find(|name| !http::is_endpoint(name)) {
        return Err(StartError::NoSuchEndpoint(unknown.clone()));
    }
    let allowance = Allowance::open(&config.redis, ms(config.server.request_timeout_ms) + SLOT_MARGIN)?;
    let address = config.server.listen;
    let failed = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let Services { context, queue, .. } = services.clone();

    // Not a child of `tasks`: it goes on until the open requests are answered.
    let background = Tasks::new();
    let outbox_filled = Arc::new(Notify::new());
    let waiters = Waiters::new();
    background.spawn(waiters.clone().run(context.partials.finished(), background.stopping().clone()));
    for _ in 0..RELAYS {
        let relay = Relay::new(&services, config.relay.clone(), outbox_filled.clone());
        background.spawn(relay.run(background.stopping().clone()));
    }
    background.spawn(Measurer::new(&services).run(background.stopping().clone()));
    let sweeper = Sweeper::new(&services, config.sweeper.clone(), outbox_filled.clone());
    let recover = queue.is_volatile();
    background.spawn(sweeper.run(recover, background.stopping().clone()));
    let retention = http::days(&config.retention);
    let batches = Batches::new(&services, &config.batches, retention, outbox_filled.clone())?;
    background.spawn(batches.clone().run(recover, background.stopping().clone()));
    let dead_letters = DeadLetters::new(context, queue, outbox_filled.clone());
    background.spawn(dead_letters.run(background.stopping().clone()));

    let (logs, log_writer) = RequestLogs::new(services.context.store.clone());
    background.spawn(log_writer.run(background.stopping().clone()));
    let gate = Gate { allowance, limits: config.limits.clone(), logs };

    let router = http::router(Arc::new(Api::new(
        services,
        config,
        batches,
        gate,
        tasks.clone(),
        waiters,
        outbox_filled,
    )));
    let stopping = tasks.stopping().clone();
    let drain = ms(config.server.drain_deadline_ms);
    tasks.spawn(async move {
        let without_delay = listener.tap_io(|stream| {
            // Answers are one small write; waiting for more would only cost time.
            let _ = stream.set_nodelay(true);
        });
        let router = router.into_make_service_with_connect_info::<SocketAddr>();
        let serving = axum::serve(without_delay, router)
            .with_graceful_shutdown(stopping.clone().cancelled_owned())
            .into_future();
        let out_of_time = async {
            stopping.cancelled().await;
            tokio::time::sleep(drain).await;
        };
        tokio::select! {
            served = serving => {
                if let Err(error) = served {
                    tracing::error!(%error, "the HTTP server ended");
                }
            }
            () = out_of_time => tracing::warn!("requests were still open at the drain deadline"),
        }
        background.stop();
        if !background.drained(LAST_WORK).await {
            tracing::warn!("the relay was still publishing at the end; its rows stay in the outbox");
        }
    });
    tracing::info!(address = %bound, "API listens");
    Ok(bound)
}
