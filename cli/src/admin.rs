//! What an operator does by hand: schema, queues, keys.

use anyhow::Context as _;
use clap::Subcommand;
use jiff::{SignedDuration, Timestamp};
use std::path::PathBuf;
use std::process::ExitCode;
use txid_shared::blobs::crypto::MasterKeys;
use txid_shared::clock::Clock;
use txid_shared::config::{Config, Secret};
use txid_shared::ids::KeyId;
use txid_shared::queue::Queue;
use txid_shared::services::Services;
use txid_shared::store::{Account, ApiKey, Store};
use txid_shared::words::Permission;

#[derive(Subcommand)]
pub enum KeysCommand {
    /// Create an API key; it is printed once. The account is created where it does not exist.
    Create {
        #[arg(long, default_value = "default")]
        account: String,
        #[arg(long, default_value = "key")]
        name: String,
        /// Comma-separated.
        #[arg(
            long,
            value_delimiter = ',',
            default_value = "identity:read,identity:write,developers:read,developers:write"
        )]
        permissions: Vec<Permission>,
        #[arg(long)]
        expires_in_days: Option<i64>,
    },
    /// Revoke an API key by its id.
    Revoke { id: KeyId },
    /// Print a fresh entry for `keys.master`.
    Master {
        #[arg(long, default_value = "k1")]
        id: String,
    },
}

#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Load file and environment as every process does, and print the outcome with secrets redacted.
    Check,
}

pub fn config(file: Option<PathBuf>, command: &ConfigCommand) -> anyhow::Result<ExitCode> {
    match command {
        ConfigCommand::Check => print!("{}", toml::to_string(&load(file)?)?),
    }
    Ok(ExitCode::SUCCESS)
}

/// The configuration, with every complaint about it.
pub fn load(config: Option<PathBuf>) -> anyhow::Result<Config> {
    Ok(Config::load(config.as_deref(), std::env::vars())?)
}

pub async fn migrate(config: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let config = load(config)?;
    Store::migrate(&config.database).await?;
    eprintln!("schema `{}` is up to date", config.database.schema);
    Ok(ExitCode::SUCCESS)
}

pub async fn declare(config: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let config = load(config)?;
    let queue = Queue::open(&config.broker);
    queue.declare().await?;
    queue.close().await;
    eprintln!("queues `{}verify.*` are declared", config.broker.prefix);
    Ok(ExitCode::SUCCESS)
}

pub fn openapi() -> anyhow::Result<ExitCode> {
    println!("{}", serde_json::to_string_pretty(&txid_scheduler::openapi())?);
    Ok(ExitCode::SUCCESS)
}

pub async fn keys(config: Option<PathBuf>, command: KeysCommand) -> anyhow::Result<ExitCode> {
    match command {
        KeysCommand::Master { id } => println!("{}", MasterKeys::generate_entry(&id)?),
        KeysCommand::Create { account, name, permissions, expires_in_days } => {
            let store = open_store(config).await?;
            let now = Clock::System.now();
            let expires_at = expires_in_days
                .map(|days| now.checked_add(SignedDuration::from_hours(days.saturating_mul(24))))
                .transpose()
                .context("--expires-in-days is too far away")?;
            let (created, webhook_secret) = account_named(&store, &account, now).await?;
            let ApiKey { id, secret } =
                store.create_api_key(created.id, &name, &permissions, expires_at, now).await?;
            println!("{}", secret.reveal());
            eprintln!("{id} for account {} ({account}): shown this once", created.id);
            if let Some(secret) = webhook_secret {
                eprintln!(
                    "new account: deliveries to a request's webhook_url are signed with {}",
                    secret.reveal()
                );
            }
        }
        KeysCommand::Revoke { id } => {
            let revoked = open_store(config).await?.revoke_api_key(id, Clock::System.now()).await?;
            anyhow::ensure!(revoked, "{id} does not exist or was revoked before");
            eprintln!("{id} is revoked");
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn open_store(config: Option<PathBuf>) -> anyhow::Result<Store> {
    let config = load(config)?;
    let master = MasterKeys::parse(config.keys.master.iter().map(Secret::reveal))?;
    Ok(Store::connect(&config.database, master).await?)
}

/// The account, created with a webhook secret of its own where it does not exist.
pub(crate) async fn account_named(
    store: &Store,
    name: &str,
    now: Timestamp,
) -> anyhow::Result<(Account, Option<Secret>)> {
    if let Some(account) = store.account_by_name(name).await? {
        return Ok((account, None));
    }
    let secret = txid_shared::webhook_secret()?;
    let account = store.create_account(name, &secret, now).await?;
    Ok((account, Some(secret)))
}

/// A key with every permission, for the standalone's own use.
pub(crate) async fn full_key(services: &Services, account: &str) -> anyhow::Result<(Secret, Option<Secret>)> {
    let now = services.context.clock.now();
    let store = &services.context.store;
    let (account, webhook_secret) = account_named(store, account, now).await?;
    let key = store.create_api_key(account.id, "standalone", Permission::ALL, None, now).await?;
    Ok((key.secret, webhook_secret))
}
