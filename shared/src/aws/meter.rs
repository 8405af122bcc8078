//! Measures S3: how long it takes to answer, and whether it asks for fewer requests.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::config::interceptors::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use metrics::histogram;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::metrics::ANSWER;

/// S3's answers during a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measured {
    /// How long the moment was.
    pub(crate) elapsed: Duration,
    /// How long S3 took to answer each request.
    pub(crate) latencies: Vec<Duration>,
    /// How many bytes of the files that were requested will be in memory, all together.
    pub(crate) held: u64,
    /// Whether S3 asked for fewer requests.
    pub(crate) throttled: bool,
    /// Whether the queue had fewer messages than were asked for.
    pub(crate) dry: bool,
}

/// Sees each attempt of a request: a retry that the SDK makes by itself counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    measured: Mutex<Measured>,
    since: Mutex<Instant>,
    answered: Notify,
}

impl Default for Inner {
    fn default() -> Self {
        let (measured, answered) = Default::default();
        Self { measured, since: Instant::now().into(), answered }
    }
}

#[derive(Debug)]
struct Sent(Instant);

impl Storable for Sent {
    type Storer = StoreReplace<Self>;
}

/// A file has at most this much in memory: the part that is downloaded ahead.
const AHEAD: u64 = 1024 * 1024;
/// The most answers that are kept for the next call of [`Meter::next`].
const MOST: usize = 10_000;
/// How long a measurement lasts.
const MOMENT: Duration = Duration::from_millis(50);

impl Meter {
    /// Waits until S3 has answered, and for a moment more. Returns the measurements since the last call. Dropping the
    /// future before then loses nothing.
    pub(crate) async fn next(&self) -> Measured {
        while *self.0.measured.lock() == Measured::default() {
            self.0.answered.notified().await;
        }
        sleep(MOMENT).await;
        let measured = std::mem::take(&mut *self.0.measured.lock());
        let elapsed = std::mem::replace(&mut *self.0.since.lock(), Instant::now()).elapsed();
        Measured { elapsed, ..measured }
    }
}

#[dyn_dispatch_hint]
impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "Meter"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        bag.interceptor_state().store_put(Sent(Instant::now()));
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let (Some(response), Some(Sent(sent))) = (context.response(), bag.load::<Sent>()) else {
            return Ok(());
        };
        histogram!(ANSWER).record(sent.elapsed());
        let mut measured = self.0.measured.lock();
        match response.status().as_u16() {
            // S3 says SlowDown with 503, other services with 429.
            429 | 503 => measured.throttled = true,
            _ if measured.latencies.len() >= MOST => {} // Nothing calls `next`.
            _ => measured.latencies.push(sent.elapsed()),
        }
        let length = response.headers().get("content-length");
        let length = length.and_then(|length| length.parse::<u64>().ok());
        measured.held += length.unwrap_or(AHEAD).min(AHEAD);
        drop(measured);
        self.0.answered.notify_one();
        Ok(())
    }
}
