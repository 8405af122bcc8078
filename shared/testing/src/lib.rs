//! For tests only.
//!
//! | module | task |
//! |---|---|
//! | `transcript` | runs the commands that a README shows, and compares their output with the README |
//! | `fault_proxy` | stands in front of an SQS and S3, and breaks requests and answers (feature `fault-proxy`) |
//! | `otlp` | takes traces and metrics, as an OpenTelemetry collector does (feature `otlp`) |
//! | `property` | checks properties of every input, with random ones (feature `property`) |

#[cfg(feature = "fault-proxy")]
pub mod fault_proxy;
#[cfg(feature = "otlp")]
pub mod otlp;
#[cfg(feature = "property")]
pub mod property;
pub mod transcript;
