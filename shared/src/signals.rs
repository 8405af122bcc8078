//! The signals that tell a program to stop: Ctrl-C (SIGINT) and SIGTERM.

#[cfg(unix)]
pub(crate) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).expect("a program can listen for signals");
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        Self { interrupt: listen(interrupt), terminate: listen(terminate) }
    }

    /// Waits for the next signal, or until `quit` is done. Returns the exit code with which the program then ends.
    pub(crate) async fn next(&mut self, quit: impl Future<Output = ()>) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
            () = quit => 0,
        }
    }
}

#[cfg(not(unix))]
pub(crate) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn listen() -> Self {
        Self
    }

    pub(crate) async fn next(&mut self, quit: impl Future<Output = ()>) -> i32 {
        tokio::select! {
            signal = tokio::signal::ctrl_c() => {
                signal.expect("a program can listen for Ctrl-C");
                130
            }
            () = quit => 0,
        }
    }
}
