use serde_json::{Value, json};

use super::*;
use crate::aws::selection::tests::selection;
use crate::aws::{Backoff, Buckets, Clients};

fn in_flight() -> InFlight {
    let sqs = Clients::local("http://127.0.0.1:1").sqs;
    InFlight::of(
        &sqs,
        "http://127.0.0.1:1/0/queue",
        30,
        Duration::from_secs(5),
        &Backoff::new("Receiving"),
        Buckets::default(),
        None,
    )
}

/// The deliveries of one message that announces two objects.
fn two(in_flight: &InFlight) -> [Delivery; 2] {
    let record = json!({"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}});
    let body = json!({"Records": [record, record]}).to_string();
    let message = SqsMessage::builder().message_id("1").receipt_handle("h").body(body).build();
    in_flight.take(Some(vec![message])).try_into().unwrap()
}

/// Whether the loop that deletes would get a message now.
async fn is_released(in_flight: &InFlight) -> bool {
    let mut released = in_flight.released();
    tokio::time::timeout(Duration::from_millis(1), released.next()).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn a_message_is_deleted_when_all_of_its_events_are_released() {
    let in_flight = in_flight();
    let [one, other] = two(&in_flight);
    one.release();
    assert!(!is_released(&in_flight).await);
    other.release();
    assert!(in_flight.released().next().await.is_some());
    assert_eq!(in_flight.failed(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_event_that_is_not_released_keeps_its_message_from_being_deleted() {
    let in_flight = in_flight();
    let ends: [fn(Delivery); 3] =
        [drop, Delivery::give_back, |delivery| delivery.retry_later("no")];
    for end in ends {
        let [one, other] = two(&in_flight);
        end(one);
        other.release();
        assert!(!is_released(&in_flight).await);
        let [one, other] = two(&in_flight);
        one.release();
        end(other);
        assert!(!is_released(&in_flight).await);
    }
    assert_eq!(in_flight.failed(), 4, "dropped twice, failed twice");
}

#[tokio::test(start_paused = true)]
async fn objects_that_are_not_selected_are_released_without_a_delivery() {
    let record = |key| json!({"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": key}}});
    let take = |in_flight: &InFlight, records: &Value| {
        let body = json!({ "Records": records }).to_string();
        let message = SqsMessage::builder().message_id("1").receipt_handle("h").body(body).build();
        in_flight.take(Some(vec![message]))
    };
    let in_flight = in_flight();
    in_flight.select(selection(&["--include", "a b*"]));
    let deliveries = take(&in_flight, &json!([record("a%2Bb"), record("a+b1"), record("a+b2")]));
    let keys: Vec<_> = deliveries.iter().map(|it| it.object.key.as_str()).collect();
    assert_eq!((keys, in_flight.left_out()), (vec!["a b1", "a b2"], 1));
    for delivery in deliveries {
        assert!(!is_released(&in_flight).await, "the others are not done");
        delivery.release();
    }
    assert!(in_flight.released().next().await.is_some());

    assert!(take(&in_flight, &json!([record("c"), record("d")])).is_empty());
    assert!(in_flight.released().next().await.is_some(), "nothing else is in it");
    assert_eq!((in_flight.left_out(), in_flight.failed()), (3, 0));
    // It cannot be read as a whole.
    assert!(take(&in_flight, &json!([record("c"), record("%FF")])).is_empty());
    assert!(!is_released(&in_flight).await);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_gone_is_a_failure_if_it_is_asked_for() {
    for (arguments, fails) in [(&[][..], false), (&["--on-missing", "fail"][..], true)] {
        let in_flight = in_flight();
        in_flight.select(selection(arguments));
        let [one, other] = two(&in_flight);
        match one.hold(async { Err::<(), _>(Failure::Gone) }).await {
            Err(Failure::Gone) => assert!(!fails),
            Err(Failure::Other(reason)) => assert!(fails && reason.contains("is gone")),
            other => panic!("{other:?}"),
        }
        one.release();
        other.release();
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_stays_in_the_queue_counts_until_it_comes_back_and_is_released() {
    let in_flight = in_flight();
    let [one, other] = two(&in_flight);
    one.message.as_ref().unwrap().lease.lost().cancel();
    one.give_back();
    other.release();
    assert_eq!(in_flight.failed(), 1, "another receiver may have it");
    let [one, other] = two(&in_flight);
    one.release();
    other.release();
    assert_eq!(in_flight.failed(), 0);

    let unreadable = SqsMessage::builder().message_id("2").receipt_handle("h").body("hello");
    assert!(in_flight.take(Some(vec![unreadable.build()])).is_empty());
    assert_eq!(in_flight.failed(), 1);
}
