//! The threads that run a network together.
//!
//! They are there while a network works for a series, and awake between its layers: a thread that was just started, or has
//! to be woken, comes too late for a layer that takes half a millisecond.

use rayon::{ThreadPool, ThreadPoolBuilder, Yield};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Looks for work before a thread without any lets others have its core.
const LOOKS: usize = 64;

/// Less is done before another thread has heard of it.
const SHARED_BYTES_MIN: usize = 1 << 14;

/// So many threads, or only the caller's. A clone is the same crew.
#[derive(Clone, Debug)]
pub(super) struct Crew {
    threads: usize,
    pool: Arc<OnceLock<Option<ThreadPool>>>,
}

impl Crew {
    /// A crew of `threads`, started when they are first mustered; the caller alone where one is asked for, or where the
    /// system gives no more.
    pub(super) fn of(threads: usize) -> Crew {
        Crew {
            threads,
            pool: Arc::default(),
        }
    }

    /// How many there are.
    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    /// How many are worth their start for so many bytes of results.
    pub(super) fn threads_for(&self, bytes: usize) -> usize {
        if bytes < SHARED_BYTES_MIN {
            1
        } else {
            self.threads
        }
    }

    /// A crew of as many that is not started yet; this one's threads end with its last clone.
    pub(super) fn anew(&self) -> Crew {
        Crew::of(self.threads)
    }

    fn pool(&self) -> Option<&ThreadPool> {
        let start = || {
            let builder = ThreadPoolBuilder::new()
                .num_threads(self.threads)
                .thread_name(|index| format!("network-{index}"));
            (self.threads > 1).then(|| builder.build().ok()).flatten()
        };
        self.pool.get_or_init(start).as_ref()
    }

    /// Runs `task`, within which [`Crew::share_out`] finds the others awake.
    pub(super) fn muster<R: Send>(&self, task: impl FnOnce() -> R + Send) -> R {
        let Some(pool) = self.pool() else {
            return task();
        };
        let over = &AtomicBool::new(false);
        pool.scope(|scope| {
            let caller = rayon::current_thread_index();
            scope.spawn_broadcast(move |_, each| {
                while Some(each.index()) != caller && !over.load(Ordering::Acquire) {
                    look_for_work();
                }
            });
            // Also where the task panics.
            let _dismissal = Afterwards(|| over.store(true, Ordering::Release));
            task()
        })
    }

    /// Puts each item of `parts` through `work`, on up to `threads` threads; returns when all are done. A panic in one of them
    /// is the caller's.
    ///
    /// A thread begins with the part that has its number, always the same one, and then helps the others from their ends: what
    /// a thread wrote in one layer is near to it when it reads it in the next, and a claim asks for nothing that another
    /// thread's cache holds.
    pub(super) fn share_out<I: DoubleEndedIterator + Send>(
        &self,
        threads: usize,
        parts: impl IntoIterator<Item = I>,
        work: impl Fn(I::Item) + Sync,
    ) {
        if threads < 2 || rayon::current_thread_index().is_none() {
            return parts.into_iter().flatten().for_each(work);
        }
        let parts: Vec<Part<I>> = parts
            .into_iter()
            .map(|part| Part(Mutex::new(part)))
            .collect();
        let work = || {
            let own = rayon::current_thread_index().unwrap_or(0) % parts.len().max(1);
            let (before, from_own) = parts.split_at(own);
            if let Some((own, others)) = from_own.split_first() {
                while let Some(item) = own.claim(I::next) {
                    work(item);
                }
                for other in others.iter().chain(before) {
                    while let Some(item) = other.claim(I::next_back) {
                        work(item);
                    }
                }
            }
        };
        let helped = AtomicUsize::new(1);
        rayon::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|_| {
                    let _done = Afterwards(|| {
                        helped.fetch_add(1, Ordering::Release);
                    });
                    work();
                });
            }
            work();
            // The scope itself would fall asleep over the others' last rows.
            while helped.load(Ordering::Acquire) < threads {
                look_for_work();
            }
        });
    }
}

/// Work that one thread begins with. Aligned, so that no two share what caches hand about: lines, by twos.
#[repr(align(128))]
struct Part<I>(Mutex<I>);

impl<I: Iterator> Part<I> {
    fn claim(&self, next: impl FnOnce(&mut I) -> Option<I::Item>) -> Option<I::Item> {
        next(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Does what another thread has handed out, if there is any; else lets others have the core after a while.
fn look_for_work() {
    for _ in 0..LOOKS {
        if rayon::yield_now() == Some(Yield::Executed) {
            return;
        }
        std::hint::spin_loop();
    }
    std::thread::yield_now();
}

/// Does it at the end of its scope, however that is left.
struct Afterwards<F: Fn()>(F);

impl<F: Fn()> Drop for Afterwards<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
