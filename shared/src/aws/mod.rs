//! SQS and S3: which ones, how to reach them, and what S3 says through SQS.

mod args;
mod backoff;
mod check;
mod clients;
pub mod notification;
mod queue;
mod receipt;
mod why;

pub use args::{AwsArgs, readable_file};
pub use backoff::Backoff;
pub use check::CheckArgs;
pub use clients::{Clients, ConnectError};
pub use notification::S3Object;
pub use queue::Queue;
pub use receipt::Receipt;
pub use why::why;

/// What a step works on.
#[derive(Clone, Debug)]
pub struct Aws {
    /// The queue that is told of new objects.
    pub queue: Queue,
    /// The S3 that has them.
    pub s3: aws_sdk_s3::Client,
}
