//! Step 5 with other numbers: its own server, producer and consumer, and a `main` that takes the number of consumers, and
//! the `max_demand` and the `min_demand` of each.
//!
//! ```text
//! cargo run -p what_if 3 10 0
//! ```

#[path = "../../../step05_multiple_consumers/src/consumer.rs"]
mod consumer;
#[path = "../../../step05_multiple_consumers/src/producer.rs"]
mod producer;
#[path = "../../../step05_multiple_consumers/src/server.rs"]
mod server;

use std::env;

use shared::stage::SubscribeOptions;

use consumer::SqsConsumer;
use producer::SqsProducer;
use server::Server;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    shared::init_with("").unwrap_or_else(|error| error.exit());
    let numbers: Vec<usize> = env::args().skip(1).map(|it| it.parse()).collect::<Result<_, _>>()?;
    let [count, max_demand, min_demand] = numbers[..] else {
        return Err("it needs three numbers: consumers, max_demand and min_demand".into());
    };

    let producer = SqsProducer::start(Server::start());
    let consumers: Vec<_> = (0..count).map(|_| SqsConsumer::start()).collect();
    let options = SubscribeOptions::default().min_demand(min_demand).max_demand(max_demand);
    for consumer in &consumers {
        consumer.subscribe(&producer, options)?;
    }

    shared::stage::all_stopped(&consumers).await?;
    Ok(())
}
