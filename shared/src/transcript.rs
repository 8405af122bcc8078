//! Keeps a README true: runs the command that it shows, and compares what it shows with what happens.
