//! API and webhook role in this process on one clock of the test's own, with real Postgres and HTTP.

use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use txid_shared::blobs::crypto::DataKey;
use txid_shared::clock::{Clock, MockClock};
use txid_shared::conclude::conclude;
use txid_shared::config::Secret;
use txid_shared::ids::{AccountId, VerificationId};
use txid_shared::partial::Partial;
use txid_shared::request::SealedRequest;
use txid_shared::services::Services;
use txid_shared::store::{Acceptance, Declared, NewKey, Retention, Store};
use txid_shared::task::Tasks;
use txid_shared::words::{Check, DocumentType, Lane, Permission, Purpose, Stage};
use txid_tests::fleet::{Client, Space};
use txid_tests::stubs::good_result;
use txid_worker::webhooks::Deliverer;

pub(crate) struct Scene {
    pub(crate) space: Space,
    pub(crate) services: Services,
    pub(crate) clock: MockClock,
    pub(crate) account: AccountId,
    /// Signs what goes to a request's own `webhook_url`.
    pub(crate) account_secret: Secret,
    pub(crate) address: SocketAddr,
    pub(crate) client: Client,
    pub(crate) deliverer: Deliverer,
    tasks: Tasks,
}

/// An endpoint as it was created.
pub(crate) struct Endpoint {
    pub(crate) path: String,
    pub(crate) secret: String,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// Settings as `("webhooks.disable_after_s", "60")`.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let mut space = Space::new().await.unwrap();
        for (key, value) in settings {
            space.set(key, value);
        }
        let mut config = space.config().unwrap();
        // Verdicts are written by hand here: no job has to travel.
        (config.broker.url, config.redis.url) = (Secret::new(""), Secret::new(""));
        let clock = MockClock::at("2026-03-01T12:00:00Z".parse().unwrap());
        let services = Services::open(&config, Clock::Mock(clock.clone())).await.unwrap();
        let tasks = Tasks::new();
        let address = txid_scheduler::start(services.clone(), &config, &tasks).await.unwrap();
        let store = &services.context.store;
        let account_secret = txid_shared::webhook_secret().unwrap();
        let account = store.create_account("first", &account_secret, clock.now()).await.unwrap().id;
        let new =
            NewKey { name: "test".to_owned(), permissions: Permission::ALL.to_vec(), ..NewKey::default() };
        let key = store.create_api_key(account, &new, "test", clock.now()).await.unwrap();
        let client = Client::new(address, &key.secret).unwrap();
        let deliverer = Deliverer::new(store.clone(), Clock::Mock(clock.clone()), &config.webhooks).unwrap();
        Self { space, services, clock, account, account_secret, address, client, deliverer, tasks }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.services.context.store
    }

    pub(crate) async fn endpoint(&self, body: Value) -> Endpoint {
        let created = self.client.post("/v1/developers/webhooks", &body).await.unwrap();
        assert_eq!(created.status, 201, "{:#}", created.body);
        let id = created.body["id"].as_str().unwrap();
        let secret = created.body["secret"].as_str().unwrap().to_owned();
        Endpoint { path: format!("/v1/developers/webhooks/{id}"), secret }
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.client.get(path).await.unwrap();
        assert_eq!(answer.status, 200, "{:#}", answer.body);
        answer.body
    }

    /// The log of an endpoint: what stands under `data`.
    pub(crate) async fn log(&self, endpoint: &Endpoint, query: &str) -> Vec<Value> {
        let list = self.get(&format!("{}/logs{query}", endpoint.path)).await;
        list["data"].as_array().unwrap().clone()
    }

    /// A verification of a flawless submission with its verdict, its event not yet delivered.
    pub(crate) async fn decided(&self, webhook_url: Option<&str>) -> VerificationId {
        let (id, store) = (VerificationId::generate(), self.store());
        let DataKey { key, wrapped: wrapped_key, share } =
            store.new_data_key(self.account, id).await.unwrap();
        self.services.blobs.put_share(self.account, id, &share).await.unwrap();
        let webhook_url = webhook_url.map(str::to_owned);
        let request = SealedRequest { webhook_url, ..SealedRequest::default() };
        let acceptance = Acceptance {
            id,
            account_id: self.account,
            lane: Lane::Interactive,
            purpose: Purpose::Verification,
            declared: Some(Declared { country: "MA".to_owned(), document_type: DocumentType::NationalId }),
            claim: None,
            answer: None,
            session_id: None,
            retention: Retention::default(),
            checks: Check::DEFAULT.to_vec(),
            stages: Stage::ALL.to_vec(),
            metadata: Map::from_iter([("user_id".to_owned(), json!("zmarker-user"))]),
            images: Vec::new(),
            wrapped_key,
            sealed_request: request.seal(&key, id).unwrap(),
            traceparent: None,
            created_at: self.clock.now(),
            retry_of: None,
            actor: "test".to_owned(),
        };
        store.accept(&acceptance).await.unwrap();
        let case = store.case(id).await.unwrap().unwrap();
        let partial = |stage: &Stage| Partial::of(good_result(*stage));
        let partials = Stage::ALL.iter().map(|stage| (*stage, partial(stage))).collect();
        assert!(conclude(&self.services.context, &case, &key, &partials).await.unwrap());
        id
    }

    /// Delivers what is due, then lets time pass.
    pub(crate) async fn deliver_then_wait(&self, seconds: i64) -> usize {
        let delivered = self.deliverer.deliver_due().await.unwrap();
        self.clock.advance(SignedDuration::from_secs(seconds));
        delivered
    }

    pub(crate) async fn end(self) {
        self.tasks.stop();
        assert!(self.tasks.drained(Duration::from_secs(20)).await, "the scheduler does not drain");
        self.services.context.store.close().await;
        self.space.remove().await.unwrap();
    }
}
