//! Crashes, kills, races, large numbers, and runtimes that end.
//!
//! | File | Contents |
//! |---|---|
//! | `ends` | a stage that has ended has given back everything, whatever ended it |
//! | `lost` | events that nobody handles, and how a program learns of them |
//! | `many` | many stages, many events, much demand |
//! | `stop` | an orderly stop, and what keeps it from its end |
//! | `supervision` | supervisors, and tasks that do not end |

mod ends;
mod lost;
mod many;
mod stop;
mod supervision;
