//! A tracing subscriber can see the work of a stage.

use tracing::Level;

use super::*;

#[tokio::test(start_paused = true)]
async fn asks_and_dispatches_are_events_with_counts() {
    let log = Log::capture_from(Level::TRACE);
    let (a, mut c) = (producer(0..3), consumer("C"));
    let id = c.subscribe(&a, demand(0, 2)).unwrap().number();
    let task = a.stage().task.id();
    assert_eq!(c.record().await, [vec![0, 1], vec![2]]);
    assert_eq!(
        log.lines(),
        [
            format!(
                r#"TRACE ask stage="C" producer="A" producer_task={task} subscription={id} count=2"#
            ),
            r#"TRACE emit stage="A" count=2"#.to_owned(),
            format!(r#"TRACE dispatch stage="A" consumer="C" subscription={id} count=2"#),
            format!(
                r#"TRACE ask stage="C" producer="A" producer_task={task} subscription={id} count=2"#
            ),
            r#"TRACE emit stage="A" count=1"#.to_owned(),
            format!(r#"TRACE dispatch stage="A" consumer="C" subscription={id} count=1"#),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_in_the_buffer_and_the_end_of_a_stage_are_events() {
    let log = Log::capture_from(Level::TRACE);
    let (a, mut c) = (producer(0..0), consumer("C"));
    a.emit(0..3).await;
    assert_eq!(
        log.lines(),
        [r#"TRACE emit stage="A" count=3"#, r#"TRACE buffer stage="A" count=3"#]
    );
    c.subscribe(&a, demand(0, 2)).unwrap();
    assert_eq!(c.record().await, [vec![0, 1], vec![2]]);
    let buffered = |line: &String| line.starts_with("TRACE buffer");
    let lines: Vec<_> = log.lines().into_iter().filter(buffered).collect();
    assert_eq!(lines, [r#"TRACE buffer stage="A" count=1"#, r#"TRACE buffer stage="A" count=0"#]);

    c.kill();
    settle().await;
    assert_eq!(log.lines(), [r#"TRACE stop stage="C" exit=was killed"#]);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_subscription_asks_for_nothing_more() {
    let log = Log::capture_from(Level::TRACE);
    let (a, (c, gate)) = (producer(0..0), held_consumer("C"));
    let id = c.subscribe(&a, demand(1, 2).cancel(CancelMode::Temporary)).unwrap();
    settle().await;
    a.emit(0..1).await;
    a.emit(1..2).await;
    log.lines();
    // The second event is in the mailbox before the producer confirms.
    c.cancel(id);
    open(&gate);
    settle().await;
    assert!(!log.lines().iter().any(|line| line.starts_with("TRACE ask")));
}

/// A line that a stage logs while it handles events is within a span, which says so.
#[tokio::test(start_paused = true)]
async fn what_is_logged_while_handling_is_in_a_span_with_the_stage_and_the_count() {
    struct Talker;

    impl Consumer for Talker {
        type Event = u32;

        async fn handle_events(&mut self, _events: Vec<u32>) {
            tracing::info!("hello");
        }
    }

    let log = Log::capture_from(Level::TRACE);
    let a = producer(0..2);
    let c = named("C").start_consumer(Talker);
    let id = c.subscribe(&a, demand(0, 2)).unwrap().number();
    settle().await;
    let hello = format!(r#"INFO handle_events{{stage="C" subscription={id} count=2}}: hello"#);
    assert!(log.lines().contains(&hello));
}

#[tokio::test(start_paused = true)]
async fn a_stage_and_the_tasks_of_a_consumer_supervisor_run_in_the_span_in_which_they_were_started()
{
    struct Talker;

    impl Consumer for Talker {
        type Event = u32;

        async fn handle_events(&mut self, _events: Vec<u32>) {
            tracing::info!("consumer");
        }
    }

    let log = Log::capture();
    let a = producer(0..2);
    let (c, s) = tracing::info_span!("request", id = 7).in_scope(|| {
        let s = named("S").start_consumer_supervisor(Restart::Temporary, |_: u32| async {
            tracing::info!("task");
        });
        (named("C").start_consumer(Talker), s)
    });
    c.subscribe(&a, demand(0, 1)).unwrap();
    s.subscribe(&a, demand(0, 1)).unwrap();
    settle().await;
    assert_eq!(log.lines(), ["INFO request{id=7}: consumer", "INFO request{id=7}: task"]);
}
