//! Step 9 with another `consumer.rs`: the errors in files of JSON lines go into new objects.
//!
//! ```text
//! cargo run -p own_work --bin filter -- --until-idle FILES…
//! ```

mod consumer;

include!(concat!(env!("OUT_DIR"), "/step09.rs"));
