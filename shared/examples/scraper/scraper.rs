//! The work, which only waits.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::debug;

/// A page to scrape.
#[derive(Clone)]
pub struct Page {
    pub address: &'static str,
    /// The channel carries no messages. It closes when the last page is dropped, whether scraped or
    /// discarded.
    _to_do: mpsc::Sender<Infallible>,
}

impl Page {
    /// Returns these pages, and a future that completes when all of them are dropped.
    pub fn to_do(addresses: &[&'static str]) -> (Vec<Self>, impl Future<Output = ()>) {
        let (to_do, mut done) = mpsc::channel(1);
        let page = |&address| Self { address, _to_do: to_do.clone() };
        let pages = addresses.iter().map(page).collect();
        (pages, async move {
            done.recv().await;
        })
    }
}

/// Pretends to scrape pages.
#[derive(Clone)]
pub struct Scraper {
    random: Arc<Mutex<StdRng>>,
}

impl Scraper {
    /// A page takes a random time. With a seed, it is the same in every run.
    pub fn new(seed: Option<u64>) -> Self {
        let random = StdRng::seed_from_u64(seed.unwrap_or_else(rand::random));
        Self { random: Arc::new(Mutex::new(random)) }
    }

    /// This wait stands for the real work, which depends on the network and takes a while.
    pub async fn work(&self, page: &Page) {
        let seconds = {
            let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
            random.random_range(1..=5)
        };
        sleep(Duration::from_secs(seconds)).await;
        debug!("{} took {seconds} seconds", page.address);
    }
}
