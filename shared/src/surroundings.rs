//! The surroundings of a program: SQS and S3, its disk, and the signal to stop.

use std::sync::Arc;

use aws_config::SdkConfig;
use tokio_util::sync::CancellationToken;

use crate::disk::Disk;

tokio::task_local! {
    static SIMULATED: Surroundings;
}

/// The surroundings of a program. A simulation sets them, and can so run several programs in one process. Without them,
/// a program has the SQS and S3 that its arguments name, a real folder, and the signals of its process.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// How to reach SQS and S3.
    pub sdk_config: SdkConfig,
    /// The URL of the queue.
    pub queue_url: String,
    /// The folder for results.
    pub disk: Arc<dyn Disk>,
    /// Cancelled when the program is told to stop.
    pub stop: CancellationToken,
}

impl Surroundings {
    /// Runs a program's `main` in these surroundings.
    pub async fn run<T>(self, main: impl Future<Output = T>) -> T {
        SIMULATED.scope(self, main).await
    }

    /// The simulated surroundings of the current task, if there are any.
    pub(crate) fn simulated() -> Option<Self> {
        SIMULATED.try_with(Clone::clone).ok()
    }
}
