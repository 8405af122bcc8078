//! ```text
//! cargo run -p shared --example scraper
//!
//!     scrape_pages ──▶ PageProducer ══▶ PageConsumer
//!                        └─ buffer
//! ```
//!
//! This is the program of the chapter *Data-Processing Pipelines with `GenStage`*: a producer of web pages,
//! and consumers that pretend to scrape them. `--experiment` chooses an experiment, and README.md shows each.

mod page_consumer;
mod page_consumer_supervisor;
mod page_producer;
mod scraper;

use std::time::Duration;

use clap::{Parser, ValueEnum};
use shared::stage::{self, Keep};
use tokio::time::sleep;

use page_consumer::PageConsumer;
use page_producer::PageProducer;
use scraper::{Page, Scraper};

/// Pretends to scrape five web pages.
#[derive(Parser)]
struct Args {
    /// The experiment
    #[arg(long, value_enum, default_value_t)]
    experiment: Experiment,

    /// Choose how long the work takes by this number, in place of by chance
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Experiment {
    /// One consumer, of 3 pages at a time
    #[default]
    OneConsumer,
    /// Two consumers, of a page at a time
    TwoConsumers,
    /// As before, and the producer keeps 1 page that no consumer has asked for: the last one
    BufferSize,
    /// As before, and it keeps the first one
    BufferKeep,
    /// A task for each page, 2 at a time
    ConsumerSupervisor,
}

const PAGES: [&str; 5] = ["google.com", "facebook.com", "apple.com", "netflix.com", "amazon.com"];

/// This is long enough for the stages to exchange their messages.
const A_MOMENT: Duration = Duration::from_millis(500);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), shared::Error> {
    let Args { experiment, seed } = Args::parse();
    shared::init_with("")?;
    let scraper = &Scraper::new(seed);

    let options = stage::named("PageProducer");
    let options = match experiment {
        Experiment::BufferSize => options.buffer_size(1),
        Experiment::BufferKeep => options.buffer_size(1).buffer_keep(Keep::First),
        _ => options,
    };
    let producer = &PageProducer::start(options);
    let consumers = match experiment {
        Experiment::OneConsumer => vec![PageConsumer::start("PageConsumer", producer, 3, scraper)?],
        Experiment::ConsumerSupervisor => {
            vec![page_consumer_supervisor::start(producer, 2, scraper)?]
        }
        _ => vec![
            PageConsumer::start("consumer_a", producer, 1, scraper)?,
            PageConsumer::start("consumer_b", producer, 1, scraper)?,
        ],
    };

    // In the chapter, this is typed into a shell, long after the consumers have asked. If the pages came
    // first, all of them would go to the buffer.
    sleep(A_MOMENT).await;
    let (pages, done) = Page::to_do(&PAGES);
    PageProducer::scrape_pages(producer, pages);
    tokio::select! {
        () = done => {}
        // A consumer has crashed, and its pages stay.
        () = stage::first_stopped(&consumers) => {}
    }

    // This wait lets the log show the consumers' next asks.
    sleep(A_MOMENT).await;
    producer.stop();
    for consumer in consumers {
        consumer.stopped().await.ok()?;
    }
    Ok(())
}
