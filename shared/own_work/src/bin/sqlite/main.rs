//! Step 9 with another `consumer.rs`: the rows of CSV files go into a database.
//!
//! ```text
//! cargo run -p own_work --bin sqlite -- --until-idle FILES…
//! ```

mod consumer;

include!(concat!(env!("OUT_DIR"), "/step09.rs"));
