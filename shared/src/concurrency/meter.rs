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
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::controller::Measured;
use crate::aws::InFlight;

/// Sees each attempt of a request: a retry that the SDK makes by itself counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    measured: Mutex<Measured>,
    answered: Notify,
}

#[derive(Debug)]
struct Sent(Instant);

impl Storable for Sent {
    type Storer = StoreReplace<Self>;
}

/// A file has at most this much in memory: the part that is downloaded ahead.
const AHEAD: u64 = 1024 * 1024;
/// How long a measurement lasts.
const MOMENT: Duration = Duration::from_millis(50);

impl Meter {
    /// Waits until S3 has answered, and for a moment more. Returns what was measured `since` then. To drop the future
    /// before then loses nothing.
    pub(super) async fn next(&self, since: &mut Instant, in_flight: &InFlight) -> Measured {
        while *self.0.measured.lock() == Measured::default() {
            self.0.answered.notified().await;
        }
        sleep(MOMENT).await;
        let measured = std::mem::take(&mut *self.0.measured.lock());
        let elapsed = since.elapsed();
        *since = Instant::now();
        Measured { elapsed, dry: in_flight.was_dry(), ..measured }
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
        let mut measured = self.0.measured.lock();
        match response.status().as_u16() {
            // SlowDown, and what other S3s answer.
            429 | 503 => measured.throttled = true,
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
