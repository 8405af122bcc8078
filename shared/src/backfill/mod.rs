//! `--backfill`: sends a message for each object that was in a bucket before the bucket told the queue of new ones.
//!
//! ```text
//!                   ask for 100
//!     S3 ◀── Listing ◀──────── Sender ──▶ SQS
//!            producer ═══════▶ consumer
//! ```
//!
//! The messages go into the very queue that the bucket tells of new objects, so retries, leases and the dead-letter
//! queue hold for them too, and any number of processes can work on them. Demand sets the pace: S3 is asked for the next
//! page when the sender wants more objects than are listed. So one page is in memory, however many objects there are,
//! and if SQS takes no more, S3 is asked for no more.
//!
//! | File | Contents |
//! |---|---|
//! | `mod.rs` | the arguments, and the two stages at work |
//! | `listing` | the producer: pages of objects, on demand |
//! | `pages` | asks S3 for a page |
//! | `sender` | the consumer: messages, ten with a request |
//! | `message` | the message about an object, as S3 itself would send it |
//! | `progress` | how far it is, and with which arguments another run goes on |

mod listing;
mod message;
mod pages;
mod progress;
mod sender;

use std::fmt;
use std::str::FromStr;

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use clap::Args;
use stage::SubscribeOptions;

use crate::aws::{Aws, Buckets};
use crate::job::JobArgs;
use crate::{Error, UsageError, stop_signal};

use listing::Listing;
use pages::Pages;
use progress::Progress;
use sender::{AT_ONCE, Sender};

/// Which objects to send messages for. The commands of a step have these among their arguments.
#[derive(Args, Clone, Debug)]
pub struct BackfillArgs {
    /// Send a message to the queue for each object that is there, and end; for objects that are older than the bucket's
    /// notification. Files that are processed already are not downloaded again
    ///
    /// If it is stopped, the last line says with which arguments it goes on.
    #[arg(long, value_name = "s3://BUCKET/PREFIX", conflicts_with_all = ["check", "watch", "until_idle"], help_heading = "Backfill")]
    backfill: Option<Place>,

    /// Only objects whose keys come after this one, in S3's order
    #[arg(long, value_name = "KEY", requires = "backfill", help_heading = "Backfill")]
    start_after: Option<String>,

    /// Only objects that were created or replaced then or later: 2026-07-31, or 2026-07-31T08:00:00Z
    #[arg(long, value_name = "TIME", requires = "backfill", value_parser = time, help_heading = "Backfill")]
    modified_since: Option<DateTime>,
}

/// A bucket, and how the keys in it begin.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    bucket: String,
    prefix: String,
}

/// An object that S3 has listed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    key: String,
    /// In a bucket with versions.
    version_id: Option<String>,
    etag: Option<String>,
    size: i64,
    modified: Option<DateTime>,
}

/// Messages about this bucket would all be put aside.
#[derive(Debug, thiserror::Error)]
#[error(
    "the bucket {bucket} is not among those whose files are read ({allowed}): allow it with --allow-bucket"
)]
pub struct NotAllowed {
    bucket: String,
    allowed: Buckets,
}

const NO_QUEUE: &str = "--backfill sends messages to a queue of yours, and the embedded one ends with the program: name yours \
    with --queue-url or SQS_QUEUE_URL";

const SEVERAL_QUEUES: &str = "--backfill sends messages to one queue, and several are given: name one of them \
    with --queue-url, which counts more than SQS_QUEUE_URL";

impl BackfillArgs {
    /// Whether `--backfill` is given.
    pub(crate) fn is_asked_for(&self) -> bool {
        self.backfill.is_some()
    }

    /// Sends the messages, until all are sent or the program is told to stop.
    ///
    /// # Errors
    ///
    /// If not all messages are sent.
    pub(crate) async fn run(&self, job: &JobArgs) -> Result<(), Error> {
        let Some(place) = &self.backfill else { return Ok(()) };
        job.aws.init()?;
        if !job.aws.is_real() {
            return Err(UsageError::new(NO_QUEUE).into());
        }
        if job.aws.given_queue_urls().len() > 1 {
            return Err(UsageError::new(SEVERAL_QUEUES).into());
        }
        let Aws { queue, s3 } = job.aws.connect().await?;
        let allowed = Buckets::allowed(&job.allow_buckets, queue.policy.as_deref());
        if !allowed.allow(&place.bucket) {
            return Err(NotAllowed { bucket: place.bucket.clone(), allowed }.into());
        }
        let progress = Progress::of(self.clone());
        let listing = Listing::start(Pages::of(s3, place, self), &progress);
        let sender = Sender::start(queue, &place.bucket, &progress);
        // When it has sent all that it asked for, it asks for as many again.
        let demand = SubscribeOptions::default().max_demand(AT_ONCE).min_demand(0);
        sender.subscribe(&listing, demand)?;
        tokio::select! {
            () = stop_signal() => progress.stop(),
            () = progress.stopping().cancelled() => {}
            _ = sender.stopped() => {}
        }
        // The consumer still sends the messages for the objects that it has. It stops when its producer does.
        listing.stop();
        sender.stopped().await.ok()?;
        progress.end()
    }
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        let place = given.strip_prefix("s3://").ok_or("it must begin with s3://")?;
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        if bucket.is_empty() {
            return Err("it names no bucket: s3://BUCKET/PREFIX");
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

/// Parses a time, or a day, which begins at midnight in UTC.
fn time(given: &str) -> Result<DateTime, &'static str> {
    let midnight = format!("{given}T00:00:00Z");
    let read = |given| DateTime::from_str(given, DateTimeFormat::DateTimeWithOffset);
    read(given)
        .or_else(|_| read(&midnight))
        .map_err(|_| "it can be a day or a time: 2026-07-31, 2026-07-31T08:00:00Z, 2026-07-31T08:00:00+02:00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_bucket_and_the_beginning_of_keys() {
        for (given, bucket, prefix) in [
            ("s3://b", "b", ""),
            ("s3://b/", "b", ""),
            ("s3://b/a b/ü", "b", "a b/ü"),
            ("s3://b//a", "b", "/a"),
        ] {
            let place: Place = given.parse().unwrap();
            assert_eq!((place.bucket.as_str(), place.prefix.as_str()), (bucket, prefix));
        }
        for wrong in ["", "b/p", "s3://", "s3:///p", "https://b/p"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_day_begins_at_midnight() {
        let seconds = |given| time(given).unwrap().secs();
        assert_eq!(seconds("1970-01-02"), 86_400);
        assert_eq!(seconds("1970-01-01T00:00:01Z"), 1);
        assert_eq!(seconds("1970-01-01T02:00:00+02:00"), 0);
        for wrong in ["", "yesterday", "1970-01-02T", "1970-13-01", "1970-01-02 00:00:00"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
