//! The threads that run a network together.
//!
//! They sleep between series and stay awake between the layers of one: a thread that was just started, or has to be woken,
//! comes too late for a layer that takes half a millisecond.

use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::{Arc, Mutex, PoisonError};

/// So many threads, or only the caller's. A clone is the same crew.
#[derive(Clone, Debug)]
pub(super) struct Crew {
    pool: Option<Arc<ThreadPool>>,
}

impl Crew {
    /// A crew of `threads`; the caller alone where one is asked for, or where the system gives no more.
    pub(super) fn of(threads: usize) -> Crew {
        let builder = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("network-{index}"));
        let pool = (threads > 1).then(|| builder.build().ok()).flatten();
        Crew {
            pool: pool.map(Arc::new),
        }
    }

    /// How many there are.
    pub(super) fn threads(&self) -> usize {
        self.pool
            .as_ref()
            .map_or(1, |pool| pool.current_num_threads())
    }

    /// Runs `task`, within which [`Crew::share_out`] finds the others awake.
    pub(super) fn muster<R: Send>(&self, task: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.install(task),
            None => task(),
        }
    }

    /// Puts each of `items` through `work`, on up to `threads` threads that claim one after the other; returns when all are
    /// done. A panic in one of them is the caller's.
    pub(super) fn share_out<I: Iterator + Send>(
        &self,
        threads: usize,
        items: I,
        work: impl Fn(I::Item) + Sync,
    ) {
        if self.pool.is_none() || threads < 2 {
            return items.for_each(work);
        }
        let claims = Mutex::new(items);
        let claim = || claims.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || {
            while let Some(item) = claim() {
                work(item);
            }
        };
        rayon::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|_| work());
            }
            work();
        });
    }
}
