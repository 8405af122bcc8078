//! A producer-consumer and a consumer that belong together: one of several pipelines.

use shared::stage::{InvalidDemand, ProducerHandle, StageRef, SubscribeOptions};
use shared::work::Work;
use tracing::{info, info_span};

use crate::consumer::SqsConsumer;
use crate::producer::SqsProducer;
use crate::producer_consumer::SqsProducerConsumer;

/// Starts a pipeline under this name. Its stages are to live and die together: the one has no work
/// without the other.
pub fn start(
    name: &str,
    producer: &ProducerHandle<SqsProducer>,
    work: &Work,
) -> Result<Vec<StageRef>, InvalidDemand> {
    // What its stages log is said to be of this pipeline.
    let _pipeline = info_span!("pipeline", pipeline = name).entered();
    info!("SQS.Supervisor {name}");
    let producer_consumer = SqsProducerConsumer::start(&format!("{name} ProducerConsumer"), work);
    let consumer = SqsConsumer::start(&format!("{name} Consumer"), work);
    let demand = SubscribeOptions::default().max_demand(work.max_demand);
    consumer.subscribe(&producer_consumer, demand)?;
    producer_consumer.subscribe(producer, demand)?;
    Ok(vec![producer_consumer.stage(), consumer.stage()])
}
