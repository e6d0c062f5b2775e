//! Where the services are, and a space of one's own in them.

use super::{Client, Node, Role};
use anyhow::Context;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use txid_shared::blobs::crypto::MasterKeys;
use txid_shared::clock::Clock;
use txid_shared::config::{Config, Secret};
use txid_shared::queue::Queue;
use txid_shared::services::Services;
use txid_shared::store::{NewEndpoint, NewKey, Store};
use txid_shared::words::{EventType, Payload, Permission};

/// Settings that give one test its own schema, queues, keys and folder on the shared services.
pub struct Space {
    settings: BTreeMap<String, String>,
    folder: tempfile::TempDir,
    schema: String,
}

fn service(variable: &str, default: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| default.to_owned())
}

/// SQLSTATE
const DEADLOCK: &str = "40P01";

impl Space {
    pub async fn new() -> anyhow::Result<Self> {
        Self::on_broker(&service("TXID_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/%2f")).await
    }

    /// With a broker of its own, for tests that restart it.
    pub async fn on_broker(amqp_url: &str) -> anyhow::Result<Self> {
        let space = Self::bare(amqp_url)?;
        let config = space.config()?;
        Store::migrate(&config.database).await?;
        let queue = Queue::open(&config.broker);
        queue.declare().await?;
        queue.close().await;
        Ok(space)
    }

    /// Without schema and queues, which another build's commands are to make.
    pub fn unprepared() -> anyhow::Result<Self> {
        Self::bare(&service("TXID_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/%2f"))
    }

    fn bare(amqp_url: &str) -> anyhow::Result<Self> {
        let unique = format!("t{:016x}", rand::random::<u64>());
        let folder = tempfile::Builder::new().prefix("txid-test-").tempdir()?;
        let master = MasterKeys::generate_entry("k1")?;
        let settings = [
            (
                "DATABASE__URL",
                service(
                    "TXID_TEST_DATABASE_URL",
                    "postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable",
                ),
            ),
            ("DATABASE__SCHEMA", unique.clone()),
            ("DATABASE__MAX_CONNECTIONS", "6".to_owned()),
            ("BROKER__URL", amqp_url.to_owned()),
            ("BROKER__PREFIX", format!("{unique}.")),
            ("REDIS__URL", service("TXID_TEST_REDIS_URL", "redis://127.0.0.1:6379/0")),
            ("REDIS__PREFIX", format!("{unique}:")),
            ("BLOBS__URL", format!("file://{}", folder.path().join("blobs").display())),
            ("KEYS__MASTER", format!("[\"{master}\"]")),
            ("SERVER__LISTEN", "127.0.0.1:0".to_owned()),
            ("WORKER__LISTEN", "127.0.0.1:0".to_owned()),
            ("WORKER__THREADS", "2".to_owned()),
            ("WORKER__STAGE_DEADLINE_MS", "5000".to_owned()),
            ("WORKER__INFERENCE_LIMIT_MS", "4000".to_owned()),
            ("WORKER__RETRY_DELAY_MS", "50".to_owned()),
            // Faults heal within seconds here, not minutes.
            ("SWEEPER__INTERVAL_MS", "250".to_owned()),
            ("SWEEPER__OVERDUE_AFTER_MS", "6000".to_owned()),
            ("RELAY__POLL_MS", "50".to_owned()),
            ("RELAY__LEASE_MS", "2500".to_owned()),
            ("BROKER__CONFIRM_TIMEOUT_MS", "2000".to_owned()),
            ("WEBHOOKS__ALLOW_NETWORKS", "[\"127.0.0.0/8\"]".to_owned()),
            ("WEBHOOKS__POLL_MS", "50".to_owned()),
            ("TELEMETRY__FILTER", "info,sqlx=warn,lapin=off".to_owned()),
        ];
        let mut space = Self {
            settings: settings.into_iter().map(|(key, value)| (format!("TXID__{key}"), value)).collect(),
            folder,
            schema: unique,
        };
        space.settings.insert("TXID_CACHE".to_owned(), cache().display().to_string());
        Ok(space)
    }

    /// Changes one setting for nodes started from now on, such as `worker.stages`.
    pub fn set(&mut self, key: &str, value: &str) {
        self.settings.insert(format!("TXID__{}", key.to_uppercase().replace('.', "__")), value.to_owned());
    }

    pub fn config(&self) -> anyhow::Result<Config> {
        Ok(Config::load(None, self.settings.clone())?)
    }

    pub async fn services(&self) -> anyhow::Result<Services> {
        Ok(Services::open(&self.config()?, Clock::System).await?)
    }

    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.settings
    }

    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub fn schema(&self) -> &str {
        &self.schema
    }

    pub fn node(&self, role: Role) -> anyhow::Result<Node> {
        Node::start(role, &self.settings, self.folder.path(), &[])
    }

    /// With further environment, such as `TXID_CRASH_AT`.
    pub fn node_with(&self, role: Role, extra: &[(&str, &str)]) -> anyhow::Result<Node> {
        Node::start(role, &self.settings, self.folder.path(), extra)
    }

    /// A new account with a key of all permissions and, if asked, one webhook endpoint for all events.
    /// Answers with the key and the endpoint's secret.
    pub async fn account(&self, webhook_url: Option<&str>) -> anyhow::Result<(Secret, Secret)> {
        self.account_with(webhook_url, Permission::ALL).await
    }

    pub async fn account_with(
        &self,
        webhook_url: Option<&str>,
        permissions: &[Permission],
    ) -> anyhow::Result<(Secret, Secret)> {
        let services = self.services().await?;
        let (store, now) = (&services.context.store, services.context.clock.now());
        let secret = txid_shared::webhook_secret()?;
        let name = format!("account-{:016x}", rand::random::<u64>());
        let account = store.create_account(&name, &secret, now).await?;
        if let Some(url) = webhook_url {
            let endpoint = NewEndpoint {
                url: url.to_owned(),
                events: EventType::ALL.to_vec(),
                payload: Payload::Full,
                description: None,
            };
            let making = store.making(account.id, None).await?;
            let mut making = making.context("nothing was claimed")?;
            making.create_endpoint(&endpoint, &secret, ("test", now)).await?;
            making.commit(201, b"").await?;
        }
        let new = NewKey { name: "test".to_owned(), permissions: permissions.to_vec(), ..NewKey::default() };
        let key = store.create_api_key(account.id, &new, "test", now).await?;
        store.close().await;
        Ok((key.secret, secret))
    }

    pub fn client(&self, scheduler: &Node, key: &Secret) -> anyhow::Result<Client> {
        Client::new(scheduler.address().context("the scheduler has no address")?, key)
    }

    /// A connection that sees this space's tables.
    pub async fn database(&self) -> anyhow::Result<sqlx::PgPool> {
        use std::str::FromStr;
        let config = self.config()?;
        let options = sqlx::postgres::PgConnectOptions::from_str(config.database.url.reveal())?
            .options([("search_path", self.schema.as_str())]);
        Ok(sqlx::postgres::PgPoolOptions::new().max_connections(2).connect_with(options).await?)
    }

    /// Removes what would outlive the test on the shared services.
    pub async fn remove(self) -> anyhow::Result<()> {
        let pool = self.database().await?;
        let statement = format!("DROP SCHEMA \"{}\" CASCADE", self.schema);
        // Processes of the test may still be writing: a statement over two tables and this one can wait for
        // each other, and Postgres then ends one of them.
        loop {
            match sqlx::raw_sql(sqlx::AssertSqlSafe(statement.clone())).execute(&pool).await {
                Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(DEADLOCK) => {}
                removed => break removed.map(drop)?,
            }
        }
        pool.close().await;
        let config = self.config()?;
        let connection = lapin::Connection::connect(config.broker.url.reveal(), Default::default()).await?;
        let channel = connection.create_channel().await?;
        for source in txid_shared::queue::Source::all() {
            let name = format!("{}{}", config.broker.prefix, source.name());
            channel.queue_delete(name.into(), Default::default()).await?;
        }
        let exchange = format!("{}verify.dead", config.broker.prefix);
        channel.exchange_delete(exchange.into(), Default::default()).await?;
        connection.close(200, "done".into()).await?;
        Ok(())
    }
}

/// The model cache is shared by all tests.
fn cache() -> PathBuf {
    txid_worker::inference::manifest::default_cache_folder()
}

/// A RabbitMQ node of one test's own, which it may stop and start.
pub struct PrivateBroker {
    folder: tempfile::TempDir,
    pub url: String,
}

impl PrivateBroker {
    pub fn start() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("txid-rmq-").tempdir_in("/tmp")?;
        let url = Self::script("start", folder.path())?;
        Ok(Self { folder, url })
    }

    /// Stops and starts it on the same data and port.
    pub fn restart(&self) -> anyhow::Result<()> {
        Self::script("stop", self.folder.path())?;
        let url = Self::script("start", self.folder.path())?;
        anyhow::ensure!(url == self.url, "the broker came back at {url}, not {}", self.url);
        Ok(())
    }

    fn script(verb: &str, folder: &std::path::Path) -> anyhow::Result<String> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/services/private_rabbitmq.sh");
        let output =
            Command::new("bash").arg(script).arg(verb).arg(folder).stderr(Stdio::inherit()).output()?;
        anyhow::ensure!(output.status.success(), "private_rabbitmq.sh {verb} failed");
        Ok(String::from_utf8(output.stdout)?.lines().last().unwrap_or_default().trim().to_owned())
    }
}

impl Drop for PrivateBroker {
    fn drop(&mut self) {
        let _ = Self::script("stop", self.folder.path());
    }
}
