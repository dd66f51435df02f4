//! Threads that may be lost. A plugin that does not return keeps its thread for ever, so its calls run neither on the async
//! runtime's threads nor on its blocking pool, whose shutdown would wait for them.

use std::{
    sync::{Arc, mpsc},
    thread,
};

use parking_lot::Mutex;

type Job = Box<dyn FnOnce() + Send>;

/// A pool that grows when no thread is free. Idle threads end with it.
#[derive(Clone, Default)]
pub(crate) struct Lanes(Arc<Mutex<Vec<mpsc::Sender<Job>>>>);

impl Lanes {
    /// Runs `job` on a thread of the pool.
    ///
    /// # Errors
    /// No thread can be started.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        let mut job: Job = Box::new(job);
        // Popped in a statement of its own: the lock is not held while sending.
        loop {
            let idle = self.0.lock().pop();
            let Some(lane) = idle else { break };
            match lane.send(job) {
                Ok(()) => return Ok(()),
                Err(mpsc::SendError(back)) => job = back,
            }
        }
        let lane = self.start()?;
        lane.send(job).map_err(|_| std::io::Error::other("the new thread ended at once"))
    }

    fn start(&self) -> std::io::Result<mpsc::Sender<Job>> {
        let (sender, jobs) = mpsc::channel::<Job>();
        let pool = Arc::downgrade(&self.0);
        let itself = sender.clone();
        thread::Builder::new().name("plugin-lane".into()).spawn(move || {
            // Holding a sender of its own, the thread must end by itself when the pool is gone.
            while let Ok(job) = jobs.recv() {
                job();
                let Some(pool) = pool.upgrade() else { return };
                pool.lock().push(itself.clone());
            }
        })?;
        Ok(sender)
    }
}
