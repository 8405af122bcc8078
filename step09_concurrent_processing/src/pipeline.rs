//! A producer-consumer and a consumer that belong together: one of several pipelines.

use shared::job::Job;
use shared::stage::{InvalidDemand, ProducerHandle, StageRef, SubscribeOptions};
use tracing::{info, info_span};

use crate::consumer::SqsConsumer;
use crate::producer::SqsProducer;
use crate::producer_consumer::SqsProducerConsumer;

/// Starts a pipeline under this name. Its stages live and die together, because neither has work without
/// the other.
pub fn start(
    name: &str,
    max_demand: [usize; 2],
    producers: &[ProducerHandle<SqsProducer>],
    job: &Job,
) -> Result<Vec<StageRef>, InvalidDemand> {
    // Every line that its stages log carries the pipeline's name.
    let _pipeline = info_span!("pipeline", pipeline = name).entered();
    info!("SQS.Supervisor {name}");
    let producer_consumer = SqsProducerConsumer::start(&format!("{name} ProducerConsumer"), job);
    let consumer = SqsConsumer::start(&format!("{name} Consumer"), job);
    let [first, second] = max_demand.map(|most| SubscribeOptions::default().max_demand(most));
    consumer.subscribe(&producer_consumer, second)?;
    for producer in producers {
        producer_consumer.subscribe(producer, first)?;
    }
    Ok(vec![producer_consumer.stage(), consumer.stage()])
}
