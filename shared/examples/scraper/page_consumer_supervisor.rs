//! Pages in, each of them to a task of its own.

use shared::stage::{self, InvalidDemand, ProducerHandle, Restart, StageRef, SubscribeOptions};
use tracing::info;

use crate::page_producer::PageProducer;
use crate::scraper::{Page, Scraper};

/// Starts a task for each page, and never more than `max_demand` at a time.
pub fn start(
    producer: &ProducerHandle<PageProducer>,
    max_demand: usize,
    scraper: &Scraper,
) -> Result<StageRef, InvalidDemand> {
    info!("PageConsumerSupervisor init");
    let scraper = scraper.clone();
    // The supervisor restarts a task that panics.
    let supervisor = stage::named("PageConsumerSupervisor").start_consumer_supervisor(
        Restart::Transient,
        move |page: Page| {
            info!("PageConsumer received {}", page.address);
            let scraper = scraper.clone();
            async move { scraper.work(&page).await }
        },
    );
    // As soon as one task has ended, the supervisor asks for another page.
    let options = SubscribeOptions::default().min_demand(max_demand - 1).max_demand(max_demand);
    supervisor.subscribe(producer, options)?;
    Ok(supervisor.stage())
}
