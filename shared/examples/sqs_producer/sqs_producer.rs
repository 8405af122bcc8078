//! Demand in, messages out: those that it receives from SQS.

use std::time::Duration;

use aws_sdk_sqs::types::Message;
use shared::aws::{Queue, why};
use shared::stage::{self, Producer, ProducerHandle};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::{error, info};

/// The wait after a poll that brought nothing. It doubles with each one that follows.
const SHORTEST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(20);

pub struct SqsProducer {
    queue: Queue,
    /// This very stage: it casts to itself.
    me: ProducerHandle<Self>,
    /// Asked for, and not received yet. While it is not 0, a poll is in the air or about to be.
    demand: usize,
    /// The poll that was sent last.
    poll: Option<JoinHandle<()>>,
    /// Between the last poll and the next.
    wait: Duration,
}

/// What the producer casts to itself.
pub enum Cast {
    /// It is time to poll.
    GetMessages,
    /// A poll has come back: with messages, or with what went wrong.
    Received(Result<Vec<Message>, String>),
}

impl SqsProducer {
    pub fn start(queue: Queue) -> ProducerHandle<Self> {
        stage::named("SQSProducer").start_producer(|me| Self {
            queue,
            me: me.clone(),
            demand: 0,
            poll: None,
            wait: Duration::ZERO,
        })
    }

    /// Polls in a task of its own, since a stage that waits for SQS would hear of no demand meanwhile.
    fn poll(&mut self) {
        // SQS gives at most 10 messages at once.
        let count = self.demand.min(10);
        info!("SQSProducer polls for {count} messages");
        let (queue, me) = (self.queue.clone(), self.me.clone());
        self.poll = Some(tokio::spawn(async move {
            me.cast(Cast::Received(receive(&queue, count).await));
        }));
    }

    fn received(&mut self, received: Result<Vec<Message>, String>) -> Vec<Message> {
        let messages = received.unwrap_or_else(|error| {
            error!("Receiving from SQS failed: {error}");
            Vec::new()
        });
        info!("SQSProducer received {} messages", messages.len());
        // Once it is stopped, its demand is 0, and these are more.
        self.demand = self.demand.saturating_sub(messages.len());
        if messages.is_empty() {
            self.wait = (self.wait * 2).clamp(SHORTEST_WAIT, LONGEST_WAIT);
        } else {
            self.wait = Duration::ZERO;
        }
        if self.demand > 0 {
            self.poll_again();
        }
        messages
    }

    /// At once if there may be more messages, or else later: the queue is empty, or SQS does not work.
    fn poll_again(&self) {
        let (wait, me) = (self.wait, self.me.clone());
        if wait.is_zero() {
            return me.cast(Cast::GetMessages);
        }
        info!("SQSProducer polls again in {} seconds", wait.as_secs_f32());
        tokio::spawn(async move {
            sleep(wait).await;
            me.cast(Cast::GetMessages);
        });
    }
}

impl Producer for SqsProducer {
    type Event = Message;
    type Cast = Cast;

    async fn handle_demand(&mut self, demand: usize) -> Vec<Message> {
        // If more was asked for before, a poll is under way, and others will follow until all is met.
        if self.demand == 0 {
            self.me.cast(Cast::GetMessages);
        }
        self.demand += demand;
        info!("SQSProducer received demand for {demand} messages, {} in all", self.demand);
        Vec::new()
    }

    async fn handle_cast(&mut self, message: Cast) -> Vec<Message> {
        match message {
            // It was stopped meanwhile.
            Cast::GetMessages if self.demand == 0 => Vec::new(),
            Cast::GetMessages => {
                self.poll();
                Vec::new()
            }
            Cast::Received(received) => self.received(received),
        }
    }

    /// A poll that is in the air is not to be dropped: SQS would hide messages that nobody has. What it
    /// brings is cast before this returns, and is delivered too.
    async fn prepare_for_draining(&mut self) -> Vec<Message> {
        self.demand = 0; // It will not poll again.
        if let Some(poll) = self.poll.take() {
            let _ = poll.await;
        }
        Vec::new()
    }
}

/// Receives at most `count` messages. SQS waits a little if there is none.
async fn receive(queue: &Queue, count: usize) -> Result<Vec<Message>, String> {
    let receive = queue.client.receive_message().queue_url(&queue.url);
    let received = receive
        .max_number_of_messages(count.try_into().unwrap_or(10))
        .wait_time_seconds(queue.wait)
        .visibility_timeout(queue.visibility_timeout)
        .send()
        .await
        .map_err(|error| why(&error))?;
    Ok(received.messages.unwrap_or_default())
}
