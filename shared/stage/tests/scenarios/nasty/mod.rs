//! Crashes, kills, races, large numbers, and runtimes that end.
//!
//! | File | Contents |
//! |---|---|
//! | `ends` | a stage that has ended, in any way, has given back everything |
//! | `lost` | events that no stage handles, and how a program learns of them |
//! | `many` | many stages, many events, much demand |
//! | `stop` | an orderly stop, and the stages that can delay its end |
//! | `supervision` | supervisors, and tasks that do not end |

mod ends;
mod lost;
mod many;
mod stop;
mod supervision;
