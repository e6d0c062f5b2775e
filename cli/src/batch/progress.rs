//! How a batch is shown while it runs, and what is said at its end.

use super::client::Client;
use super::{LOOK_EVERY, NOT_COMPLETED, PAUSED, WITH_ERRORS};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::Cell;
use std::process::ExitCode;
use txid_shared::api::{Batch, Counts, Preflight};
use txid_shared::words::BatchStatus;

/// What was seen last, for who stops watching.
#[derive(Default)]
pub(super) struct Seen(Cell<Counts>);

impl Seen {
    pub(super) fn processing(&self) -> i64 {
        self.0.get().processing
    }
}

/// The last word, and what a script makes of it.
pub(super) fn told(batch: &Batch) -> ExitCode {
    let counts = &batch.counts;
    eprintln!(
        "{}: {} rows, {} verified, {} failed, {} to review, {} errors, {} duplicates, {} cancelled, {} expired",
        batch.status,
        counts.total,
        counts.verified,
        counts.failed,
        counts.manual_review,
        counts.error,
        counts.duplicate,
        counts.cancelled,
        counts.expired
    );
    if let Some(error) = &batch.error {
        eprintln!("{}: {}", error.code, error.message);
    }
    match batch.status {
        BatchStatus::AwaitingConfirmation => {
            eprintln!(
                "nothing is verified before: txid batch confirm {0} (or: txid batch cancel {0})",
                batch.id
            );
        }
        BatchStatus::Paused => eprintln!("it goes on after: txid batch resume {}", batch.id),
        _ => {}
    }
    match batch.status {
        BatchStatus::Completed if counts.error == 0 => ExitCode::SUCCESS,
        BatchStatus::Completed => ExitCode::from(WITH_ERRORS),
        status if status.is_terminal() => ExitCode::from(NOT_COMPLETED),
        _ => ExitCode::from(PAUSED),
    }
}

/// What a check found, and what a script makes of it.
pub(super) fn told_of_check(found: &Preflight) -> ExitCode {
    let faults: Vec<String> = found.faults.iter().map(|(code, rows)| format!("{code} {rows}")).collect();
    let faults = if faults.is_empty() { String::new() } else { format!(" ({})", faults.join(", ")) };
    eprintln!(
        "checked {} rows in {:.1} s: {} with faults{faults}, {} show the document of an earlier row, {} are known \
         to the account; nothing was verified",
        found.rows, found.seconds, found.rows_with_faults, found.duplicates, found.known_to_account
    );
    if let (Some(seconds), Some(core_seconds)) = (found.estimated_seconds, found.core_seconds) {
        eprintln!("verifying the others takes about {seconds:.0} s, {core_seconds:.0} core-seconds");
    }
    if found.rows_with_faults == 0 { ExitCode::SUCCESS } else { ExitCode::from(WITH_ERRORS) }
}

/// Until it has ended, or waits for somebody.
pub(super) async fn watch(client: &Client, id: &str, seen: &Seen) -> anyhow::Result<Batch> {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = "{msg:>12} {wide_bar} {pos}/{len} {prefix} {eta}";
    bar.set_style(ProgressStyle::with_template(style)?);
    let mut last = String::new();
    loop {
        let batch = client.batch(id).await?;
        let counts = batch.counts;
        seen.0.set(counts);
        bar.set_length(u64::try_from(counts.total).unwrap_or_default());
        bar.set_position(u64::try_from(counts.ended()).unwrap_or_default());
        bar.set_message(batch.status.as_str());
        bar.set_prefix(format!(
            "{:.1}/s ok {} no {} ? {} err {}",
            batch.rows_per_second, counts.verified, counts.failed, counts.manual_review, counts.error
        ));
        // Where nobody draws, a line for each change of status and each tenth.
        let line = match (counts.ended() * 10).checked_div(counts.total) {
            None => batch.status.to_string(),
            Some(tenth) => format!("{} {}", batch.status, tenth * 10),
        };
        if bar.is_hidden() && line != last {
            let rate = match batch.rows_per_second {
                0.0 => String::new(),
                rate => format!(", {rate:.1}/s"),
            };
            eprintln!("{}: {} of {} rows{rate}", batch.status, counts.ended(), counts.total);
            last = line;
        }
        let waits = matches!(batch.status, BatchStatus::AwaitingConfirmation | BatchStatus::Paused);
        if batch.status.is_terminal() || (waits && counts.processing == 0) {
            bar.finish_and_clear();
            return Ok(batch);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
