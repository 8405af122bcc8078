//! Shows progress in a line at the bottom of a terminal.

use std::io::{self, IsTerminal};
use std::sync::OnceLock;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessages;
use futures_util::future::join_all;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use tokio::time::{Instant, interval};

use crate::aws::Queue;
use crate::results::Results;
use crate::{logging, watch};

/// There is one terminal, and log lines must not be written into the progress line.
static LINE: OnceLock<ProgressBar> = OnceLock::new();

/// How often the line is drawn, and how often SQS is asked for the number of waiting messages.
const DRAWN: Duration = Duration::from_millis(250);
const ASKED: Duration = Duration::from_secs(1);

/// Shows progress until [`clear`]. Does nothing unless standard output and standard error are
/// terminals, or with `--watch`.
pub(crate) fn show(results: &Results, queues: &[Queue]) {
    if !io::stderr().is_terminal() || !io::stdout().is_terminal() || watch::is_on() {
        return;
    }
    let line = LINE.get_or_init(|| ProgressBar::new(0).with_style(style()));
    logging::write_by(|write| match LINE.get() {
        Some(line) => line.suspend(write),
        None => write(),
    });
    tokio::spawn(draw(line, results.clone(), queues.to_vec()));
}

/// The work is done, so the line disappears.
pub(crate) fn clear() {
    if let Some(line) = LINE.get() {
        line.finish_and_clear();
    }
}

fn style() -> ProgressStyle {
    let style = ProgressStyle::with_template("{spinner} {pos} of {len} files, {msg}, {elapsed}");
    style.unwrap_or_else(|_| ProgressStyle::default_bar())
}

async fn draw(line: &ProgressBar, results: Results, queues: Vec<Queue>) {
    let started = Instant::now();
    let (mut waiting, mut asked) = (0, None::<Instant>);
    let mut now_and_then = interval(DRAWN);
    while !line.is_finished() {
        now_and_then.tick().await;
        if asked.is_none_or(|asked| asked.elapsed() > ASKED) {
            let counts = join_all(queues.iter().map(messages_in)).await;
            waiting = counts.into_iter().sum::<Option<u64>>().unwrap_or(waiting);
            asked = Some(Instant::now());
        }
        let done = results.files_done();
        let megabytes = results.bytes() / 1_000_000;
        let speed = megabytes / started.elapsed().as_secs().max(1);
        line.set_position(done);
        // This counts each message as one file. A message can announce several, but seldom does.
        let in_flight = queues.first().map_or(0, |queue| queue.in_flight.len()) as u64;
        line.set_length(done + in_flight + waiting);
        line.set_message(format!("{} lines, {speed} MB/s", HumanCount(results.lines())));
        line.tick();
    }
}

async fn messages_in(queue: &Queue) -> Option<u64> {
    let attributes = queue.client.get_queue_attributes().queue_url(&queue.url);
    let answer = attributes.attribute_names(ApproximateNumberOfMessages).send().await.ok()?;
    answer.attributes()?.get(&ApproximateNumberOfMessages)?.parse().ok()
}
