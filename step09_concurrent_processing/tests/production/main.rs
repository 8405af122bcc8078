//! No file is lost, and no file is processed by two receivers at once. The step runs as a process,
//! and a proxy between the step and its SQS and S3 injects faults.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

mod backfill;
mod buckets;
mod concurrency;
mod crashes;
mod failures;
mod leases;
mod outages;
mod poison;
mod queues;
mod rate;
mod redelivery;
mod requests;
mod results_in_s3;
mod scene;
mod stopping;
#[allow(dead_code)] // These tests do not use all of it.
#[path = "../end_to_end/support.rs"]
mod support;
