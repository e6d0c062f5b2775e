//! What the broker says about itself and the queues. Nothing in it is changed.

use super::{CONNECT_TIMEOUT, RabbitMq};
use crate::queue::{BrokerReport, Depth, QueueError, QueueState, Source};
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{BasicProperties, Channel, ErrorKind, ExchangeKind};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const NOT_FOUND: u16 = 404;
const PRECONDITION_FAILED: u16 = 406;
/// Under an alarm a broker takes no message and does not say so.
const ALARM_AFTER: Duration = Duration::from_secs(3);
/// The most that a greeting may have.
const LONGEST_GREETING_BYTES: u64 = 16 * 1024;

impl RabbitMq {
    pub(in crate::queue) async fn depth(&self, source: Source) -> Result<Option<Depth>, QueueError> {
        let channel = self.channel().await?;
        match self.depth_by(&channel, source).await {
            Ok(depth) => {
                channel.close(200, "seen".into()).await?;
                Ok(Some(depth))
            }
            // The broker has closed the channel with it.
            Err(error) if is(&error, NOT_FOUND) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(in crate::queue) async fn depths(&self) -> Result<Vec<(String, Depth)>, QueueError> {
        let channel = self.channel().await?;
        let mut depths = Vec::new();
        for source in Source::all() {
            depths.push((source.name(), self.depth_by(&channel, source).await?));
        }
        channel.close(200, "seen".into()).await?;
        Ok(depths)
    }

    /// A queue that is not there costs the channel.
    async fn depth_by(&self, channel: &Channel, source: Source) -> Result<Depth, lapin::Error> {
        let passive = QueueDeclareOptions { passive: true, ..Default::default() };
        let queue = channel.queue_declare(self.queue_name(source), passive, FieldTable::default()).await?;
        Ok(Depth { messages: queue.message_count(), consumers: queue.consumer_count() })
    }

    pub(in crate::queue) async fn inspect(&self) -> Result<BrokerReport, QueueError> {
        self.ping().await?;
        let mut queues = Vec::new();
        for source in Source::all() {
            queues.push((self.queue_name(source).to_string(), self.state(source).await?));
        }
        Ok(BrokerReport {
            version: self.version().await,
            takes_messages: self.takes_messages().await?,
            has_dead_letter_exchange: self.has_dead_letter_exchange().await?,
            queues,
        })
    }

    /// To declare a queue that exists changes nothing and is how the broker compares arguments.
    async fn state(&self, source: Source) -> Result<QueueState, QueueError> {
        let Some(depth) = self.depth(source).await? else { return Ok(QueueState::Missing) };
        let channel = self.channel().await?;
        let durable = QueueDeclareOptions { durable: true, ..Default::default() };
        match channel.queue_declare(self.queue_name(source), durable, self.arguments(source)).await {
            Ok(_) => {
                channel.close(200, "seen".into()).await?;
                Ok(QueueState::Good(depth))
            }
            Err(error) if is(&error, PRECONDITION_FAILED) => Ok(QueueState::Different(error.to_string())),
            Err(error) => Err(error.into()),
        }
    }

    async fn has_dead_letter_exchange(&self) -> Result<bool, QueueError> {
        let channel = self.channel().await?;
        let passive = ExchangeDeclareOptions { passive: true, durable: true, ..Default::default() };
        let exchange = self.dead_letter_exchange();
        match channel.exchange_declare(exchange, ExchangeKind::Fanout, passive, FieldTable::default()).await {
            Ok(()) => {
                channel.close(200, "seen".into()).await?;
                Ok(true)
            }
            Err(error) if is(&error, NOT_FOUND) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// A message to a queue that does not exist: the broker gives it back, and an alarm leaves it waiting.
    async fn takes_messages(&self) -> Result<bool, QueueError> {
        let channel = self.channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let nowhere = format!("{}doctor.{:016x}", self.prefix, rand::random::<u64>());
        let publishing = async {
            let options = BasicPublishOptions { mandatory: true, ..Default::default() };
            let properties = BasicProperties::default();
            channel.basic_publish("".into(), nowhere.into(), options, b"", properties).await?.await
        };
        match tokio::time::timeout(ALARM_AFTER, publishing).await {
            Ok(Ok(_)) => Ok(true),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Ok(false),
        }
    }

    /// lapin does not pass on how the broker introduces itself, so its greeting is read once more, before any log-in.
    async fn version(&self) -> Option<String> {
        let uri: AMQPUri = self.url.reveal().parse().ok()?;
        if uri.scheme != AMQPScheme::AMQP {
            return None;
        }
        let greeting = async {
            let address = (uri.authority.host.as_str(), uri.authority.port);
            let mut stream = TcpStream::connect(address).await.ok()?;
            stream.write_all(b"AMQP\x00\x00\x09\x01").await.ok()?;
            let mut head = [0u8; 7];
            stream.read_exact(&mut head).await.ok()?;
            let [_, _, _, size @ ..] = head;
            let size = u64::from(u32::from_be_bytes(size)).min(LONGEST_GREETING_BYTES);
            let mut body = Vec::new();
            stream.take(size).read_to_end(&mut body).await.ok()?;
            version_in(&body)
        };
        tokio::time::timeout(CONNECT_TIMEOUT, greeting).await.ok().flatten()
    }
}

/// In the server's properties of Connection.Start: a short string as name, a type, a long string as value.
fn version_in(greeting: &[u8]) -> Option<String> {
    const NAME: &[u8] = b"\x07versionS";
    let place = greeting.windows(NAME.len()).position(|bytes| bytes == NAME)?;
    let (size, rest) = greeting.get(place + NAME.len()..)?.split_first_chunk::<4>()?;
    let text = rest.get(..usize::try_from(u32::from_be_bytes(*size)).ok()?)?;
    Some(String::from_utf8_lossy(text).into_owned())
}

fn is(error: &lapin::Error, code: u16) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(error) if error.get_id() == code)
}

#[cfg(test)]
mod tests {
    use super::version_in;

    #[test]
    fn a_greeting_tells_the_version_and_a_torn_one_nothing() {
        let greeting =
            b"\x00\x0a\x00\x0a\x00\x09\x07productS\x00\x00\x00\x08RabbitMQ\x07versionS\x00\x00\x00\x063.10.8";
        assert_eq!(version_in(greeting).as_deref(), Some("3.10.8"));
        for torn in [&greeting[..greeting.len() - 1], &greeting[..30], b""] {
            assert_eq!(version_in(torn), None);
        }
    }
}
