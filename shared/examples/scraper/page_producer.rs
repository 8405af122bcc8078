//! Demand in, pages out: those that somebody wants scraped.

use shared::stage::{Options, Producer, ProducerHandle};
use tracing::info;

use crate::scraper::Page;

pub struct PageProducer;

/// What can be cast to the producer.
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

    /// Has pages scraped. Does not wait for it.
    pub fn scrape_pages(producer: &ProducerHandle<Self>, pages: Vec<Page>) {
        producer.cast(Message::Pages(pages));
    }
}

impl Producer for PageProducer {
    type Event = Page;
    type Cast = Message;

    /// There is nothing to give yet. The stage remembers who asked: the pages that are cast later go
    /// there.
    async fn handle_demand(&mut self, demand: usize) -> Vec<Page> {
        info!("PageProducer received demand for {demand} pages");
        Vec::new()
    }

    /// More than was asked for waits in the buffer.
    async fn handle_cast(&mut self, message: Message) -> Vec<Page> {
        let Message::Pages(pages) = message;
        pages
    }
}
