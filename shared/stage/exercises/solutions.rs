//! The exercises as they are solved: all tests pass.

#[path = "back_off/solution.rs"]
mod back_off;
#[path = "buffer/solution.rs"]
mod buffer;
#[path = "demand/solution.rs"]
mod demand;
#[path = "fair/solution.rs"]
mod fair;
#[path = "fan_out/solution.rs"]
mod fan_out;
#[path = "lost_demand/solution.rs"]
mod lost_demand;
#[path = "restart/solution.rs"]
mod restart;
#[path = "stop/solution.rs"]
mod stop;
