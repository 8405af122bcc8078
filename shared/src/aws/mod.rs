//! SQS and S3: which ones to use, how to reach them, and how to read S3's messages from SQS.
//!
//! | file | content |
//! |---|---|
//! | `args` | the settings of steps 06–09, and connecting |
//! | `clients` | the SDK's clients, configured like every AWS tool |
//! | `address`, `http` | where SQS and S3 are, and the way there: certificates and proxies |
//! | `queue` | a queue, and how to receive from it |
//! | `notification`, `event` | which objects a message announces |
//! | `buckets`, `policy` | which buckets may be read, and which the queue's access policy names |
//! | `sender` | the trace of the program that sent a message |
//! | `selection` | which files are processed |
//! | `sources` | the state that the queues of a program share |
//! | `in_flight` | the messages that are received, but neither deleted nor given back |
//! | `delivery` | one event, and the four ways in which it ends |
//! | `rate` | how many files are begun in a second |
//! | `released` | messages whose events are done, in batches, for the loop that deletes |
//! | `receipts` | which messages stay in the queue because they could not be kept hidden or deleted |
//! | `lease` | keeps messages in flight hidden from other receivers |
//! | `dead_letters` | sends messages to the dead-letter queue if no retry can help them |
//! | `download` | an object's bytes, across broken connections |
//! | `meter` | measures how long S3 takes to answer |
//! | `failure` | why an object could not be processed |
//! | `backoff`, `transient`, `why` | growing waits, which errors are transient, and errors in words |

use std::time::Duration;

mod address;
mod args;
mod backoff;
mod buckets;
mod clients;
mod dead_letters;
mod delivery;
mod download;
mod event;
mod failure;
mod http;
mod in_flight;
mod lease;
mod meter;
pub mod notification;
pub(crate) mod policy;
#[cfg(test)]
mod properties;
mod queue;
mod rate;
mod receipts;
mod released;
mod selection;
#[cfg(any(feature = "otel", test))]
pub(crate) mod sender;
mod sources;
mod transient;
mod why;

pub(crate) use address::is_at_aws;
pub use args::AwsArgs;
pub(crate) use args::takes_negative_numbers;
pub use backoff::Backoff;
pub(crate) use buckets::{Buckets, is_pattern, name_or_pattern};
pub(crate) use clients::Configured;
pub use clients::{Clients, ConnectError};
pub use delivery::Delivery;
pub use download::Download;
pub(crate) use download::{Replaced, other_region};
pub(crate) use event::decode_key;
pub use failure::Failure;
#[cfg(feature = "otel")]
pub(crate) use http::Http;
pub use in_flight::{ATTRIBUTES, InFlight};
pub(crate) use in_flight::{Failed, Outcomes};
pub(crate) use meter::{Measured, Meter};
pub use notification::S3Object;
pub use queue::Queue;
pub(crate) use rate::{PerSecond, Rate};
pub use released::{Batch, Released};
pub(crate) use selection::Selection;
pub(crate) use transient::is_transient;
pub(crate) use why::is_denied;
pub use why::why;

/// The most messages that one request can receive, send, delete, or change the visibility of.
pub(crate) const BATCH: usize = 10;
/// How long a deletion or a change waits for others to form a batch with.
const BATCH_WAIT: Duration = Duration::from_millis(200);

/// The services that a step works with.
#[derive(Clone, Debug)]
pub struct Aws {
    /// The queue that announces new objects.
    pub queue: Queue,
    /// The S3 that stores them.
    pub s3: aws_sdk_s3::Client,
}
