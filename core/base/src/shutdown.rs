//! One signal that ends a process in order.

use std::future::Future;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Handed to every long-running part. A part ends when [`Shutdown::requested`] resolves; who started it waits with
/// [`Shutdown::finished`].
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
    tasks: TaskTracker,
}

impl Shutdown {
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks every part to end. Idempotent.
    pub fn request(&self) {
        self.token.cancel();
        self.tasks.close();
    }

    pub fn is_requested(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Resolves once shutdown was requested.
    pub async fn requested(&self) {
        self.token.cancelled().await;
    }

    /// The token itself, for parts that take one.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Runs a part in the background; [`Shutdown::finished`] waits for it.
    pub fn spawn<F>(&self, part: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(part)
    }

    /// Resolves when all spawned parts have ended after a request.
    pub async fn finished(&self) {
        self.tasks.wait().await;
    }

    /// Requests shutdown when the process receives SIGINT or SIGTERM.
    ///
    /// # Errors
    /// If the handlers cannot be installed.
    pub fn on_signals(&self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let shutdown = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            tracing::info!("shutting down");
            shutdown.request();
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Shutdown;

    #[tokio::test]
    async fn finished_waits_for_every_part() {
        let shutdown = Shutdown::new();
        let part = shutdown.clone();
        let ended = shutdown.spawn(async move {
            part.requested().await;
            7
        });
        assert!(!shutdown.is_requested());
        shutdown.request();
        shutdown.finished().await;
        assert_eq!(ended.await.unwrap(), 7);
    }
}
