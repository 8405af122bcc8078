//! Rules 11, 12 and 14, and crashes: how stages and subscriptions end.

use super::CancelMode::{Permanent, Temporary, Transient};
use super::*;

#[tokio::test(start_paused = true)]
async fn rule_11_a_producer_that_ends_takes_its_consumer_with_it_or_not() {
    let end: [fn(&ProducerProbe); 3] = [|a| a.stop(), |a| a.cast(Order::Panic), |a| a.kill()];
    let [normal, crash, kill] =
        [Some(Exit::Normal), Some(crashed("A", "out of order")), Some(Exit::Killed)];
    for (mode, ends) in [
        (Permanent, [normal, crash.clone(), kill.clone()]),
        (Transient, [None, crash, kill]),
        (Temporary, [None, None, None]),
    ] {
        for (end, expected) in end.into_iter().zip(ends) {
            let (a, c) = (producer(0..0), consumer("C"));
            c.subscribe(&a, demand(0, 10).cancel(mode)).unwrap();
            settle().await;
            end(&a);
            assert!(end_of(a.stage()).await.is_some());
            assert_eq!(end_of(c.stage()).await, expected, "{mode:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn rule_11_permanent_is_the_default() {
    let (a, c) = (producer(0..0), consumer("C"));
    c.subscribe(&a, SubscribeOptions::default()).unwrap();
    settle().await;
    a.stop();
    assert_eq!(end_of(c.stage()).await, Some(Exit::Normal));
}

#[tokio::test(start_paused = true)]
async fn rule_11_a_consumer_that_cancels_ends_if_it_is_permanent() {
    for (mode, expected) in [(Permanent, Some(Exit::Normal)), (Transient, None), (Temporary, None)]
    {
        let (a, c) = (producer(0..0), consumer("C"));
        let id = c.subscribe(&a, demand(0, 10).cancel(mode)).unwrap();
        c.cancel(id);
        assert_eq!(end_of(c.stage()).await, expected, "{mode:?}");
        assert_eq!(end_of(a.stage()).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn rule_11_a_subscription_to_a_stage_that_has_ended_is_over_at_once() {
    let a = producer(0..0);
    a.stop();
    assert_eq!(end_of(a.stage()).await, Some(Exit::Normal));
    for (mode, expected) in
        [(Permanent, Some(Exit::NoStage)), (Transient, Some(Exit::NoStage)), (Temporary, None)]
    {
        let c = consumer("C");
        c.subscribe(&a, demand(0, 10).cancel(mode)).unwrap();
        assert_eq!(end_of(c.stage()).await, expected, "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_cannot_be_made_is_logged() {
    let log = Log::capture();
    let (a, c, gone, (stopping, gate)) =
        (producer(0..1), consumer("C"), consumer("D"), held_consumer("E"));
    stopping.subscribe(&a, demand(0, 1)).unwrap();
    gone.stop();
    settle().await;
    stopping.stop();
    stopping.subscribe(&a, demand(0, 1)).unwrap();
    gone.subscribe(&a, demand(0, 1)).unwrap();
    a.kill();
    settle().await;
    c.subscribe(&a, demand(0, 1).cancel(Temporary)).unwrap();
    settle().await;
    assert_eq!(end_of(c.stage()).await, None);
    assert_eq!(
        log.lines(),
        [
            "WARN D cannot subscribe to A: D has stopped stage=D producer=A",
            "WARN C cannot subscribe to A: A has stopped stage=C producer=A",
        ]
    );
    open(&gate);
    settle().await;
    assert_eq!(log.lines(), ["WARN E cannot subscribe to A: E has stopped stage=E producer=A"]);
}

#[tokio::test(start_paused = true)]
async fn rule_11_a_subscription_that_the_producer_did_not_come_to_hear_of_ends_too() {
    let (a, c) = (producer(0..0), consumer("C"));
    let gate = Gate::new(Semaphore::new(0));
    a.cast(Order::Wait(gate.clone()));
    c.subscribe(&a, demand(0, 10)).unwrap();
    settle().await;
    gate.close(); // A panics, with the subscription in its mailbox.
    assert_eq!(end_of(c.stage()).await, Some(crashed("A", "its gate is closed")));
}

#[tokio::test(start_paused = true)]
async fn rule_12_a_stage_subscribes_and_cancels_while_it_runs() {
    let (mut a1, mut a2, mut c) = (producer(0..0), producer(0..0), consumer("C"));
    let to_a1 = c.subscribe(&a1, demand(0, 10).cancel(Temporary)).unwrap();
    c.subscribe(&a2, demand(0, 20)).unwrap();
    assert_eq!((a1.record().await, a2.record().await), (vec![10], vec![20]));

    c.cancel(to_a1);
    settle().await;
    a1.emit(0..4).await;
    a2.emit(4..8).await;
    assert_eq!((c.record().await, a1.buffered().await), (vec![vec![4, 5, 6, 7]], 4));
}

#[tokio::test(start_paused = true)]
async fn rule_12_a_subscription_anew_starts_afresh() {
    let (mut a, mut c) = (producer(0..0), consumer("C"));
    let options = demand(0, 10).cancel(Temporary);
    let id = c.subscribe(&a, options).unwrap();
    settle().await;
    a.emit(0..4).await;
    c.cancel(id);
    assert_eq!((c.record().await, a.record().await), (vec![vec![0, 1, 2, 3]], vec![10]));

    // It asks for 10 again, not for the 4 that it has handled. A owes the 6 that are missing.
    c.subscribe(&a, options).unwrap();
    assert_eq!(a.record().await, [4]);
    a.emit(4..20).await;
    assert_eq!(c.record().await, [(4..14).collect::<Vec<_>>(), (14..20).collect()]);
}

#[tokio::test(start_paused = true)]
async fn rule_14_a_producer_that_stops_delivers_its_buffer_and_is_asked_for_nothing_more() {
    let (mut a, (mut c, gate)) = (producer(0..0), held_consumer("C"));
    c.subscribe(&a, demand(0, 2)).unwrap();
    settle().await;
    a.emit(0..5).await;
    a.stop();
    assert_eq!(end_of(a.stage()).await, None, "3 are left, and what comes last");
    // A has stopped asking, but it still listens: it handles a late message of a helper.
    a.emit(5..6).await;

    open(&gate);
    assert_eq!(c.record().await, [vec![0, 1], vec![2, 3], vec![4, LAST], vec![5]]);
    assert_eq!(end_of(a.stage()).await, Some(Exit::Normal));
    assert_eq!(end_of(c.stage()).await, Some(Exit::Normal));
    assert_eq!(a.record().await, [2]);
}

#[tokio::test(start_paused = true)]
async fn rule_14_a_producer_that_stops_drains_the_whole_pipeline() {
    let (a, b, (mut c, gate)) = (producer(0..0), producer_consumer(named("B")), held_consumer("C"));
    c.subscribe(&b, demand(0, 2)).unwrap();
    b.subscribe(&a, demand(0, 9)).unwrap();
    settle().await;
    a.emit(0..3).await;
    a.emit(3..6).await;

    // A has delivered everything, and ends. C holds 0 and 1, B has 2 in its buffer, and the rest
    // waits.
    a.stop();
    assert_eq!(end_of(a.stage()).await, Some(Exit::Normal));
    assert_eq!(end_of(b.stage()).await, None);
    open(&gate);
    assert_eq!(c.record().await.concat(), [0, 1, 2, 3, 4, 5, LAST]);
    assert_eq!(end_of(b.stage()).await, Some(Exit::Normal));
    assert_eq!(end_of(c.stage()).await, Some(Exit::Normal));
}

#[tokio::test(start_paused = true)]
async fn rule_14_what_nobody_is_there_for_is_lost_and_that_is_logged() {
    let log = Log::capture();
    let a = producer(0..0);
    a.emit(0..2).await;
    a.stop();
    assert_eq!(end_of(a.stage()).await, Some(Exit::Normal));
    assert_eq!(log.lines(), ["WARN A ended with 3 undelivered events stage=A lost=3"]);
    assert_eq!(a.stage().lost(), 3);
}

#[tokio::test(start_paused = true)]
async fn rule_14_a_consumer_that_stops_handles_what_it_was_sent_and_asks_for_nothing_more() {
    let (mut a, (mut c, gate)) = (producer(0..0), held_consumer("C"));
    c.subscribe(&a, demand(0, 4)).unwrap();
    settle().await;
    a.emit(0..2).await;
    c.stop();
    a.emit(2..4).await;

    open(&gate);
    assert_eq!((c.record().await, a.record().await), (vec![vec![0, 1], vec![2, 3]], vec![4]));
    assert_eq!(end_of(c.stage()).await, Some(Exit::Normal));
    assert_eq!(end_of(a.stage()).await, None);
}

#[tokio::test(start_paused = true)]
async fn rule_14_a_producer_consumer_that_stops_ends_though_its_producer_could_go_on() {
    let (mut a, b, (mut c, gate)) =
        (producer(0..1000), producer_consumer(named("B")), held_consumer("C"));
    c.subscribe(&b, demand(0, 2)).unwrap();
    b.subscribe(&a, demand(0, 2)).unwrap();
    assert_eq!(a.record().await, [2, 2]);

    // C holds 0 and 1. B has 2 and 3, and asks for nothing after them.
    b.stop();
    settle().await;
    open(&gate);
    assert_eq!((c.record().await, a.record().await), (vec![vec![0, 1], vec![2, 3]], vec![]));
    assert_eq!(end_of(b.stage()).await, Some(Exit::Normal));
    assert_eq!(end_of(a.stage()).await, None);
}

#[tokio::test(start_paused = true)]
async fn rule_14_the_last_stage_is_awaited_with_a_limit() {
    let log = Log::capture();
    let (a, (c, _gate)) = (producer(0..4), held_consumer("C"));
    c.subscribe(&a, demand(0, 4)).unwrap();
    settle().await;
    a.stop();
    // The consumer never finishes its events, so the whole limit passes.
    let begin = tokio::time::Instant::now();
    assert_eq!(c.stopped_within(STOP_LIMIT).await, Exit::Killed);
    assert_eq!(begin.elapsed(), Duration::from_secs(30));
    let killed = "WARN C has not stopped within 30 s, and is killed stage=C";
    assert!(log.lines().iter().any(|line| line == killed));

    let (a, c) = (producer(0..4), consumer("C"));
    c.subscribe(&a, demand(0, 4)).unwrap();
    settle().await;
    a.stop();
    assert_eq!(c.stopped_within(STOP_LIMIT).await, Exit::Normal);
}

#[tokio::test(start_paused = true)]
async fn a_crash_is_logged_and_told_to_whoever_awaits_the_end() {
    let log = Log::capture();
    let a = producer(0..0);
    a.cast(Order::Panic);
    let exit = end_of(a.stage()).await.unwrap();
    assert_eq!(exit, crashed("A", "out of order"));
    assert_eq!(log.lines(), ["ERROR A crashed: out of order stage=A"]);
    let error = exit.ok().unwrap_err();
    assert_eq!(error.to_string(), "A crashed: out of order");
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_ends_with_another_names_the_one_that_crashed() {
    let (a, c) = (producer(0..0), consumer("C"));
    c.subscribe(&a, demand(0, 10)).unwrap();
    settle().await;
    let log = Log::capture();
    a.cast(Order::Panic);
    let exit = end_of(c.stage()).await.unwrap();
    assert_eq!(exit.ok().unwrap_err().to_string(), "A crashed: out of order");
    assert_eq!(
        log.lines(),
        [
            "ERROR A crashed: out of order stage=A",
            "ERROR C ends too, because A crashed: out of order stage=C",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_crashes_leaves_its_producer_to_others() {
    let (mut a, (c1, gate), mut c2) = (producer(0..3), held_consumer("C1"), consumer("C2"));
    c1.subscribe(&a, demand(0, 3)).unwrap();
    settle().await;
    gate.close();
    assert_eq!(end_of(c1.stage()).await, Some(crashed("C1", "its gate is closed")));
    assert_eq!(end_of(a.stage()).await, None);

    c2.subscribe(&a, demand(0, 3)).unwrap();
    assert_eq!(a.record().await, [3, 3]);
    a.emit(3..6).await;
    assert_eq!(c2.record().await, [[3, 4, 5]]);
}

#[tokio::test(start_paused = true)]
async fn kill_ends_a_stage_in_the_middle_of_an_event() {
    let log = Log::capture();
    let (a, (mut c, gate)) = (producer(0..4), held_consumer("C"));
    c.subscribe(&a, demand(2, 4)).unwrap();
    assert_eq!(c.record().await, [[0, 1]]);
    c.kill();
    assert_eq!(end_of(c.stage()).await, Some(Exit::Killed));
    // The caller of `kill` knows of the end, but not of the events that the stage had not begun.
    assert_eq!(log.lines(), ["WARN C ended with 2 undelivered events stage=C lost=2"]);
    assert_eq!(c.stage().lost(), 2);
    assert_eq!(end_of(a.stage()).await, None);

    open(&gate);
    assert!(c.record().await.is_empty(), "2 and 3 are not handled any more");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_takes_its_stage_with_it_and_one_that_ends_does_not() {
    let (a, c) = (producer(0..0), consumer("C"));
    c.subscribe(&a, demand(0, 10)).unwrap();
    assert_eq!(a.spawn(async { 7 }).await.unwrap(), 7);
    settle().await;
    assert_eq!(end_of(a.stage()).await, None);

    let task = a.spawn(async { panic!("out of events") });
    assert!(task.await.unwrap_err().is_panic());
    assert_eq!(end_of(a.stage()).await, Some(Exit::Killed));
    assert_eq!(end_of(c.stage()).await, Some(Exit::Killed));
}

#[tokio::test(start_paused = true)]
async fn all_stopped_waits_for_all_and_tells_of_the_first_failure() {
    let consumers = [consumer("C1"), consumer("C2"), consumer("C3")];
    let handles = consumers.each_ref().map(|consumer| (**consumer).clone());
    consumers[0].stop();
    consumers[1].kill();
    let waiting = tokio::spawn(async move { all_stopped(&handles).await });
    settle().await;
    assert!(!waiting.is_finished());
    consumers[2].stop();
    assert!(waiting.await.unwrap().is_err());
}
