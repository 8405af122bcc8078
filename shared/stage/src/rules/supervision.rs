//! Groups of stages that fail and are started again.

use std::convert::Infallible;

use super::*;
use crate::supervisor::TooManyRestarts;

/// A group of two stages, and the record of its starts.
type Group = Probe<(), [ProducerProbe; 2]>;

fn start_group(supervisor: &mut Supervisor, name: &str) -> Group {
    let (starts, record) = unbounded_channel();
    supervisor.start_group(name, move || {
        let pair = [producer(0..0), producer(0..0)];
        let stages = pair.iter().map(|stage| stage.stage()).collect();
        let _ = starts.send(pair);
        Ok::<_, Infallible>(stages)
    });
    Probe::new((), record)
}

impl Group {
    /// Returns the stages of the only start since the last call.
    async fn started(&mut self) -> [ProducerProbe; 2] {
        let mut starts = self.record().await;
        assert_eq!(starts.len(), 1);
        starts.remove(0)
    }

    async fn crash(&mut self) {
        let [a, _] = self.started().await;
        a.cast(Order::Panic);
        assert!(end_of(a.stage()).await.is_some());
    }
}

/// Returns how the supervisor ended, or `None` if it goes on.
async fn end_of_all(supervisor: &mut Supervisor) -> Option<Result<(), TooManyRestarts>> {
    timeout(MOMENT, supervisor.stopped()).await.ok()
}

#[tokio::test(start_paused = true)]
async fn a_group_is_restarted_as_a_unit_while_others_go_on() {
    let log = Log::capture();
    let mut supervisor = Supervisor::default();
    let [mut one, mut two] = ["One", "Two"].map(|name| start_group(&mut supervisor, name));
    let ([a, other], [b, _]) = (one.started().await, two.started().await);

    a.cast(Order::Panic);
    assert_eq!(end_of(other.stage()).await, Some(Exit::Killed));
    for stage in one.started().await {
        assert_eq!(end_of(stage.stage()).await, None);
    }
    assert!(two.record().await.is_empty());
    assert_eq!(end_of(b.stage()).await, None);
    assert_eq!(
        log.lines(),
        [
            "ERROR A crashed: out of order stage=A",
            "WARN restarting One: A crashed: out of order group=One",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_normal_end_is_not_restarted() {
    let mut supervisor = Supervisor::default();
    let mut group = start_group(&mut supervisor, "One");
    let [a, other] = group.started().await;
    a.stop();
    assert_eq!(end_of(other.stage()).await, None, "it may still have work to do");
    assert!(end_of_all(&mut supervisor).await.is_none());

    other.stop();
    assert!(end_of_all(&mut supervisor).await.unwrap().is_ok());
    assert!(group.record().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_stopped_delivers_what_it_has_and_is_not_restarted() {
    let mut supervisor = Supervisor::default();
    let [mut one, mut two] = ["One", "Two"].map(|name| start_group(&mut supervisor, name));
    let ([a, other], [b, _]) = (one.started().await, two.started().await);
    let mut c = consumer("C");
    a.cast(Order::Emit((0..3).collect()));
    c.subscribe(&a, SubscribeOptions::default().max_demand(1).cancel(CancelMode::Temporary))
        .unwrap();
    supervisor.stop_group("One");
    assert_eq!(end_of(other.stage()).await, Some(Exit::Normal));
    assert_eq!(end_of(a.stage()).await, Some(Exit::Normal));
    assert_eq!(c.record().await.concat()[..3], [0, 1, 2]);
    assert_eq!(end_of(b.stage()).await, None, "the other group goes on");
    let running = supervisor.groups().iter().map(|group| group.is_running).collect::<Vec<_>>();
    assert_eq!(running, [false, true]);

    let mut three = start_group(&mut supervisor, "Three");
    three.started().await;
    let names = supervisor.groups().into_iter().map(|group| group.name).collect::<Vec<_>>();
    assert_eq!(names, ["Three", "Two"], "nothing is kept of what was stopped");

    supervisor.stop_group("nobody");
    supervisor.stop_group("Two");
    supervisor.stop_group("Three");
    assert!(end_of_all(&mut supervisor).await.unwrap().is_ok());
    assert!(one.record().await.is_empty() && two.record().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_group_that_fails_while_it_stops_is_not_restarted() {
    let log = Log::capture();
    let mut supervisor = Supervisor::default();
    let mut one = start_group(&mut supervisor, "One");
    let [a, _] = one.started().await;
    a.cast(Order::Panic);
    supervisor.stop_group("One");
    assert!(end_of_all(&mut supervisor).await.unwrap().is_ok());
    assert!(one.record().await.is_empty());
    let lines = log.lines();
    assert!(
        lines.iter().any(|line| line.contains("One was stopping, and is not restarted: A crashed")),
        "{lines:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_after_a_normal_end_restarts_the_whole_group() {
    let mut supervisor = Supervisor::default();
    let mut group = start_group(&mut supervisor, "One");
    let [a, other] = group.started().await;
    a.stop();
    settle().await;
    other.kill();
    for stage in group.started().await {
        assert_eq!(end_of(stage.stage()).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_whose_producer_is_gone_is_done() {
    let mut supervisor = Supervisor::default();
    let a = producer(0..0);
    let gone = a.clone();
    let (starts, record) = unbounded_channel();
    supervisor.start_group("One", move || {
        let c = consumer("C");
        let _ = starts.send(());
        c.subscribe(&gone, SubscribeOptions::default()).map(|_| vec![c.stage()])
    });
    settle().await;

    // The group fails with the producer, is started again, and finds no producer.
    a.kill();
    assert!(end_of_all(&mut supervisor).await.unwrap().is_ok());
    assert_eq!(Probe::new((), record).record().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn more_than_3_restarts_in_5_seconds_are_too_many_for_all_groups_together() {
    let log = Log::capture();
    let mut supervisor = Supervisor::default();
    let [mut one, mut two, mut three] =
        ["One", "Two", "Three"].map(|name| start_group(&mut supervisor, name));
    let bystanders = three.started().await;

    one.crash().await;
    sleep(Duration::from_millis(1500)).await;
    two.crash().await;
    sleep(Duration::from_millis(1500)).await;
    one.crash().await;
    sleep(Duration::from_millis(1500)).await;
    assert!(end_of_all(&mut supervisor).await.is_none());
    two.crash().await;

    let error = end_of_all(&mut supervisor).await.unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "gave up, since restarts were of no use: One: A crashed: out of order; Two: A crashed: out of order"
    );
    for stage in bystanders.iter().chain(&one.started().await) {
        assert_eq!(end_of(stage.stage()).await, Some(Exit::Killed));
    }
    assert!(two.record().await.is_empty());
    let giving_up = "ERROR giving up on Two: A crashed: out of order group=Two".to_owned();
    assert!(log.lines().contains(&giving_up));
}

#[tokio::test(start_paused = true)]
async fn restarts_of_more_than_5_seconds_ago_do_not_count() {
    let mut supervisor = Supervisor::default();
    let mut group = start_group(&mut supervisor, "One");
    for _ in 0..3 {
        for _ in 0..3 {
            group.crash().await;
        }
        sleep(Duration::from_secs(5)).await;
    }
    assert!(end_of_all(&mut supervisor).await.is_none());
    group.started().await;
}

#[tokio::test(start_paused = true)]
async fn a_group_that_cannot_start_fails_too() {
    let log = Log::capture();
    let mut supervisor = Supervisor::default();
    supervisor.start_group("One", || Err("no luck"));
    assert!(end_of_all(&mut supervisor).await.unwrap().is_err());

    let restarting = "WARN restarting One: it cannot start: no luck group=One";
    let giving_up = "ERROR giving up on One: it cannot start: no luck group=One";
    assert_eq!(log.lines(), [restarting, restarting, restarting, giving_up]);
}

#[tokio::test(start_paused = true)]
async fn what_runs_and_what_was_restarted_and_why_can_be_asked_for() {
    let mut supervisor = Supervisor::default();
    let [mut one, mut two] = ["One", "Two"].map(|name| start_group(&mut supervisor, name));
    two.started().await;
    one.crash().await;
    for stage in one.started().await {
        stage.stop();
    }
    settle().await;
    let status = |name: &str, is_running, restarts, last_failure: Option<&str>| GroupStatus {
        name: name.to_owned(),
        is_running,
        restarts,
        last_failure: last_failure.map(Into::into),
    };
    let one = status("One", false, 1, Some("A crashed: out of order"));
    assert_eq!(supervisor.groups(), [one, status("Two", true, 0, None)]);
}

#[tokio::test(start_paused = true)]
async fn the_intensity_can_be_set() {
    let mut supervisor = Supervisor::with_intensity(1, Duration::from_hours(1));
    let mut group = start_group(&mut supervisor, "One");
    group.crash().await;
    sleep(Duration::from_mins(59)).await;
    group.crash().await;
    assert!(end_of_all(&mut supervisor).await.unwrap().is_err());
}
