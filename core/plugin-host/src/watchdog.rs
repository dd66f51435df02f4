//! One thread that watches all running calls: at a call's deadline it raises the cancel flag, and when the grace after that is
//! over too, it declares a hang. It cannot stop a call: it only makes sure that nobody waits for it any longer.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

/// Tells whoever waits for a call that it hangs.
#[derive(Clone, Debug, Default)]
pub struct HangSignal(Arc<(AtomicBool, Notify)>);

impl HangSignal {
    fn raise(&self) {
        self.0.0.store(true, Ordering::Release);
        self.0.1.notify_waiters();
    }

    pub fn is_raised(&self) -> bool {
        self.0.0.load(Ordering::Acquire)
    }

    /// Returns when a call that carries this signal hangs.
    pub async fn raised(&self) {
        loop {
            let notified = self.0.1.notified();
            if self.is_raised() {
                return;
            }
            notified.await;
        }
    }
}

/// What happens on a hang.
pub(crate) type OnHang = Box<dyn FnOnce() + Send>;

struct Watched {
    deadline: Instant,
    hang_at: Instant,
    cancel: Arc<AtomicU32>,
    on_hang: Option<OnHang>,
    signal: Option<HangSignal>,
}

impl Watched {
    fn next_at(&self) -> Option<Instant> {
        if self.cancel.load(Ordering::Relaxed) == 0 {
            Some(self.deadline)
        } else {
            self.on_hang.as_ref().map(|_| self.hang_at)
        }
    }
}

#[derive(Default)]
struct Calls {
    running: HashMap<u64, Watched>,
    last: u64,
    wakes_at: Option<Instant>,
    stop: bool,
}

#[derive(Default)]
struct Shared {
    calls: Mutex<Calls>,
    changed: Condvar,
}

/// The watching thread. Ends with the value.
pub(crate) struct Watchdog(Arc<Shared>);

/// A call that is watched until this is dropped.
pub(crate) struct Ticket {
    shared: Arc<Shared>,
    id: u64,
}

impl Watchdog {
    /// # Errors
    /// The thread cannot be started.
    pub(crate) fn start() -> std::io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let of_thread = shared.clone();
        thread::Builder::new().name("plugin-watchdog".into()).spawn(move || of_thread.watch())?;
        Ok(Self(shared))
    }

    pub(crate) fn begin(
        &self,
        budget: Duration,
        grace: Duration,
        cancel: Arc<AtomicU32>,
        signal: Option<HangSignal>,
        on_hang: OnHang,
    ) -> Ticket {
        let deadline = Instant::now() + budget;
        let mut calls = self.0.calls.lock();
        calls.last += 1;
        let id = calls.last;
        calls
            .running
            .insert(id, Watched { deadline, hang_at: deadline + grace, cancel, on_hang: Some(on_hang), signal });
        if calls.wakes_at.is_none_or(|at| deadline < at) {
            self.0.changed.notify_one();
        }
        Ticket { shared: self.0.clone(), id }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.calls.lock().stop = true;
        self.0.changed.notify_one();
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.shared.calls.lock().running.remove(&self.id);
    }
}

impl Shared {
    fn watch(&self) {
        let mut calls = self.calls.lock();
        while !calls.stop {
            let hung = calls.overdue(Instant::now());
            if !hung.is_empty() {
                // What is told takes other locks: not under this one.
                parking_lot::MutexGuard::unlocked(&mut calls, || hung.into_iter().for_each(|tell| tell()));
                continue;
            }
            calls.wakes_at = calls.running.values().filter_map(Watched::next_at).min();
            match calls.wakes_at {
                Some(at) => drop(self.changed.wait_until(&mut calls, at)),
                None => self.changed.wait(&mut calls),
            }
        }
    }
}

impl Calls {
    /// Raises cancel flags that are due, and returns what is to be told about hangs.
    fn overdue(&mut self, now: Instant) -> Vec<OnHang> {
        let mut hung: Vec<OnHang> = Vec::new();
        for call in self.running.values_mut() {
            if now >= call.deadline {
                call.cancel.store(1, Ordering::Relaxed);
            }
            if now >= call.hang_at
                && let Some(on_hang) = call.on_hang.take()
            {
                let signal = call.signal.take();
                hung.push(Box::new(move || {
                    on_hang();
                    if let Some(signal) = signal {
                        signal.raise();
                    }
                }));
            }
        }
        hung
    }
}
