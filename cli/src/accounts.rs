//! Accounts and what they have agreed on.

use crate::admin::{OPERATOR, account_named, open_store};
use clap::Subcommand;
use std::path::PathBuf;
use std::process::ExitCode;
use txid_shared::clock::Clock;
use txid_shared::store::{BATCH_WEIGHTS, Retention};
use txid_shared::words::{KeyMode, Plan};

#[derive(Subcommand)]
pub enum AccountsCommand {
    /// List all accounts with their plans and weights in the batch lane.
    List,
    /// Create an account.
    Create {
        name: String,
        /// free, starter, growth, or enterprise, which has no limits.
        #[arg(long, default_value = "enterprise")]
        plan: Plan,
    },
    /// Change an account's plan; it counts from the next call on.
    SetPlan { name: String, plan: Plan },
    /// Change an account's share of the batch lane: one of weight 2 gets twice as much as one of weight 1 (the default),
    /// while both have batches under way.
    SetBatchWeight {
        name: String,
        #[arg(value_parser = clap::value_parser!(i32).range(BATCH_WEIGHTS))]
        weight: i32,
    },
    /// Change how long what an account sends is kept, in place of `[retention]`; it counts from the next
    /// verification on. What is not named is as in the configuration.
    SetRetention {
        name: String,
        /// Pictures and evidence, in days.
        #[arg(long)]
        images_days: Option<u32>,
        /// Everything about a verification, in days.
        #[arg(long)]
        data_days: Option<u32>,
    },
}

pub async fn run(config: Option<PathBuf>, command: AccountsCommand) -> anyhow::Result<ExitCode> {
    let (store, now) = (open_store(config).await?, Clock::System.now());
    match command {
        AccountsCommand::List => {
            for account in store.accounts().await? {
                let test = if account.mode == KeyMode::Test { "  test data" } else { "" };
                let created_at = account.created_at;
                println!(
                    "{}  {:<10}  weight {:<4}  {created_at:.0}  {}{test}",
                    account.id,
                    account.plan.as_str(),
                    account.batch_weight,
                    account.name
                );
            }
        }
        AccountsCommand::Create { name, plan } => {
            let (account, secret) = account_named(&store, &name, now).await?;
            let Some(secret) = secret else { anyhow::bail!("`{name}` exists already") };
            store.set_plan(&name, plan, OPERATOR, now).await?;
            println!("{}", account.id);
            eprintln!("deliveries to a request's webhook_url are signed with {}", secret.reveal());
        }
        AccountsCommand::SetPlan { name, plan } => {
            anyhow::ensure!(
                store.set_plan(&name, plan, OPERATOR, now).await?,
                "there is no account `{name}`"
            );
            eprintln!("{name} is on the plan {plan}");
        }
        AccountsCommand::SetBatchWeight { name, weight } => {
            anyhow::ensure!(
                store.set_batch_weight(&name, weight, OPERATOR, now).await?,
                "there is no account `{name}`"
            );
            eprintln!("{name} has the weight {weight} in the batch lane");
        }
        AccountsCommand::SetRetention { name, images_days, data_days } => {
            let seconds = |days: Option<u32>| days.map(|days| i64::from(days) * 86_400);
            let retention = Retention { images_s: seconds(images_days), data_s: seconds(data_days) };
            anyhow::ensure!(
                store.set_retention(&name, retention, OPERATOR, now).await?,
                "there is no account `{name}`"
            );
            let shown =
                |days: Option<u32>| days.map_or("as configured".to_owned(), |days| format!("{days} days"));
            eprintln!("{name} keeps pictures {}, the rest {}", shown(images_days), shown(data_days));
        }
    }
    Ok(ExitCode::SUCCESS)
}
