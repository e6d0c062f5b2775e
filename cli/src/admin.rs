//! What an operator does by hand: schema, queues, the audit trail.

use clap::Subcommand;
use jiff::Timestamp;
use std::path::PathBuf;
use std::process::ExitCode;
use txid_shared::config::{Config, Secret};
use txid_shared::queue::Queue;
use txid_shared::services::Services;
use txid_shared::store::{Account, Chain, NewKey, Store};
use txid_shared::words::Permission;

/// Who did it, in the audit trail, where a command did.
pub(crate) const OPERATOR: &str = "operator";

#[derive(Subcommand)]
pub enum AuditCommand {
    /// Walk the chain of audit entries; exit status 1 where one was changed, removed or put in between.
    Verify,
}

#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Load file and environment as every process does, and print the outcome with secrets redacted.
    Check,
}

pub fn config(file: Option<PathBuf>, command: &ConfigCommand) -> anyhow::Result<ExitCode> {
    let ConfigCommand::Check = command;
    let config = load(file)?;
    print!("{}", toml::to_string(&config)?);
    if config.keys.master.is_empty() {
        eprintln!(
            "txid: keys.master is empty: `txid up` makes its own; schedulers and workers refuse to start"
        );
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

pub fn signals() -> anyhow::Result<ExitCode> {
    print!("{}", txid_shared::telemetry::signals::table());
    Ok(ExitCode::SUCCESS)
}

pub async fn audit(config: Option<PathBuf>, command: AuditCommand) -> anyhow::Result<ExitCode> {
    let AuditCommand::Verify = command;
    match open_store(config).await?.verify_audit().await? {
        Chain::Whole { linked, unlinked } => {
            println!("{linked} entries are linked and whole; {unlinked} newer ones are not linked yet");
            Ok(ExitCode::SUCCESS)
        }
        Chain::Broken { link, why } => {
            println!("broken at link {link}: {why}");
            Ok(ExitCode::FAILURE)
        }
    }
}

pub(crate) async fn open_store(config: Option<PathBuf>) -> anyhow::Result<Store> {
    store_of(&load(config)?).await
}

pub(crate) async fn store_of(config: &Config) -> anyhow::Result<Store> {
    Ok(Store::connect(&config.database, config.keys.parse()?).await?)
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
    // Under other keys than the fleet's nobody would open it.
    store.check_account_keys().await?;
    let secret = txid_shared::webhook_secret()?;
    let account = store.create_account(name, &secret, now).await?;
    Ok((account, Some(secret)))
}

/// A key with every permission, for the standalone's own use.
pub(crate) async fn full_key(services: &Services, account: &str) -> anyhow::Result<(Secret, Option<Secret>)> {
    let now = services.context.clock.now();
    let store = &services.context.store;
    let (account, webhook_secret) = account_named(store, account, now).await?;
    let new =
        NewKey { name: "standalone".to_owned(), permissions: Permission::ALL.to_vec(), ..NewKey::default() };
    let key = store.create_api_key(account.id, &new, OPERATOR, now).await?;
    Ok((key.secret, webhook_secret))
}
