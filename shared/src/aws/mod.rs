//! SQS and S3: which ones, how to reach them, and what S3 says through SQS.
//!
//! | file | content |
//! |---|---|
//! | `args` | the settings of steps 06–09, and connecting |
//! | `clients` | the SDK's clients, configured as every AWS tool is |
//! | `queue` | a queue, and how to receive from it |
//! | `notification` | which objects a message tells of |
//! | `in_flight` | the messages that are received, and neither deleted nor given back |
//! | `delivery` | one event, and the four ways in which it ends |
//! | `released` | messages whose events are done, in batches, for the loop that deletes |
//! | `lease` | keeps messages in flight hidden from other receivers |
//! | `dead_letters` | puts messages aside that no other try can help |
//! | `download` | an object's bytes, past broken connections |
//! | `failure` | why an object could not be processed |
//! | `backoff`, `transient`, `why` | longer and longer waits, which errors pass, and errors in words |

use std::time::Duration;

mod args;
mod backoff;
mod clients;
mod dead_letters;
mod delivery;
mod download;
mod failure;
mod in_flight;
mod lease;
pub mod notification;
mod queue;
mod released;
mod transient;
mod why;

pub use args::{AwsArgs, readable_file};
pub use backoff::Backoff;
pub use clients::{Clients, ConnectError};
pub(crate) use clients::{Configured, region_in};
pub use delivery::Delivery;
pub use download::Download;
pub(crate) use download::Replaced;
pub use failure::Failure;
pub use in_flight::{ATTRIBUTES, InFlight};
pub use notification::S3Object;
pub use queue::Queue;
pub(crate) use queue::VISIBILITY_TIMEOUT;
pub use released::{Batch, Released};
pub(crate) use why::is_denied;
pub use why::why;

/// The most messages that SQS receives, deletes, or changes the visibility of, in one request.
const BATCH: usize = 10;
/// How long something waits for others that make up a batch with it.
const BATCH_WAIT: Duration = Duration::from_millis(200);

/// What a step works on.
#[derive(Clone, Debug)]
pub struct Aws {
    /// The queue that is told of new objects.
    pub queue: Queue,
    /// The S3 that has them.
    pub s3: aws_sdk_s3::Client,
}
