//! Pages in, one after the other.

use shared::stage::{self, Consumer, InvalidDemand, ProducerHandle, StageRef, SubscribeOptions};
use tracing::info;

use crate::page_producer::PageProducer;
use crate::scraper::{Page, Scraper};

pub struct PageConsumer {
    name: &'static str,
    scraper: Scraper,
}

impl PageConsumer {
    pub fn start(
        name: &'static str,
        producer: &ProducerHandle<PageProducer>,
        max_demand: usize,
        scraper: &Scraper,
    ) -> Result<StageRef, InvalidDemand> {
        info!(consumer = name, "PageConsumer init");
        let consumer = stage::named(name).start_consumer(Self { name, scraper: scraper.clone() });
        let options = SubscribeOptions::default().min_demand(0).max_demand(max_demand);
        consumer.subscribe(producer, options)?;
        Ok(consumer.stage())
    }
}

impl Consumer for PageConsumer {
    type Event = Page;

    async fn handle_events(&mut self, pages: Vec<Page>) {
        let addresses: Vec<_> = pages.iter().map(|page| page.address).collect();
        info!(consumer = self.name, "PageConsumer received {addresses:?}");
        // The stage asks for more when this function returns.
        for page in &pages {
            self.scraper.work(page).await;
        }
    }
}
