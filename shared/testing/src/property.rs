//! Properties that hold for every input, checked with random ones.

use std::env;
use std::time::{Duration, Instant};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestRunner};

/// For how many seconds each property is checked. Without it, each takes as many inputs as its test says.
pub const SECONDS: &str = "PALLETO_PROPERTY_SECONDS";

/// Checks a property with this many random inputs. With `PALLETO_PROPERTY_SECONDS`, it takes as many again until those
/// seconds have passed.
///
/// # Panics
///
/// If the property panics for one of the inputs. The message has the simplest input for which it does.
pub fn holds_for_all<S: Strategy>(cases: u32, inputs: &S, property: impl Fn(S::Value)) {
    let seconds = env::var(SECONDS).ok().and_then(|seconds| seconds.parse().ok());
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(0));
    loop {
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        let checked = TestRunner::new(config).run(inputs, |input| {
            property(input);
            Ok(())
        });
        if let Err(error) = checked {
            panic!("{error}");
        }
        if Instant::now() >= end {
            break;
        }
    }
}
