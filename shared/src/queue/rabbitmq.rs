//! The only file that names lapin's connection. Connections, channels, prefetch and consumers are
//! rebuilt here or by the caller; lapin's own recovery stays off, so that there is one way only.

mod inspection;

use super::acks::Acks;
use super::{Death, Handle, Outgoing, QueueError, Received, Source};
use crate::config::{self, Secret, ms};
use futures_util::StreamExt;
use futures_util::future::join_all;
use lapin::options::{
    BasicCancelOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind, PublisherConfirm,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

const PERSISTENT: u8 = 2;
const TRACEPARENT: &str = "traceparent";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Clone, Debug)]
pub struct RabbitMq {
    url: Secret,
    prefix: String,
    delivery_limit: u32,
    confirm_timeout: Duration,
    open: Arc<Mutex<Open>>,
    /// lapin numbers a message and queues its frames in two steps. Two callers in between would swap
    /// their confirms.
    sending: Arc<Mutex<()>>,
}

#[derive(Default)]
struct Open {
    connection: Option<Arc<Connection>>,
    publisher: Option<Channel>,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open").field("connected", &self.connection.is_some()).finish_non_exhaustive()
    }
}

pub struct Consumer {
    channel: Channel,
    acks: Arc<Acks>,
    inner: lapin::Consumer,
    ended: bool,
}

impl RabbitMq {
    pub fn new(settings: &config::Broker) -> Self {
        Self {
            url: settings.url.clone(),
            prefix: settings.prefix.clone(),
            delivery_limit: settings.delivery_limit,
            confirm_timeout: ms(settings.confirm_timeout_ms),
            open: Arc::default(),
            sending: Arc::default(),
        }
    }

    fn queue_name(&self, source: Source) -> ShortString {
        format!("{}{}", self.prefix, source.name()).into()
    }

    fn dead_letter_exchange(&self) -> ShortString {
        self.queue_name(Source::DeadLetters)
    }

    async fn connection(&self, open: &mut Open) -> Result<Arc<Connection>, QueueError> {
        if let Some(connection) = open.connection.as_ref().filter(|c| c.status().connected()) {
            return Ok(connection.clone());
        }
        open.publisher = None;
        let properties = ConnectionProperties::default().with_connection_name("txid".into());
        let connecting = Connection::connect(self.url.reveal(), properties);
        let connection = tokio::time::timeout(CONNECT_TIMEOUT, connecting)
            .await
            .map_err(|_| QueueError::Unconfirmed(CONNECT_TIMEOUT))??;
        let connection = Arc::new(connection);
        open.connection = Some(connection.clone());
        Ok(connection)
    }

    async fn channel(&self) -> Result<Channel, QueueError> {
        let connection = self.connection(&mut *self.open.lock().await).await?;
        Ok(connection.create_channel().await?)
    }

    async fn publisher(&self) -> Result<Channel, QueueError> {
        let mut open = self.open.lock().await;
        let connection = self.connection(&mut open).await?;
        if let Some(channel) = open.publisher.as_ref().filter(|channel| channel.status().connected()) {
            return Ok(channel.clone());
        }
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        open.publisher = Some(channel.clone());
        Ok(channel)
    }

    pub(super) async fn ping(&self) -> Result<(), QueueError> {
        self.connection(&mut *self.open.lock().await).await.map(drop)
    }

    /// Says good-bye, but does not insist: a broker under an alarm reads nothing and answers nothing, and lapin
    /// then waits for ever. Whoever comes meanwhile gets a fresh connection.
    pub(super) async fn close(&self) {
        let Open { connection, publisher } = std::mem::take(&mut *self.open.lock().await);
        let Some(connection) = connection else { return };
        match tokio::time::timeout(CLOSE_TIMEOUT, connection.close(200, "stopping".into())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the broker connection was gone already"),
            Err(_) => tracing::warn!("the broker did not answer a good-bye; its connection is dropped"),
        }
        // Not before: lapin closes a channel that is dropped, and a connection in the middle of that fails to close.
        drop(publisher);
    }

    pub(super) async fn declare(&self) -> Result<(), QueueError> {
        let channel = self.channel().await?;
        let durable = QueueDeclareOptions { durable: true, ..Default::default() };
        let exchange = self.dead_letter_exchange();
        channel
            .exchange_declare(
                exchange.clone(),
                ExchangeKind::Fanout,
                ExchangeDeclareOptions { durable: true, ..Default::default() },
                FieldTable::default(),
            )
            .await?;
        for source in Source::all() {
            channel.queue_declare(self.queue_name(source), durable, self.arguments(source)).await?;
            if source == Source::DeadLetters {
                let (queue, bind) = (self.queue_name(source), QueueBindOptions::default());
                channel.queue_bind(queue, exchange.clone(), "".into(), bind, FieldTable::default()).await?;
            }
        }
        channel.close(200, "declared".into()).await?;
        Ok(())
    }

    fn arguments(&self, source: Source) -> FieldTable {
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        if source != Source::DeadLetters {
            let exchange = self.dead_letter_exchange();
            // At-least-once dead-lettering needs reject-publish; without it a dying broker may drop the poison.
            arguments.insert("x-delivery-limit".into(), AMQPValue::LongUInt(self.delivery_limit));
            arguments
                .insert("x-dead-letter-exchange".into(), AMQPValue::LongString(exchange.as_str().into()));
            arguments.insert("x-dead-letter-strategy".into(), AMQPValue::LongString("at-least-once".into()));
            arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
        }
        arguments
    }

    /// Pipelined: everything is handed over at once, to leave in few writes, and then the confirms are awaited.
    pub(super) async fn publish(&self, jobs: &[Outgoing]) -> Vec<Result<(), QueueError>> {
        let channel = match self.publisher().await {
            Ok(channel) => channel,
            Err(error) => return spread(error, jobs.len()),
        };
        let sending = async {
            let _in_order = self.sending.lock().await;
            join_all(jobs.iter().map(|outgoing| self.send(&channel, outgoing))).await
        };
        let sent = match tokio::time::timeout(self.confirm_timeout, sending).await {
            Ok(sent) => sent,
            Err(_) => {
                // A memory alarm lets publishes wait in silence: start over on a fresh connection.
                self.close().await;
                let unconfirmed = || Err(QueueError::Unconfirmed(self.confirm_timeout));
                return jobs.iter().map(|_| unconfirmed()).collect();
            }
        };
        let mut results = Vec::with_capacity(jobs.len());
        for (outgoing, sent) in jobs.iter().zip(sent) {
            let result = match sent {
                Err(error) => Err(error.into()),
                Ok(confirm) => match tokio::time::timeout(self.confirm_timeout, confirm).await {
                    Err(_) => Err(QueueError::Unconfirmed(self.confirm_timeout)),
                    Ok(Err(error)) => Err(error.into()),
                    Ok(Ok(Confirmation::Ack(None))) => Ok(()),
                    // Confirmed though nowhere to go: `mandatory` gave it back.
                    Ok(Ok(Confirmation::Ack(Some(_)))) => {
                        Err(QueueError::Unroutable(self.queue_of(outgoing).to_string()))
                    }
                    Ok(Ok(Confirmation::Nack(_) | Confirmation::NotRequested)) => Err(QueueError::Refused),
                },
            };
            results.push(result);
        }
        if results.iter().any(|result| matches!(result, Err(QueueError::Unconfirmed(_)))) {
            // As above: what is not confirmed in time may never be.
            self.close().await;
        }
        results
    }

    fn queue_of(&self, outgoing: &Outgoing) -> ShortString {
        self.queue_name(Source::Jobs(outgoing.job.stage, outgoing.job.lane))
    }

    /// Done when its bytes are with the operating system; the confirm comes later.
    async fn send(&self, channel: &Channel, outgoing: &Outgoing) -> lapin::Result<PublisherConfirm> {
        let body = serde_json::to_vec(&outgoing.job).unwrap_or_default();
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        channel.basic_publish("".into(), self.queue_of(outgoing), options, &body, properties(outgoing)).await
    }

    pub(super) async fn consume(&self, source: Source, prefetch: u16) -> Result<Consumer, QueueError> {
        let channel = self.channel().await?;
        channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
        let inner = channel
            .basic_consume(
                self.queue_name(source),
                "".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await?;
        Ok(Consumer { acks: Acks::new(channel.clone()), channel, inner, ended: false })
    }
}

fn properties(outgoing: &Outgoing) -> BasicProperties {
    let job = &outgoing.job;
    let mut headers = FieldTable::default();
    if let Some(traceparent) = &outgoing.traceparent {
        headers.insert(TRACEPARENT.into(), AMQPValue::LongString(traceparent.as_str().into()));
    }
    BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/json".into())
        .with_message_id(format!("{}.{}", job.verification_id, job.stage).into())
        .with_headers(headers)
}

/// One failure of the whole group, told to each.
fn spread(error: QueueError, count: usize) -> Vec<Result<(), QueueError>> {
    tracing::warn!(%error, "the broker cannot be reached");
    (0..count).map(|_| Err(QueueError::Refused)).collect()
}

impl Consumer {
    pub(super) async fn next(&mut self) -> Option<Received> {
        // A cancelled stream ends once; polled again it would hang.
        if self.ended {
            return None;
        }
        match self.inner.next().await {
            Some(Ok(delivery)) => Some(received(delivery, &self.acks)),
            Some(Err(error)) => {
                tracing::warn!(%error, "consumer lost");
                self.ended = true;
                None
            }
            None => {
                self.ended = true;
                None
            }
        }
    }

    pub(super) async fn cancel(self) {
        let tag = self.inner.tag();
        let cancelling = self.channel.basic_cancel(tag, BasicCancelOptions::default());
        match tokio::time::timeout(CLOSE_TIMEOUT, cancelling).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the consumer was gone already"),
            Err(_) => tracing::warn!("the broker did not answer a cancelled consumer"),
        }
        // What was prefetched and not handed out goes back when the last message in hand is settled
        // and the connection closes; settled here it would race with its own acknowledgements.
    }
}

fn received(delivery: lapin::message::Delivery, acks: &Arc<Acks>) -> Received {
    let headers = delivery.properties.headers();
    let text = |key: &str| headers.as_ref().and_then(|table| table.inner().get(key)).and_then(as_text);
    let redeliveries = headers
        .as_ref()
        .and_then(|table| table.inner().get("x-delivery-count"))
        .and_then(as_count)
        .unwrap_or(u32::from(delivery.redelivered));
    let death = text("x-first-death-reason")
        .map(|reason| Death { reason, queue: text("x-first-death-queue").unwrap_or_default() });
    Received {
        job: serde_json::from_slice(&delivery.data).map_err(|error| error.to_string()),
        traceparent: text(TRACEPARENT),
        redeliveries,
        death,
        body: delivery.data,
        handle: Handle::RabbitMq(acks.taken(delivery.delivery_tag)),
    }
}

fn as_text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => Some(LongString::to_string(text)),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

fn as_count(value: &AMQPValue) -> Option<u32> {
    match value {
        AMQPValue::LongLongInt(count) => u32::try_from(*count).ok(),
        AMQPValue::LongInt(count) => u32::try_from(*count).ok(),
        AMQPValue::LongUInt(count) => Some(*count),
        AMQPValue::ShortInt(count) => u32::try_from(*count).ok(),
        AMQPValue::ShortShortInt(count) => u32::try_from(*count).ok(),
        AMQPValue::ShortShortUInt(count) => Some(u32::from(*count)),
        AMQPValue::ShortUInt(count) => Some(u32::from(*count)),
        _ => None,
    }
}
