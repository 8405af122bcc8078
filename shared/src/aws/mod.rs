//! SQS and S3: which ones, how to reach them, and what S3 says through SQS.

use std::time::Duration;

mod args;
mod backoff;
mod check;
mod clients;
mod deletion;
mod download;
mod lease;
pub mod notification;
mod queue;
mod receipt;
mod receives;
mod share;
mod transient;
mod why;

pub use args::{AwsArgs, readable_file};
pub use backoff::Backoff;
pub use check::CheckArgs;
pub use clients::{Clients, ConnectError};
pub use download::Download;
pub(crate) use download::Replaced;
pub use notification::S3Object;
pub use queue::Queue;
pub use receipt::Receipt;
pub use receives::Receives;
pub use share::Share;
pub use why::why;

use crate::contents::Limits;

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
    /// How large its files may be.
    pub limits: Limits,
}
