//! A scheduler of its own for one test: own schema, own folder, own account.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sqlx::PgPool;
use std::collections::BTreeMap;
use std::io::Cursor;
use std::net::SocketAddr;
use std::str::FromStr;
use txid_shared::blobs::crypto::MasterKeys;
use txid_shared::clock::{Clock, MockClock};
use txid_shared::conclude::conclude;
use txid_shared::config::{Config, Secret};
use txid_shared::ids::{AccountId, VerificationId};
use txid_shared::partial::{FraudResult, OcrResult, Partial, StageResult, Unable};
use txid_shared::request::SealedRequest;
use txid_shared::sealed::seal_partial;
use txid_shared::services::Services;
use txid_shared::store::{Acceptance, Case, Declared, NewKey, Retention, Store};
use txid_shared::task::Tasks;
use txid_shared::words::{Check, DocumentType, Lane, Permission, Plan, Purpose, Stage};

pub(crate) struct Scene {
    pub(crate) services: Services,
    pub(crate) config: Config,
    pub(crate) account: AccountId,
    pub(crate) key: Secret,
    pub(crate) clock: MockClock,
    pub(crate) database: PgPool,
    pub(crate) address: SocketAddr,
    http: reqwest::Client,
    tasks: Tasks,
    folder: tempfile::TempDir,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// Settings as `("server.sync_wait_ms", "50")`.
    pub(crate) async fn with(changes: &[(&str, &str)]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let schema = format!("t{}", uuid::Uuid::new_v4().simple());
        let database_url = std::env::var("TXID_TEST_DATABASE_URL")
            .unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable".to_owned());
        let mut settings: BTreeMap<String, String> = [
            ("database.url", database_url.clone()),
            ("database.schema", schema.clone()),
            ("database.max_connections", "6".to_owned()),
            ("broker.url", String::new()),
            ("redis.url", String::new()),
            ("blobs.url", format!("file://{}", folder.path().display())),
            ("keys.master", format!("[\"{}\"]", MasterKeys::generate_entry("k1").unwrap())),
            ("server.listen", "127.0.0.1:0".to_owned()),
            // The tests sweep by hand.
            ("sweeper.interval_ms", "3600000".to_owned()),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
        settings.extend(changes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let environment = settings
            .into_iter()
            .map(|(key, value)| (format!("TXID__{}", key.to_uppercase().replace('.', "__")), value));
        let config = Config::load(None, environment).unwrap();
        Store::migrate(&config.database).await.unwrap();
        let clock = MockClock::at("2026-03-01T12:00:00Z".parse().unwrap());
        let services = Services::open(&config, Clock::Mock(clock.clone())).await.unwrap();
        let options = sqlx::postgres::PgConnectOptions::from_str(&database_url).unwrap();
        let database = sqlx::postgres::PgPoolOptions::new()
            .max_connections(1)
            .connect_with(options.options([("search_path", schema.as_str())]))
            .await
            .unwrap();
        let tasks = Tasks::new();
        let address = txid_scheduler::start(services.clone(), &config, &tasks).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let account = account(&services.context.store, "first").await;
        let key = key(&services.context.store, account, Permission::ALL).await;
        // A test begins with an empty trail: the scene's own key is no part of it.
        let forget =
            "ALTER TABLE audit DISABLE TRIGGER ALL; TRUNCATE audit; ALTER TABLE audit ENABLE TRIGGER ALL";
        sqlx::raw_sql(forget).execute(&database).await.unwrap();
        Self { services, config, account, key, clock, database, address, http, tasks, folder }
    }

    pub(crate) async fn end(self) {
        self.tasks.stop();
        assert!(self.tasks.drained(std::time::Duration::from_secs(20)).await, "the scheduler does not drain");
        let drop = format!("DROP SCHEMA \"{}\" CASCADE", self.config.database.schema);
        sqlx::raw_sql(sqlx::AssertSqlSafe(drop)).execute(&self.database).await.unwrap();
    }

    pub(crate) async fn key_with(&self, permissions: &[Permission]) -> Secret {
        key(&self.services.context.store, self.account, permissions).await
    }

    pub(crate) async fn key_of_another_account(&self) -> Secret {
        let other = account(&self.services.context.store, "second").await;
        key(&self.services.context.store, other, Permission::ALL).await
    }

    pub(crate) fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.address))
    }

    /// Another scheduler of the same fleet, perhaps with other settings; ended by its own tasks.
    pub(crate) async fn another_scheduler(&self, config: &Config) -> (SocketAddr, Tasks) {
        let tasks = Tasks::new();
        let address = txid_scheduler::start(self.services.clone(), config, &tasks).await.unwrap();
        (address, tasks)
    }

    pub(crate) fn get_from(&self, address: SocketAddr, path: &str) -> reqwest::RequestBuilder {
        self.http.get(format!("http://{address}{path}"))
    }

    pub(crate) async fn plan(&self, plan: Plan) {
        let set = self.services.context.store.set_plan("first", plan, "test", jiff::Timestamp::UNIX_EPOCH);
        assert!(set.await.unwrap());
    }

    pub(crate) async fn key_of(&self, account: AccountId, new: NewKey) -> Secret {
        let now = jiff::Timestamp::UNIX_EPOCH;
        self.services.context.store.create_api_key(account, &new, "test", now).await.unwrap().secret
    }

    /// Until a condition holds that something else in the process brings about.
    pub(crate) async fn until<T>(&self, what: &str, condition: impl AsyncFn() -> Option<T>) -> T {
        for _ in 0..1000 {
            if let Some(found) = condition().await {
                return found;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("it never comes to this: {what}");
    }

    pub(crate) fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.request(reqwest::Method::POST, path).bearer_auth(self.key.reveal())
    }

    pub(crate) async fn verify(&self, body: &Value) -> Answer {
        answer(self.post("/v1/identity/verify").json(body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.request(reqwest::Method::GET, path).bearer_auth(self.key.reveal())).await
    }

    /// An accepted asynchronous verification.
    pub(crate) async fn accepted(&self, body: &Value) -> VerificationId {
        let mut body = body.clone();
        body["mode"] = json!("async");
        let answer = self.verify(&body).await;
        assert_eq!(answer.status, 201, "{:#}", answer.body);
        answer.body["id"].as_str().unwrap().parse().unwrap()
    }

    /// A passport as a version before key shares accepted it: the whole data key is in the row.
    pub(crate) async fn accepted_before_shares(&self) -> VerificationId {
        let (id, store) = (VerificationId::generate(), &self.services.context.store);
        let account_key = store.account_key(self.account).await.unwrap();
        let (key, wrapped_key) = account_key.generate_wrapped(&id.to_string()).unwrap();
        let declared = Declared { country: "FR".to_owned(), document_type: DocumentType::Passport };
        let acceptance = Acceptance {
            id,
            account_id: self.account,
            lane: Lane::Interactive,
            purpose: Purpose::Verification,
            declared: Some(declared),
            checks: vec![Check::Ocr],
            stages: vec![Stage::Ocr],
            metadata: serde_json::Map::new(),
            images: Vec::new(),
            wrapped_key,
            sealed_request: SealedRequest::default().seal(&key, id).unwrap(),
            traceparent: None,
            created_at: self.clock.now(),
            retry_of: None,
            actor: "test".to_owned(),
            claim: None,
            answer: None,
            session_id: None,
            retention: Retention::default(),
        };
        assert!(store.accept(&acceptance).await.unwrap());
        id
    }

    /// The one verification there is, as soon as it is accepted.
    pub(crate) async fn only_verification(&self) -> VerificationId {
        loop {
            let id: Option<(uuid::Uuid,)> =
                sqlx::query_as("SELECT id FROM verifications").fetch_optional(&self.database).await.unwrap();
            if let Some((id,)) = id {
                return VerificationId::from_uuid(id);
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn case(&self, id: VerificationId) -> Case {
        self.services.context.store.case(id).await.unwrap().unwrap()
    }

    /// What a worker's stage does at its end: the partial, and the decision when the set is full.
    pub(crate) async fn stage_ends(&self, id: VerificationId, stage: Stage) {
        self.stage_finds(id, partial(stage).result).await;
    }

    /// The same with what the stage found.
    pub(crate) async fn stage_finds(&self, id: VerificationId, result: StageResult) {
        self.stage_leaves(id, Partial::of(result)).await;
    }

    /// The same with all that the stage leaves.
    pub(crate) async fn stage_leaves(&self, id: VerificationId, partial: Partial) {
        let case = self.case(id).await;
        if self.join(id, &partial).await {
            let key = self.services.context.store.data_key(&case).await.unwrap();
            let set = self.services.context.partials.get(id).await.unwrap();
            let partials = txid_shared::sealed::open_partials(&key, id, &set).unwrap();
            conclude(&self.services.context, &case, &key, &partials).await.unwrap();
        }
    }

    /// The partial alone: as if the worker died before it decided. True when the set is full.
    pub(crate) async fn partial_is_in(&self, id: VerificationId, stage: Stage) -> bool {
        self.join(id, &partial(stage)).await
    }

    async fn join(&self, id: VerificationId, partial: &Partial) -> bool {
        let (case, stage) = (self.case(id).await, partial.result.stage());
        let context = &self.services.context;
        let key = context.store.data_key(&case).await.unwrap();
        let sealed = seal_partial(&key, id, stage, partial).unwrap();
        context.partials.join(id, stage, sealed, case.stages.len()).await.unwrap().is_some()
    }

    /// Rows of a table.
    pub(crate) async fn count(&self, table: &'static str) -> i64 {
        let statement = format!("SELECT count(*) FROM {table}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).fetch_one(&self.database).await.unwrap()
    }

    /// Pictures that are stored.
    pub(crate) fn blobs(&self) -> usize {
        files(self.folder.path()) - self.shares()
    }

    /// Key shares that are stored.
    pub(crate) fn shares(&self) -> usize {
        files(&self.folder.path().join("keys"))
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(crate) async fn assert_nothing_stored(&self) {
        assert_eq!((self.blobs(), self.shares()), (0, 0), "images of a refused request were stored");
        for table in ["verifications", "outbox", "audit WHERE verification_id IS NOT NULL"] {
            assert_eq!(self.count(table).await, 0, "a refused request left rows in {table}");
        }
    }
}

fn files(folder: &std::path::Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}

/// Settings that put what is counted into the Redis of the tests.
pub(crate) fn in_redis() -> [(&'static str, String); 2] {
    let url = std::env::var("TXID_TEST_REDIS_URL");
    let prefix = format!("t{}:", uuid::Uuid::new_v4().simple());
    [("redis.url", url.unwrap_or_else(|_| "redis://127.0.0.1:6379/0".to_owned())), ("redis.prefix", prefix)]
}

pub(crate) async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default();
    Answer { status, headers, body }
}

async fn account(store: &Store, name: &str) -> AccountId {
    let secret = txid_shared::webhook_secret().unwrap();
    store.create_account(name, &secret, jiff::Timestamp::UNIX_EPOCH).await.unwrap().id
}

async fn key(store: &Store, account: AccountId, permissions: &[Permission]) -> Secret {
    let new = NewKey { name: "test".to_owned(), permissions: permissions.to_vec(), ..NewKey::default() };
    store.create_api_key(account, &new, "test", jiff::Timestamp::UNIX_EPOCH).await.unwrap().secret
}

/// What a stage might find; never a clean pass, which does not matter here.
fn partial(stage: Stage) -> Partial {
    let result = match stage {
        Stage::Ocr => StageResult::Ocr(OcrResult::default()),
        Stage::Fraud => StageResult::Fraud(FraudResult::default()),
        other => {
            StageResult::Unable(Unable { stage: other, class: "test".to_owned(), message: String::new() })
        }
    };
    Partial::of(result)
}

pub(crate) fn jpeg(width: u32, height: u32) -> Vec<u8> {
    encoded(width, height, image::ImageFormat::Jpeg)
}

pub(crate) fn encoded(width: u32, height: u32, format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image::RgbImage::new(width, height).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub(crate) fn base64(bytes: &[u8]) -> Value {
    json!(STANDARD.encode(bytes))
}

/// A national identity card with a selfie.
pub(crate) fn card() -> Value {
    let document = base64(&jpeg(1280, 720));
    json!({
        "document_front": document,
        "document_back": base64(&jpeg(1280, 721)),
        "selfie": base64(&jpeg(640, 640)),
        "country": "MA",
        "document_type": "national_id",
        "metadata": { "user_id": "u-1" },
    })
}

/// A passport with one stage to run.
pub(crate) fn passport() -> Value {
    json!({
        "document_front": base64(&jpeg(1280, 720)),
        "country": "FR",
        "document_type": "passport",
        "checks": ["ocr"],
    })
}
