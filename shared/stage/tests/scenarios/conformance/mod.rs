//! The behaviour that GenStage's own tests expect of a stage.
//!
//! | File | Contents |
//! |---|---|
//! | `demand` | chains, and the batches that go through them |
//! | `dispatch` | the consumer that is served, of several |
//! | `ends` | stages that end, and the others beside them |
//! | `tasks` | the consumer supervisor |

mod demand;
mod dispatch;
mod ends;
mod tasks;
