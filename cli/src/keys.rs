//! API keys and master keys.

use crate::admin::{OPERATOR, account_named, open_store};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use std::path::PathBuf;
use std::process::ExitCode;
use txid_shared::blobs::crypto::MasterKeys;
use txid_shared::clock::Clock;
use txid_shared::ids::KeyId;
use txid_shared::network::Network;
use txid_shared::store::{KeyRow, NewKey, Page, Rotation, Store};
use txid_shared::words::Permission;

/// Rows asked for at a time.
const PAGE: i64 = 100;

#[derive(Subcommand)]
pub enum KeysCommand {
    /// List the API keys of an account, test keys among them, newest first.
    List {
        #[arg(long, default_value = "default")]
        account: String,
    },
    /// Create an API key; it is printed once. The account is created where it does not exist.
    Create(Create),
    /// Revoke an API key by its id.
    Revoke { id: KeyId },
    /// Replace an API key by a new one, printed once; the one before works until the grace is over.
    Rotate {
        id: KeyId,
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(i64).range(0..=720))]
        grace_hours: i64,
    },
    /// Print a fresh entry for `keys.master`.
    Master {
        #[arg(long, default_value = "k1")]
        id: String,
    },
    /// Wrap the keys of all accounts under the first of `keys.master`, beside a running fleet. Safe to repeat, and
    /// goes on where it was interrupted. Exit status 1 where an account's key could not be opened.
    Rewrap {
        /// Accounts in one transaction.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        at_once: i64,
    },
}

#[derive(Args)]
pub struct Create {
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
    /// Addresses and networks that it may be used from, comma-separated; absent: from everywhere.
    #[arg(long, value_delimiter = ',', value_parser = Network::of_address_or_network)]
    allow_ips: Vec<Network>,
    /// Calls per minute, besides the account's plan.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate_limit: Option<u32>,
    /// A `txc_test_…` key, which opens data apart from the account's own.
    #[arg(long)]
    test: bool,
}

pub async fn run(config: Option<PathBuf>, command: KeysCommand) -> anyhow::Result<ExitCode> {
    let now = Clock::System.now();
    match command {
        KeysCommand::Master { id } => println!("{}", MasterKeys::generate_entry(&id)?),
        KeysCommand::Rewrap { at_once } => return rewrap(&open_store(config).await?, at_once, now).await,
        KeysCommand::List { account } => list(&open_store(config).await?, &account, now).await?,
        KeysCommand::Create(options) => create(&open_store(config).await?, options, now).await?,
        KeysCommand::Revoke { id } => {
            let revoked = open_store(config).await?.revoke_api_key(id, OPERATOR, now).await?;
            anyhow::ensure!(revoked, "{id} does not exist or was revoked before");
            eprintln!("{id} is revoked");
        }
        KeysCommand::Rotate { id, grace_hours } => {
            let grace = SignedDuration::from_hours(grace_hours);
            match open_store(config).await?.rotate_api_key(id, grace, OPERATOR, now).await? {
                Rotation::Made(key) => {
                    println!("{}", key.secret.reveal());
                    eprintln!(
                        "{} replaces {id}, which works for {grace_hours} hours: shown this once",
                        key.id
                    );
                }
                Rotation::NoSuchKey => anyhow::bail!("{id} does not exist"),
                Rotation::NotActive => anyhow::bail!("{id} is revoked, expired or replaced"),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn rewrap(store: &Store, at_once: i64, now: Timestamp) -> anyhow::Result<ExitCode> {
    let (mut done, mut unreadable) = (0, 0);
    let mut after = None;
    loop {
        let step = store.rewrap_account_keys(after, at_once, OPERATOR, now).await?;
        done += step.done;
        unreadable += step.unreadable;
        txid_shared::crash::point("keys.rewrapped_some");
        match step.last {
            Some(last) => after = Some(last),
            None => break,
        }
    }
    let report = store.inspect_account_keys().await?;
    println!(
        "{done} account keys are wrapped anew; {} of all are under the first master key",
        report.current
    );
    if unreadable > 0 {
        eprintln!("{unreadable} could not be opened: their master key is not in keys.master");
        return Ok(ExitCode::FAILURE);
    }
    if report.older.is_empty() {
        eprintln!("no account key needs another master key than the first one");
    } else {
        eprintln!(
            "others came meanwhile under an older one: run it again once every process has the first one"
        );
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(store: &Store, options: Create, now: Timestamp) -> anyhow::Result<()> {
    let Create { account, name, permissions, expires_in_days, allow_ips, rate_limit, test } = options;
    let expires_at = expires_in_days
        .map(|days| now.checked_add(SignedDuration::from_hours(days.saturating_mul(24))))
        .transpose()
        .context("--expires-in-days is too far away")?;
    let (created, webhook_secret) = account_named(store, &account, now).await?;
    let id = if test { store.test_account(created.id, now).await? } else { created.id };
    let new = NewKey { name, permissions, expires_at, allowed_ips: allow_ips, rate_limit };
    let key = store.create_api_key(id, &new, OPERATOR, now).await?;
    println!("{}", key.secret.reveal());
    eprintln!("{} for account {id} ({account}): shown this once", key.id);
    if let Some(secret) = webhook_secret {
        eprintln!("new account: deliveries to a request's webhook_url are signed with {}", secret.reveal());
    }
    Ok(())
}

async fn list(store: &Store, account: &str, now: Timestamp) -> anyhow::Result<()> {
    let found = store.account_by_name(account).await?;
    let account = found.with_context(|| format!("there is no account `{account}`"))?;
    let mut page = Page::Newest;
    loop {
        let keys = store.api_keys(account.id, page, PAGE).await?;
        for key in &keys {
            println!("{}", line(key, now));
        }
        match keys.last() {
            Some(last) if keys.len() == PAGE as usize => page = Page::StartingAfter(last.id),
            _ => return Ok(()),
        }
    }
}

fn line(key: &KeyRow, now: Timestamp) -> String {
    let terms = &key.terms;
    let permissions: Vec<&str> = terms.permissions.iter().map(|permission| permission.as_str()).collect();
    let state = match (key.revoked_at, terms.expires_at) {
        (Some(at), _) => format!("revoked {at:.0}"),
        (None, Some(at)) if at <= now => format!("expired {at:.0}"),
        (None, Some(at)) => format!("until {at:.0}"),
        (None, None) => "active".to_owned(),
    };
    let used = key.last_used_at.map_or("never used".to_owned(), |at| format!("used {at:.0}"));
    let mut line =
        format!("{}  {}…  {}  {state}  {used}  {}", key.id, key.hint, key.mode, permissions.join(","));
    if !terms.allowed_ips.is_empty() {
        let networks: Vec<String> = terms.allowed_ips.iter().map(Network::to_string).collect();
        line = format!("{line}  from {}", networks.join(","));
    }
    if let Some(calls) = terms.rate_limit {
        line = format!("{line}  {calls}/min");
    }
    format!("{line}  {}", terms.name)
}
