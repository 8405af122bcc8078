//! Demand in, pages out: the pages that a caller wants scraped.

use shared::stage::{Options, Producer, ProducerHandle};
use tracing::info;

use crate::scraper::Page;

pub struct PageProducer;

/// The messages that can be cast to the producer.
pub enum Message {
    Pages(Vec<Page>),
}

impl PageProducer {
    pub fn start(options: Options) -> ProducerHandle<Self> {
        options.start_producer(|_me| {
            info!("PageProducer init");
            Self
        })
    }

    /// Has pages scraped, and does not wait for them.
    pub fn scrape_pages(producer: &ProducerHandle<Self>, pages: Vec<Page>) {
        producer.cast(Message::Pages(pages));
    }
}

impl Producer for PageProducer {
    type Event = Page;
    type Cast = Message;

    /// There are no pages yet. The stage remembers the demand, and sends pages that are cast later.
    async fn handle_demand(&mut self, demand: usize) -> Vec<Page> {
        info!("PageProducer received demand for {demand} pages");
        Vec::new()
    }

    /// The stage's buffer keeps pages until a consumer asks for them.
    async fn handle_cast(&mut self, message: Message) -> Vec<Page> {
        let Message::Pages(pages) = message;
        pages
    }
}
