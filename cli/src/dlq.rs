//! `txid dlq`: what the broker gave up on. Schedulers take letters off the broker's queue as they come and settle them,
//! so an operator looks at the rows that they leave, and at how many letters nobody has taken yet.

use crate::admin::{OPERATOR, load, store_of};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use txid_shared::clock::Clock;
use txid_shared::config::Config;
use txid_shared::ids::VerificationId;
use txid_shared::partials::Partials;
use txid_shared::queue::{Depth, Queue, Source};
use txid_shared::store::{DeadLetterCount, DeadLetterRow, LetterFilter, Store, stage_and_lane};
use txid_shared::words::{Lane, Stage, Status};

/// Letters redriven in one transaction.
const AT_ONCE: i64 = 100;
/// The broker may be what is broken: its part of a list is not waited for longer.
const BROKER_PATIENCE: Duration = Duration::from_secs(3);
/// Some of what was chosen could not be redriven.
const SOME_LEFT: u8 = 3;

#[derive(Subcommand)]
pub enum DlqCommand {
    /// Counts by stage, lane and reason, then the letters, newest first.
    List {
        #[command(flatten)]
        chosen: Chosen,
        /// How many letters are listed; the counts are of all.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(0..=10_000))]
        limit: i64,
        #[arg(long)]
        json: bool,
    },
    /// One letter with what is known about it; no personal data.
    Show {
        id: i64,
        #[arg(long)]
        json: bool,
    },
    /// Enqueue the stages of letters again, through the outbox. Exit status: 0 all of them, 3 some were left since
    /// their verification is decided, cancelled or erased, or since they are no job.
    Redrive {
        #[command(flatten)]
        chosen: Chosen,
        /// Every letter.
        #[arg(long)]
        all: bool,
        #[arg(long)]
        json: bool,
    },
    /// Forget letters. Their verifications stay as they are.
    Drop {
        #[command(flatten)]
        chosen: Chosen,
        /// Every letter.
        #[arg(long)]
        all: bool,
        /// Without it nothing is dropped.
        #[arg(long)]
        yes: bool,
        #[arg(long)]
        json: bool,
    },
}

/// Letters that fit all of what is given.
#[derive(Args)]
pub struct Chosen {
    /// Numbers of letters, as `list` shows them.
    ids: Vec<i64>,
    #[arg(long)]
    stage: Option<Stage>,
    #[arg(long)]
    lane: Option<Lane>,
    /// `rejected`: no job that this version can read; `unknown`: the broker did not say why.
    #[arg(long, value_parser = ["delivery_limit", "rejected", "expired", "maxlen", "unknown"])]
    reason: Option<String>,
    #[arg(long)]
    verification: Option<VerificationId>,
}

impl Chosen {
    fn filter(self) -> LetterFilter {
        let Self { ids, stage, lane, reason, verification } = self;
        LetterFilter { ids, stage, lane, reason, verification_id: verification }
    }

    /// For what changes something: all letters only where `--all` says so.
    fn named(self, all: bool) -> anyhow::Result<LetterFilter> {
        let none = self.ids.is_empty()
            && self.stage.is_none()
            && self.lane.is_none()
            && self.reason.is_none()
            && self.verification.is_none();
        anyhow::ensure!(none == all, "name letters by number or filter, or all of them by --all");
        Ok(self.filter())
    }
}

pub async fn run(config: Option<PathBuf>, command: DlqCommand) -> anyhow::Result<ExitCode> {
    let config = load(config)?;
    let store = store_of(&config).await?;
    let now = Clock::System.now();
    match command {
        DlqCommand::List { chosen, limit, json } => {
            list(&store, &config, &chosen.filter(), limit, json, now).await?;
        }
        DlqCommand::Show { id, json } => show(&store, id, json, now).await?,
        DlqCommand::Redrive { chosen, all, json } => {
            return redrive(&store, &config, &chosen.named(all)?, json, now).await;
        }
        DlqCommand::Drop { chosen, all, yes, json } => {
            let filter = chosen.named(all)?;
            let letters: i64 =
                store.count_dead_letters(&filter).await?.iter().map(|count| count.letters).sum();
            anyhow::ensure!(yes, "{letters} letters would be forgotten: say --yes, nothing was dropped");
            let dropped = store.drop_dead_letters(&filter).await?;
            if json {
                println!("{}", json!({ "dropped": dropped }));
            } else {
                println!("{dropped} letters are forgotten");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(
    store: &Store,
    config: &Config,
    filter: &LetterFilter,
    limit: i64,
    as_json: bool,
    now: Timestamp,
) -> anyhow::Result<()> {
    let counts = store.count_dead_letters(filter).await?;
    let letters = store.dead_letters(filter, i64::MAX, limit).await?;
    let waiting = waiting(config).await;
    if as_json {
        let counts: Vec<Value> = counts.iter().map(|count| count_as_json(count, now)).collect();
        let letters: Vec<Value> = letters.iter().map(|letter| as_json_object(letter, now)).collect();
        let untaken = waiting.ok().flatten().map(|depth| depth.messages);
        println!("{}", json!({ "counts": counts, "letters": letters, "untaken": untaken }));
        return Ok(());
    }
    let untaken = waiting.as_ref().ok().and_then(Option::as_ref).map_or(0, |depth| depth.messages);
    match waiting {
        Ok(Some(Depth { messages: 0, .. })) => {}
        Ok(Some(depth)) => println!(
            "{} more stand in the broker's queue, which {} schedulers take from",
            depth.messages, depth.consumers
        ),
        Ok(None) => println!("the broker has no queue for dead letters: run `txid declare`"),
        Err(error) => println!("the broker does not say how many more there are: {error}"),
    }
    for count in &counts {
        let DeadLetterCount { reason, letters, pending, oldest, .. } = count;
        let place = place(&count.queue);
        println!("{letters:>6}  {place}  {reason}  {pending} pending  oldest {}", age(*oldest, now));
    }
    if counts.is_empty() {
        println!("no dead letters{}", if untaken > 0 { " but these" } else { "" });
    }
    for letter in &letters {
        println!("{}", line(letter, now));
    }
    Ok(())
}

async fn waiting(config: &Config) -> anyhow::Result<Option<Depth>> {
    let queue = Queue::open(&config.broker);
    let depth = tokio::time::timeout(BROKER_PATIENCE, queue.depth(Source::DeadLetters)).await;
    queue.close().await;
    Ok(depth.context("it does not answer")??)
}

async fn show(store: &Store, id: i64, as_json: bool, now: Timestamp) -> anyhow::Result<()> {
    let filter = LetterFilter { ids: vec![id], ..LetterFilter::default() };
    let letters = store.dead_letters(&filter, i64::MAX, 1).await?;
    let letter = letters.first().with_context(|| format!("there is no dead letter {id}"))?;
    let shown = as_json_object(letter, now);
    if as_json {
        println!("{shown}");
        return Ok(());
    }
    for (name, value) in shown.as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        println!("{name:<16} {text}");
    }
    println!("\n{}", advice(letter));
    Ok(())
}

/// What became of the letters that were to be redriven.
#[derive(Default)]
struct Redriven {
    enqueued: usize,
    /// Their verification is decided, cancelled or erased: nothing is open that could be run.
    settled: usize,
    /// No job of ours.
    foreign: usize,
}

async fn redrive(
    store: &Store,
    config: &Config,
    filter: &LetterFilter,
    as_json: bool,
    now: Timestamp,
) -> anyhow::Result<ExitCode> {
    let partials = Partials::open(&config.redis).await?;
    let (mut sum, mut before) = (Redriven::default(), i64::MAX);
    loop {
        let letters = store.dead_letters(filter, before, AT_ONCE).await?;
        let Some(last) = letters.last() else { break };
        before = last.id;
        for letter in letters.iter().filter(|letter| letter.status == Some(Status::Pending)) {
            // What the burial put there would decide before the stage has run. Whoever dies behind this leaves a
            // missing partial, which the sweeper has run as well.
            if let (Some(id), Some((stage, _))) = (letter.verification_id, stage_and_lane(&letter.queue)) {
                partials.forget(id, stage).await?;
            }
        }
        let ids: Vec<i64> = letters.iter().map(|letter| letter.id).collect();
        let enqueued = store.redrive(&ids, OPERATOR, now).await?.len();
        let foreign = letters.iter().filter(|letter| letter.verification_id.is_none()).count();
        sum.enqueued += enqueued;
        sum.foreign += foreign;
        sum.settled += letters.len() - enqueued - foreign;
    }
    let Redriven { enqueued, settled, foreign } = sum;
    if as_json {
        println!("{}", json!({ "enqueued": enqueued, "settled": settled, "foreign": foreign }));
    } else {
        println!("{enqueued} letters: their stages are enqueued again");
        if settled > 0 {
            println!(
                "{settled} left: nothing of their verifications is open. A verdict stands and was told; \
                 whoever submitted it makes a new one by POST /v1/identity/verifications/{{id}}/retry"
            );
        }
        if foreign > 0 {
            println!("{foreign} left: no jobs of ours");
        }
    }
    let missing = filter.ids.len().saturating_sub(enqueued + settled + foreign);
    anyhow::ensure!(missing == 0, "{missing} of these letters do not exist, or do not fit the filter");
    Ok(if settled + foreign > 0 { ExitCode::from(SOME_LEFT) } else { ExitCode::SUCCESS })
}

fn place(queue: &str) -> String {
    match stage_and_lane(queue) {
        Some((stage, lane)) => format!("{stage} {lane}"),
        None => queue.to_owned(),
    }
}

fn line(letter: &DeadLetterRow, now: Timestamp) -> String {
    let DeadLetterRow { id, reason, attempts, .. } = letter;
    let verification = letter.verification_id.map_or("no job".to_owned(), |id| id.to_string());
    let mut line = format!(
        "{id}  {}  {reason}  {} ago  {attempts} attempts  {verification}  {}",
        place(&letter.queue),
        age(letter.at, now),
        state(letter)
    );
    if let Some(at) = letter.redriven_at {
        line = format!("{line}  redriven {} ago", age(at, now));
    }
    line
}

fn state(letter: &DeadLetterRow) -> &'static str {
    match (letter.erased, letter.status) {
        (true, _) => "erased",
        (false, Some(status)) => status.as_str(),
        (false, None) => "unknown",
    }
}

fn advice(letter: &DeadLetterRow) -> &'static str {
    match (letter.status, letter.erased, letter.verification_id) {
        (_, _, None) => {
            "No job: somebody else's message, or one that this version cannot read. Drop it when seen."
        }
        (_, true, _) | (None, ..) => "Its verification is erased or gone. Drop it.",
        (Some(Status::Pending), ..) => {
            "Its verification is pending: `txid dlq redrive` enqueues the stage again, with a clean record."
        }
        (Some(Status::Error), ..) => {
            "Its verification ended as `error`, and whoever submitted it was told: POST …/retry makes a new one."
        }
        (Some(_), ..) => "Its verification was decided after all. Drop it.",
    }
}

fn as_json_object(letter: &DeadLetterRow, now: Timestamp) -> Value {
    let place = stage_and_lane(&letter.queue);
    // `00-<trace>-<span>-<flags>`, as W3C has it.
    let trace = letter.traceparent.as_deref().and_then(|parent| parent.split('-').nth(1));
    json!({
        "id": letter.id,
        "verification_id": letter.verification_id,
        "verification": state(letter),
        "stage": place.map(|(stage, _)| stage),
        "lane": place.map(|(_, lane)| lane),
        "queue": letter.queue,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "at": letter.at,
        "age_s": now.duration_since(letter.at).as_secs(),
        "redriven_at": letter.redriven_at,
        "trace_id": trace,
        "body_bytes": letter.body_bytes,
    })
}

fn count_as_json(count: &DeadLetterCount, now: Timestamp) -> Value {
    let place = stage_and_lane(&count.queue);
    json!({
        "stage": place.map(|(stage, _)| stage),
        "lane": place.map(|(_, lane)| lane),
        "queue": count.queue,
        "reason": count.reason,
        "letters": count.letters,
        "pending": count.pending,
        "oldest_age_s": now.duration_since(count.oldest).as_secs(),
    })
}

/// In the largest unit that it has one of.
fn age(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(at).as_secs().max(0);
    let units = [(86_400, "d"), (3_600, "h"), (60, "min")];
    match units.iter().find(|(size, _)| seconds >= *size) {
        Some((size, unit)) => format!("{} {unit}", seconds / size),
        None => format!("{seconds} s"),
    }
}
