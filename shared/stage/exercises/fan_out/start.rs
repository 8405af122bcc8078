//! Lines in, words out.

use stage::{
    InvalidDemand, Producer, ProducerConsumer, ProducerConsumerHandle, ProducerHandle,
    SubscribeOptions,
};

/// Makes words of lines.
pub struct Words;

impl ProducerConsumer for Words {
    type Input = String;
    type Event = String;

    async fn handle_events(&mut self, lines: Vec<String>) -> Vec<String> {
        lines
    }
}

/// Starts `Words`, and subscribes it to a producer of lines.
///
/// # Errors
///
/// If the demand makes no sense.
pub fn connect<Lines>(
    lines: &ProducerHandle<Lines>,
) -> Result<ProducerConsumerHandle<Words>, InvalidDemand>
where
    Lines: Producer<Event = String>,
{
    let words = stage::named("Words").start_producer_consumer(Words);
    words.subscribe(lines, SubscribeOptions::default())?;
    Ok(words)
}

#[cfg(test)]
mod tests;
