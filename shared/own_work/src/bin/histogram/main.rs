//! Step 9 with another `consumer.rs`: access logs become histograms of their status codes.
//!
//! ```text
//! cargo run -p own_work --bin histogram -- --until-idle FILES…
//! ```

mod consumer;

include!(concat!(env!("OUT_DIR"), "/step09.rs"));
