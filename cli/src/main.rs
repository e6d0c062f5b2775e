//! The `txid` command.

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use txid::{accounts, admin, batch, dlq, doctor, keys, models, oneshot, up, verify};

/// Open identity verification: standalone, one-shot checks and administration.
#[derive(Parser)]
#[command(name = "txid", version)]
struct Arguments {
    /// Configuration file (TOML); TXID__SECTION__KEY overrides it.
    #[arg(long, global = true, env = "TXID_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything in one process: API, all stages, webhooks, a private Postgres.
    Up(up::Options),
    /// Verify one person's document and selfie, print the verdict.
    Verify(verify::Options),
    /// Read documents: one result per image.
    Extract(oneshot::Options),
    /// Compare faces: two images per input.
    FaceMatch(oneshot::Options),
    /// Judge whether selfies show a live person.
    Liveness {
        #[command(flatten)]
        options: oneshot::Options,
        #[command(flatten)]
        series: oneshot::Series,
    },
    /// Look for tampering, screens and copies.
    Fraud(oneshot::Options),
    /// Verify many: submit, watch and steer batches.
    #[command(subcommand)]
    Batch(batch::BatchCommand),
    /// Fetch or check the models.
    #[command(subcommand)]
    Models(models::ModelsCommand),
    /// Bring the database schema to this version.
    Migrate,
    /// Create queues and exchanges on the broker.
    Declare,
    /// The settings as a process would start with them.
    #[command(subcommand)]
    Config(admin::ConfigCommand),
    /// API keys and master keys.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Accounts and their plans.
    #[command(subcommand)]
    Accounts(accounts::AccountsCommand),
    /// Look at everything that the configuration names and say what to do. Exit status: 0 all is well, 1 warnings,
    /// 2 problems.
    Doctor(doctor::Options),
    /// Jobs that the broker gave up on.
    #[command(subcommand)]
    Dlq(dlq::DlqCommand),
    /// The audit trail.
    #[command(subcommand)]
    Audit(admin::AuditCommand),
    /// Print the OpenAPI 3.1 document.
    Openapi,
    /// Print the metrics with their names and units, as OPERATIONS.md lists them.
    Signals,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { config, command } = Arguments::parse();
    if let Err(error) = txid_shared::processor::check() {
        eprintln!("txid: {error}");
        return ExitCode::FAILURE;
    }
    let ended = match command {
        Command::Up(options) => up::run(config, options).await,
        Command::Verify(options) => verify::run(config, options).await,
        Command::Extract(options) => {
            oneshot::run(config, oneshot::Kind::Extract, options, oneshot::Series::default()).await
        }
        Command::FaceMatch(options) => {
            oneshot::run(config, oneshot::Kind::FaceMatch, options, oneshot::Series::default()).await
        }
        Command::Liveness { options, series } => {
            oneshot::run(config, oneshot::Kind::Liveness, options, series).await
        }
        Command::Fraud(options) => {
            oneshot::run(config, oneshot::Kind::Fraud, options, oneshot::Series::default()).await
        }
        Command::Batch(command) => batch::run(config, command).await,
        Command::Models(command) => {
            admin::load(config).and_then(|config| models::run(&command, &config.models))
        }
        Command::Migrate => admin::migrate(config).await,
        Command::Declare => admin::declare(config).await,
        Command::Config(command) => admin::config(config, &command),
        Command::Keys(command) => keys::run(config, command).await,
        Command::Accounts(command) => accounts::run(config, command).await,
        Command::Doctor(options) => doctor::run(config, options).await,
        Command::Dlq(command) => dlq::run(config, command).await,
        Command::Audit(command) => admin::audit(config, command).await,
        Command::Openapi => admin::openapi(),
        Command::Signals => admin::signals(),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("txid: {}", told(&error));
        ExitCode::FAILURE
    })
}

/// The error with its causes, without those that it already names.
fn told(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |said, cause| match said.as_str() {
        "" => cause,
        _ if said.contains(&cause) => said,
        _ => format!("{said}: {cause}"),
    })
}
