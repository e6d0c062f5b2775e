//! What is reached over a connection.

use super::{Finding, Judgement, ok, problem, warning};
use jiff::SignedDuration;
use std::collections::BTreeMap;
use std::time::Duration;
use txid_shared::blobs::Blobs;
use txid_shared::config::Config;
use txid_shared::partials::inspect_redis;
use txid_shared::queue::{Queue, QueueState};
use txid_shared::store::{AccountKeysReport, Migrations, Store, inspect_database};

const OLDEST_POSTGRES: i32 = 140_000;
/// Rate limits and due times go by the clock of each process.
const CLOCK_OFF: SignedDuration = SignedDuration::from_secs(2);
const CLOCK_WRONG: SignedDuration = SignedDuration::from_secs(30);
/// Enough to tell an object store that is another from a few rows that a backup brought back.
const DATA_KEYS: i64 = 20;
const COLLECTOR_PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn database(config: &Config) -> Vec<Finding> {
    let report = match inspect_database(&config.database).await {
        Ok(report) => report,
        Err(error) => {
            return vec![problem(
                "database",
                error.to_string(),
                "see database.url, and whether PostgreSQL runs",
            )];
        }
    };
    let version = format!("PostgreSQL {}", report.version);
    let server = if report.version_number < OLDEST_POSTGRES {
        problem("database", version, "14 is the oldest that is supported")
    } else if report.is_standby {
        problem("database", format!("{version}, a standby"), "database.url must lead to the primary")
    } else if !report.fsync || !report.synchronous_commit {
        let found = format!("{version}, fsync or synchronous_commit is off");
        warning("database", found, "a power cut may lose what was accepted: turn both on")
    } else {
        ok("database", version)
    };
    vec![
        server,
        migrations(&config.database.schema, &report.migrations),
        clock("PostgreSQL", report.clock_ahead),
    ]
}

fn migrations(schema: &str, found: &Migrations) -> Finding {
    let Migrations { known, missing, failed, newer, different } = found;
    let check = "migrations";
    if !failed.is_empty() {
        problem(
            check,
            format!("{failed:?} did not end in schema `{schema}`"),
            "run `txid migrate` and read what it says",
        )
    } else if missing.len() == *known {
        problem(
            check,
            format!("none in schema `{schema}`"),
            "run `txid migrate`; or database.schema is another",
        )
    } else if !missing.is_empty() {
        problem(check, format!("{missing:?} are missing in schema `{schema}`"), "run `txid migrate`")
    } else if !different.is_empty() {
        let advice = "another build made this schema: use the release that it came from";
        warning(check, format!("{different:?} are not as in this version"), advice)
    } else if !newer.is_empty() {
        let advice = "a newer version was here: this one works with it, until you upgrade again";
        warning(check, format!("{newer:?} are of a newer version"), advice)
    } else {
        ok(check, format!("all {known} are in schema `{schema}`"))
    }
}

fn clock(whose: &str, ahead: SignedDuration) -> Finding {
    let milliseconds = ahead.as_millis();
    let found = format!("{whose} is {milliseconds} ms ahead of this machine");
    if ahead.abs() >= CLOCK_WRONG {
        problem("clock", found, "set both by NTP: due times, limits and expiries go wrong")
    } else if ahead.abs() >= CLOCK_OFF {
        warning("clock", found, "set both by NTP")
    } else {
        ok("clock", found)
    }
}

/// Master keys against the accounts, and the shares of data keys.
pub(super) async fn keys(config: &Config) -> Vec<Finding> {
    let master = match config.keys.parse() {
        Ok(master) => master,
        Err(error) => {
            let advice = "without the right one nothing opens: restore it";
            return vec![problem("master key", error.to_string(), advice)];
        }
    };
    let opened = async {
        let store = Store::connect(&config.database, master).await?;
        let report = store.inspect_account_keys().await;
        Ok::<_, txid_shared::store::StoreError>((store, report?))
    };
    let (store, report) = match opened.await {
        Ok(opened) => opened,
        Err(error) => {
            let found = format!("account keys cannot be read: {error}");
            return vec![problem("master key", found, "put the database right first")];
        }
    };
    let mut findings = vec![account_keys(&report)];
    // An object store that cannot be opened has its own line.
    if let Ok(blobs) = Blobs::open_existing(&config.blobs) {
        findings.push(data_keys(&store.with_shares(blobs)).await);
    }
    findings
}

fn account_keys(report: &AccountKeysReport) -> Finding {
    let AccountKeysReport { current, older, unknown, unreadable } = report;
    let check = "master key";
    let counted = |keys: &BTreeMap<String, usize>| {
        keys.iter().map(|(id, count)| format!("{count} under `{id}`")).collect::<Vec<_>>().join(", ")
    };
    if !unknown.is_empty() {
        let found = format!("account keys cannot be opened: {}, not in keys.master", counted(unknown));
        problem(check, found, "put these keys back behind the first one, then run `txid keys rewrap`")
    } else if *unreadable > 0 {
        let found = format!("{unreadable} account keys cannot be opened by the master key of their id");
        problem(check, found, "keys.master has that id with another key: restore the right one")
    } else if !older.is_empty() {
        let found = format!("{current} account keys are under the first master key, {}", counted(older));
        warning(check, found, "run `txid keys rewrap`; until then the older key is needed")
    } else {
        ok(check, format!("{current} account keys open, all under the first master key"))
    }
}

async fn data_keys(store: &Store) -> Finding {
    let check = "key shares";
    let found = match store.inspect_data_keys(DATA_KEYS).await {
        Ok(found) => found,
        Err(error) => return problem(check, error.to_string(), "put database and object store right first"),
    };
    let (all, gone) = (found.looked_at, found.without_share);
    if found.unreadable > 0 {
        let text = format!("{} of the newest {all} data keys cannot be opened", found.unreadable);
        return problem(check, text, "the account keys are not those of these rows: see \"Key rotation\"");
    }
    match gone {
        0 => ok(check, format!("the newest {all} data keys open")),
        gone if gone == all => problem(
            check,
            format!("the shares of the newest {all} data keys are not in the object store"),
            "blobs.url or a mount is another than before: nothing opens until it is put right",
        ),
        _ => warning(
            check,
            format!("the shares of {gone} of the newest {all} data keys are gone"),
            "the database was restored to before these were erased: see OPERATIONS.md, \"Backup and restore\"",
        ),
    }
}

pub(super) async fn redis(config: &Config) -> Vec<Finding> {
    let report = match inspect_redis(&config.redis).await {
        Ok(Some(report)) => report,
        Ok(None) => return vec![ok("redis", "partials stay in the process (standalone)")],
        Err(error) => {
            return vec![problem("redis", error.to_string(), "see redis.url, its rights and its memory")];
        }
    };
    let version = format!("Redis {}, a partial was joined and removed", report.version);
    let major: u32 =
        report.version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or_default();
    let mut findings = vec![if report.is_replica {
        problem("redis", version, "a replica: redis.url must lead to the primary")
    } else if major < 7 {
        warning("redis", version, "7 is the oldest that was tried")
    } else {
        ok("redis", version)
    }];
    let memory = format!(
        "{} MB used of {}, policy `{}`",
        report.used_bytes >> 20,
        if report.most_bytes == 0 {
            "all there is".to_owned()
        } else {
            format!("{} MB", report.most_bytes >> 20)
        },
        report.eviction
    );
    findings.push(
        if report.most_bytes > 0 && report.eviction != "noeviction" && !report.eviction.is_empty() {
            let advice =
                "under pressure partials go, and verifications wait for the sweeper: set `noeviction`";
            warning("redis memory", memory, advice)
        } else {
            // Persistence costs and gives nothing: what is lost comes again.
            ok(
                "redis memory",
                if report.persists {
                    format!("{memory}; it also writes to disk, which is not needed")
                } else {
                    memory
                },
            )
        },
    );
    findings.push(clock("Redis", report.clock_ahead));
    findings
}

pub(super) async fn broker(config: &Config) -> Vec<Finding> {
    let queue = Queue::open(&config.broker);
    let report = queue.inspect().await;
    queue.close().await;
    let report = match report {
        Ok(Some(report)) => report,
        Ok(None) => return vec![ok("broker", "jobs stay in the process (standalone)")],
        Err(error) => {
            return vec![problem("broker", error.to_string(), "see broker.url, and whether RabbitMQ runs")];
        }
    };
    let version =
        report.version.map_or("RabbitMQ, version not told over TLS".to_owned(), |v| format!("RabbitMQ {v}"));
    let server = if report.takes_messages {
        ok("broker", version)
    } else {
        let found = format!("{version} takes no messages");
        problem(
            "broker",
            found,
            "a memory or disk alarm: `rabbitmq-diagnostics alarms`; accepted work waits meanwhile",
        )
    };
    let mut findings = vec![server];
    let mut missing = Vec::new();
    let (mut waiting, mut untaken) = (0u64, Vec::new());
    for (name, state) in &report.queues {
        match state {
            QueueState::Missing => missing.push(name.as_str()),
            QueueState::Different(why) => findings.push(problem(
                "topology",
                format!("{name} has other arguments: {why}"),
                "stop the workers of its stage, let it run empty, delete it, run `txid declare`",
            )),
            QueueState::Good(depth) => {
                waiting += u64::from(depth.messages);
                if depth.messages > 0 && depth.consumers == 0 {
                    untaken.push(format!("{name} ({})", depth.messages));
                }
            }
        }
    }
    if !report.has_dead_letter_exchange {
        missing.push("the exchange for dead letters");
    }
    if !missing.is_empty() {
        let found = format!("missing: {}", missing.join(", "));
        findings.push(problem(
            "topology",
            found,
            "run `txid declare`; the sweeper enqueues what was in them",
        ));
    }
    if findings.iter().all(|finding| finding.check != "topology") {
        findings.push(ok(
            "topology",
            format!("{} queues are as this version declares them", report.queues.len()),
        ));
    }
    findings.push(if untaken.is_empty() {
        ok("queues", format!("{waiting} messages wait, none of them without a consumer"))
    } else {
        let found = format!("nobody takes from {}", untaken.join(", "));
        warning("queues", found, "start workers of these stages (`verify.dead`: a scheduler)")
    });
    findings
}

pub(super) async fn objects(config: &Config) -> Vec<Finding> {
    let check = "object store";
    let probed = async { Blobs::open_existing(&config.blobs)?.probe().await };
    vec![match probed.await {
        Ok(()) => ok(check, format!("{}: an object was written, read and removed", config.blobs.url)),
        Err(error) => problem(
            check,
            format!("{}: {error}", config.blobs.url),
            "see [blobs], the mount, and the rights to write, read and delete there; of a new installation the \
             first scheduler makes the folder",
        ),
    }]
}

pub(super) async fn collector(config: &Config) -> Vec<Finding> {
    let (check, address) = ("telemetry", &config.telemetry.otlp_endpoint);
    if address.is_empty() {
        return vec![ok(check, "nothing is sent; /metrics is there")];
    }
    txid_shared::use_ring_for_tls();
    let asked =
        async { reqwest::Client::builder().timeout(COLLECTOR_PATIENCE).build()?.get(address).send().await };
    vec![match asked.await {
        // Whatever it answers: somebody is there.
        Ok(_) => ok(check, format!("{address} answers")),
        Err(error) => Finding {
            check,
            judgement: Judgement::Warning,
            found: format!("{address}: {}", error.without_url()),
            advice: Some("traces and metrics are lost; verifications are not affected".to_owned()),
        },
    }]
}
