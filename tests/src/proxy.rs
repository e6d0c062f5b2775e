//! Stands between a worker and the broker: counts the deliveries that the worker holds, and cuts
//! connections. It reads just enough AMQP 0-9-1 for that.

use anyhow::Context;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use txid_shared::task::Tasks;

pub struct BrokerProxy {
    /// The broker's address by way of this proxy.
    pub url: String,
    traffic: Arc<Mutex<Traffic>>,
}

#[derive(Default)]
struct Traffic {
    connections: u64,
    cuts_left: usize,
    cut_after: usize,
    /// The broker's answers are held back, as under a memory alarm.
    mute: bool,
    /// Connections over which nothing may go any more.
    cut: BTreeSet<u64>,
    /// So far, by connection.
    delivered: BTreeMap<u64, usize>,
    /// Delivered and not settled: queue by connection, channel, delivery tag.
    in_hand: BTreeMap<(u64, u16, u64), String>,
    most_in_hand: BTreeMap<String, usize>,
}

#[derive(Clone, Copy)]
enum Sender {
    Broker,
    Worker,
}

const METHOD_FRAME: u8 = 1;
/// Class and method.
const CONNECTION_CLOSE: (u64, u64) = (10, 50);
const CHANNEL_CLOSE: (u64, u64) = (20, 40);
const BASIC_DELIVER: (u64, u64) = (60, 60);
const BASIC_ACK: (u64, u64) = (60, 80);
const BASIC_REJECT: (u64, u64) = (60, 90);
const BASIC_NACK: (u64, u64) = (60, 120);

impl BrokerProxy {
    /// Cuts the first `cuts` connections, each right after its delivery number `cut_after`: that
    /// one is passed on, and its acknowledgement is not.
    pub async fn start(broker_url: &str, cuts: usize, cut_after: usize) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut url = reqwest::Url::parse(broker_url)?;
        anyhow::ensure!(url.scheme() == "amqp", "only plain AMQP can be looked into");
        let broker = format!("{}:{}", url.host_str().context("no broker host")?, url.port().unwrap_or(5672));
        url.set_host(Some("127.0.0.1"))?;
        let port = listener.local_addr()?.port();
        url.set_port(Some(port)).map_err(|()| anyhow::anyhow!("{broker} cannot have a port"))?;

        let traffic = Arc::new(Mutex::new(Traffic { cuts_left: cuts, cut_after, ..Traffic::default() }));
        let (tasks, shared) = (Tasks::new(), traffic.clone());
        let connections = tasks.clone();
        tasks.spawn(async move {
            while let Ok((worker, _)) = listener.accept().await {
                let (broker, shared) = (broker.clone(), shared.clone());
                connections.spawn(async move {
                    // Either side going away is what this is about.
                    let _ = carry(worker, &broker, &shared).await;
                });
            }
        });
        Ok(Self { url: url.to_string(), traffic })
    }

    /// From now on nothing of what the broker says arrives, and no connection ends by it.
    pub fn mute(&self) {
        lock(&self.traffic).mute = true;
    }

    /// Connections that were cut.
    pub fn cuts(&self) -> usize {
        lock(&self.traffic).cut.len()
    }

    /// By queue, the most deliveries that were unsettled at a time, over all connections.
    pub fn most_in_hand(&self) -> BTreeMap<String, usize> {
        lock(&self.traffic).most_in_hand.clone()
    }
}

fn lock(traffic: &Mutex<Traffic>) -> MutexGuard<'_, Traffic> {
    traffic.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn carry(mut worker: TcpStream, broker: &str, traffic: &Mutex<Traffic>) -> std::io::Result<()> {
    let mut broker = TcpStream::connect(broker).await?;
    let connection = lock(traffic).opened();
    let (from_worker, to_worker) = worker.split();
    let (from_broker, to_broker) = broker.split();
    let ended = tokio::select! {
        ended = pump(from_broker, to_worker, Sender::Broker, connection, traffic) => ended,
        ended = pump(from_worker, to_broker, Sender::Worker, connection, traffic) => ended,
    };
    // Before the sockets close: from then on the broker gives the same messages out again.
    lock(traffic).forget(connection);
    ended
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    sender: Sender,
    connection: u64,
    traffic: &Mutex<Traffic>,
) -> std::io::Result<()> {
    let (mut frames, mut chunk) = (Frames::default(), vec![0; 16 * 1024]);
    loop {
        let length = from.read(&mut chunk).await?;
        if length == 0 || lock(traffic).is_cut(connection) {
            return Ok(());
        }
        if matches!(sender, Sender::Broker) && lock(traffic).mute {
            continue;
        }
        frames.pending.extend_from_slice(&chunk[..length]);
        while let Some((channel, method)) = frames.take_method() {
            lock(traffic).note(sender, connection, channel, &method);
        }
        to.write_all(&chunk[..length]).await?;
        if lock(traffic).is_cut(connection) {
            return Ok(());
        }
    }
}

impl Traffic {
    fn opened(&mut self) -> u64 {
        self.connections += 1;
        self.connections
    }

    fn is_cut(&self, connection: u64) -> bool {
        self.cut.contains(&connection)
    }

    fn forget(&mut self, connection: u64) {
        self.in_hand.retain(|(held_by, _, _), _| *held_by != connection);
    }

    /// A method that is shorter than it should be means nothing.
    fn note(&mut self, sender: Sender, connection: u64, channel: u16, method: &[u8]) -> Option<()> {
        let mut rest = method;
        let name = (number(&mut rest, 2)?, number(&mut rest, 2)?);
        match (sender, name) {
            (_, CONNECTION_CLOSE) => self.forget(connection),
            (_, CHANNEL_CLOSE) => {
                self.in_hand.retain(|(held_by, on, _), _| (*held_by, *on) != (connection, channel));
            }
            (Sender::Broker, BASIC_DELIVER) => {
                let _consumer = short_text(&mut rest)?;
                let tag = number(&mut rest, 8)?;
                let (_redelivered, _exchange) = (number(&mut rest, 1)?, short_text(&mut rest)?);
                // Through the default exchange the routing key is the queue's name.
                self.deliver((connection, channel, tag), short_text(&mut rest)?);
            }
            (Sender::Worker, BASIC_ACK | BASIC_NACK) => {
                let (tag, bits) = (number(&mut rest, 8)?, number(&mut rest, 1)?);
                let up_to = bits & 1 == 1;
                self.in_hand.retain(|(held_by, on, held), _| {
                    let settled = *held == tag || (up_to && (tag == 0 || *held < tag));
                    (*held_by, *on) != (connection, channel) || !settled
                });
            }
            (Sender::Worker, BASIC_REJECT) => {
                self.in_hand.remove(&(connection, channel, number(&mut rest, 8)?));
            }
            _ => {}
        }
        Some(())
    }

    fn deliver(&mut self, delivery: (u64, u16, u64), queue: String) {
        self.in_hand.insert(delivery, queue.clone());
        let held = self.in_hand.values().filter(|other| **other == queue).count();
        let most = self.most_in_hand.entry(queue).or_default();
        *most = held.max(*most);

        let (connection, _, _) = delivery;
        let delivered = self.delivered.entry(connection).or_default();
        *delivered += 1;
        if *delivered == self.cut_after && self.cuts_left > 0 {
            self.cuts_left -= 1;
            self.cut.insert(connection);
        }
    }
}

/// Finds whole frames in a stream: type, channel, length, payload, end mark.
#[derive(Default)]
struct Frames {
    pending: Vec<u8>,
}

impl Frames {
    /// Channel and payload of the next method frame; frames of other types are passed over.
    fn take_method(&mut self) -> Option<(u16, Vec<u8>)> {
        const HEADER: usize = 7;
        loop {
            // What a client says first is no frame.
            if self.pending.starts_with(b"AMQP") {
                self.pending.get(..8)?;
                self.pending.drain(..8);
            }
            let &[kind, high, low, ref length @ ..] = self.pending.get(..HEADER)? else { return None };
            let length = usize::try_from(number(&mut &length[..], 4)?).ok()?;
            let payload = self.pending.get(HEADER..HEADER + length)?.to_vec();
            self.pending.get(HEADER + length)?;
            self.pending.drain(..=HEADER + length);
            if kind == METHOD_FRAME {
                return Some((u16::from_be_bytes([high, low]), payload));
            }
        }
    }
}

fn number(bytes: &mut &[u8], length: usize) -> Option<u64> {
    let (number, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(number.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
}

fn short_text(bytes: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(number(bytes, 1)?).ok()?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(String::from_utf8_lossy(text).into_owned())
}
