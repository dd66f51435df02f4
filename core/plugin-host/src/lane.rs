//! Threads that may be lost. A plugin that does not return keeps its thread for ever, so its calls run neither on the async
//! runtime's threads nor on its blocking pool, whose shutdown would wait for them.

use std::{collections::VecDeque, sync::Arc, thread};

use parking_lot::{Condvar, Mutex};

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    idle: usize,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// A pool that grows when no thread is free. Idle threads end with it.
#[derive(Default)]
pub(crate) struct Lanes(Arc<Shared>);

impl Lanes {
    /// Runs `job` on a thread of the pool.
    ///
    /// # Errors
    /// A thread is needed and cannot be started.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        let mut state = self.0.state.lock();
        if state.idle <= state.jobs.len() {
            let shared = self.0.clone();
            thread::Builder::new().name("plugin-lane".into()).spawn(move || shared.work())?;
        }
        state.jobs.push_back(Box::new(job));
        self.0.changed.notify_one();
        Ok(())
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.0.state.lock().closed = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn work(&self) {
        let mut state = self.state.lock();
        while !state.closed {
            match state.jobs.pop_front() {
                Some(job) => parking_lot::MutexGuard::unlocked(&mut state, job),
                None => {
                    state.idle += 1;
                    self.changed.wait(&mut state);
                    state.idle -= 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_thread_that_is_lost_keeps_no_job_waiting_and_a_free_one_is_used_again() {
        let lanes = Lanes::default();
        let (release, stuck) = mpsc::channel::<()>();
        let (done, finished) = mpsc::channel();
        let wait = move || assert!(stuck.recv().is_err(), "nothing is ever sent");
        lanes.run(wait).expect("a thread");
        for _ in 0..2 {
            let done = done.clone();
            lanes.run(move || done.send(thread::current().id()).expect("somebody listens")).expect("a thread");
            finished.recv().expect("it ran beside the stuck one");
        }
        let last = Arc::downgrade(&lanes.0);
        drop(release);
        drop(lanes);
        while last.upgrade().is_some() {
            thread::yield_now();
        }
    }
}
