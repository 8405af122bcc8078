//! A scraper of web pages that scrapes nothing: a producer of pages, and consumers for which a page is
//! 1 to 5 seconds of work. Each experiment is one of the chapter *Data-Processing Pipelines with
//! `GenStage`*, and says what the chapter's program says.
//!
//! ```text
//! scrape_pages ──▶ PageProducer ══▶ PageConsumer
//!                    └─ buffer
//! ```
//!
//! The consumer asks for 3 pages, before there is any. When there are 5, it gets 3. When it has done
//! its work, it asks for 3 again: 2 are in the buffer, so the producer hears of 1.
//!
//! ```console
//! $ cargo run -p shared --example scraper
//! PageProducer init
//! PageConsumer init
//! PageProducer received demand for 3 pages
//! PageConsumer received ["google.com", "facebook.com", "apple.com"]
//! PageProducer received demand for 1 pages
//! PageConsumer received ["netflix.com", "amazon.com"]
//! ```
//!
//! Two consumers take one page at a time. Who is done first gets the next one.
//!
//! ```console
//! $ cargo run -p shared --example scraper -- --experiment two-consumers --seed 1
//! PageProducer init
//! PageConsumer init
//! PageConsumer init
//! PageProducer received demand for 1 pages
//! PageProducer received demand for 1 pages
//! PageConsumer received ["google.com"]
//! PageConsumer received ["facebook.com"]
//! PageConsumer received ["apple.com"]
//! PageConsumer received ["netflix.com"]
//! PageConsumer received ["amazon.com"]
//! PageProducer received demand for 1 pages
//! PageProducer received demand for 1 pages
//! ```
//!
//! Of the 3 pages that nobody has asked for yet, the buffer has room for 1.
//!
//! ```console
//! $ cargo run -p shared --example scraper -- --experiment buffer-size --seed 1
//! PageProducer init
//! PageConsumer init
//! PageConsumer init
//! PageProducer received demand for 1 pages
//! PageProducer received demand for 1 pages
//! GenStage producer PageProducer has discarded 2 events from buffer
//! PageConsumer received ["google.com"]
//! PageConsumer received ["facebook.com"]
//! PageConsumer received ["amazon.com"]
//! PageProducer received demand for 1 pages
//! PageProducer received demand for 1 pages
//! ```
//!
//! That was the last of them. It can be the first.
//!
//! ```console
//! $ cargo run -p shared --example scraper -- --experiment buffer-keep --seed 1
//! PageProducer init
//! PageConsumer init
//! PageConsumer init
//! PageProducer received demand for 1 pages
//! PageProducer received demand for 1 pages
//! GenStage producer PageProducer has discarded 2 events from buffer
//! PageConsumer received ["google.com"]
//! PageConsumer received ["facebook.com"]
//! PageConsumer received ["apple.com"]
//! PageProducer received demand for 1 pages
//! PageProducer received demand for 1 pages
//! ```
//!
//! The chapter ends with a heading, *Adding Concurrency with `ConsumerSupervisor`*. This is what could
//! stand below it: there is a task for each page, and never more than 2 at a time.
//!
//! ```console
//! $ cargo run -p shared --example scraper -- --experiment consumer-supervisor --seed 1
//! PageProducer init
//! PageConsumerSupervisor init
//! PageProducer received demand for 2 pages
//! PageConsumer received google.com
//! PageConsumer received facebook.com
//! PageConsumer received apple.com
//! PageConsumer received netflix.com
//! PageConsumer received amazon.com
//! PageProducer received demand for 1 pages
//! PageProducer received demand for 1 pages
//! ```
//!
//! With a seed, a page takes the same time in every run. Without, two lines may change places when two
//! pages are done in the same moment. `RUST_LOG=debug` tells what each took, `LOG_FORMAT=full` adds the
//! time, and which consumer it is.
//!
//! Nobody waits if the clock is paused:
//!
//! ```text
//! PALLETO_CLOCK=paused cargo run -p shared --example scraper
//! ```

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
    /// What to try
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
    /// As before, and the producer keeps 1 page that nobody has asked for: the last one
    BufferSize,
    /// As before, and it keeps the first one
    BufferKeep,
    /// A task for each page, 2 at a time
    ConsumerSupervisor,
}

const PAGES: [&str; 5] = ["google.com", "facebook.com", "apple.com", "netflix.com", "amazon.com"];

/// Enough for the stages to say to each other what they have to say.
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

    // In the chapter, somebody types this into a shell: the consumers have long asked by then. If the
    // pages came first, all of them would go to the buffer.
    sleep(A_MOMENT).await;
    let (pages, done) = Page::to_do(&PAGES);
    PageProducer::scrape_pages(producer, pages);
    done.await;

    // That the consumers ask for more now is a part of the story.
    sleep(A_MOMENT).await;
    producer.stop();
    for consumer in consumers {
        consumer.stopped().await.ok()?;
    }
    Ok(())
}
