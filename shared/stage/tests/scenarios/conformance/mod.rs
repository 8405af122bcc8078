//! What GenStage's own tests expect of a stage.
//!
//! | File | Contents |
//! |---|---|
//! | `demand` | chains, and what goes through them in which batches |
//! | `dispatch` | which of several consumers is served |
//! | `ends` | stages that end, and the others beside them |
//! | `tasks` | the consumer supervisor |

mod demand;
mod dispatch;
mod ends;
mod tasks;
