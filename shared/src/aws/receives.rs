//! Several receives at the same time.

use std::error::Error;
use std::sync::Arc;

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::{Backoff, why};

/// Receives that are under way at the same time. All of them have to be waited for: a receive must not
/// be dropped.
#[derive(Debug)]
pub struct Receives<F> {
    under_way: FuturesUnordered<F>,
    /// Why the last one that failed did so.
    failure: Option<String>,
    backoff: Arc<Mutex<Backoff>>,
}

impl<F: Future> Receives<F> {
    pub(super) fn new(receives: impl Iterator<Item = F>, backoff: Arc<Mutex<Backoff>>) -> Self {
        Self { under_way: receives.collect(), failure: None, backoff }
    }

    /// What the next of them to come back has brought. `None` when all are back.
    pub async fn next<T, E>(&mut self) -> Option<T>
    where
        F: Future<Output = Result<T, SdkError<E>>>,
        E: ProvideErrorMetadata + Error + 'static,
    {
        loop {
            match self.under_way.next().await? {
                Ok(received) => return Some(received),
                Err(error) => self.failure = Some(why(&error)),
            }
        }
    }

    /// If one of them failed, waits, but no longer than until `terminate`. The more often in a row that
    /// happens, the longer it waits.
    pub async fn back_off(self, terminate: &CancellationToken) {
        let mut backoff = self.backoff.lock().await;
        match self.failure {
            None => backoff.succeeded(),
            Some(reason) => {
                terminate.run_until_cancelled(backoff.failed(reason)).await;
            }
        }
    }
}
