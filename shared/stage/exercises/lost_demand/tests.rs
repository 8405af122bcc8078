//! The tests of this exercise. The clock is paused: a wait takes no time, and every run is the same.

use std::time::Duration;

use stage::{Consumer, ProducerHandle, SubscribeOptions};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{sleep, timeout};

use super::Shop;

/// Looks at its articles for an hour, and then may ask again.
struct Customer(UnboundedSender<u32>);

impl Consumer for Customer {
    type Event = u32;

    async fn handle_events(&mut self, articles: Vec<u32>) {
        for article in articles {
            let _ = self.0.send(article);
        }
        sleep(Duration::from_hours(1)).await;
    }
}

/// A customer that has asked for `wanted` articles.
async fn customer(shop: &ProducerHandle<Shop>, articles: &UnboundedSender<u32>, wanted: usize) {
    let customer = stage::named("Customer").start_consumer(Customer(articles.clone()));
    let options = SubscribeOptions::default().max_demand(wanted).min_demand(0);
    customer.subscribe(shop, options).unwrap();
    customer.buffered().await;
    shop.buffered().await;
}

/// The articles that were sold, until none comes within `patience`.
async fn sold(articles: &mut UnboundedReceiver<u32>, patience: Duration) -> Vec<u32> {
    let mut sold = Vec::new();
    while let Ok(Some(article)) = timeout(patience, articles.recv()).await {
        sold.push(article);
    }
    sold
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_an_ask_is_met_by_a_later_delivery() {
    let (sender, mut articles) = unbounded_channel();
    let shop = Shop::start();
    shop.cast((0..4).collect());
    customer(&shop, &sender, 10).await;
    let patience = Duration::from_hours(3);
    assert_eq!(
        sold(&mut articles, patience).await,
        [0, 1, 2, 3],
        "10 are asked for, and 4 on the shelf"
    );
    shop.cast((4..10).collect());
    let rest = sold(&mut articles, patience).await;
    assert_eq!(rest, [4, 5, 6, 7, 8, 9], "the other 6 were delivered");
}

#[tokio::test(start_paused = true)]
async fn the_asks_of_two_customers_add_up() {
    let (sender, mut articles) = unbounded_channel();
    let shop = Shop::start();
    customer(&shop, &sender, 3).await;
    customer(&shop, &sender, 3).await;
    shop.cast((0..6).collect());
    // Before one of them can ask again.
    let mut sold = sold(&mut articles, Duration::from_mins(1)).await;
    sold.sort_unstable();
    assert_eq!(sold, [0, 1, 2, 3, 4, 5], "each of two customers had asked for 3");
}

#[tokio::test(start_paused = true)]
async fn an_article_that_nobody_has_asked_for_stays_on_the_shelf() {
    let (sender, mut articles) = unbounded_channel();
    let shop = Shop::start();
    shop.cast((0..5).collect());
    assert_eq!(shop.buffered().await, 0, "so many were emitted, and nobody has asked");
    customer(&shop, &sender, 2).await;
    assert_eq!(shop.buffered().await, 0, "so many were emitted beyond the 2 asked for");
    assert_eq!(sold(&mut articles, Duration::from_mins(1)).await, [0, 1]);
}
