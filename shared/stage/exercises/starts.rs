//! The exercises as they start. Each has a test that fails; a test of `cargo x` looks at that.

#[path = "back_off/start.rs"]
mod back_off;
#[path = "buffer/start.rs"]
mod buffer;
#[path = "demand/start.rs"]
mod demand;
#[path = "fair/start.rs"]
mod fair;
#[path = "fan_out/start.rs"]
mod fan_out;
#[path = "lost_demand/start.rs"]
mod lost_demand;
#[path = "restart/start.rs"]
mod restart;
#[path = "stop/start.rs"]
mod stop;
