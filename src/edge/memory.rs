//! How the C library keeps memory, and gives it back.
#![expect(
    unsafe_code,
    reason = "the C library has no other door to it; docs/decisions/0011-free-memory.md"
)]

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use std::ffi::c_int;

    // As malloc.h names them.
    const M_TRIM_THRESHOLD: c_int = -1;
    const M_MMAP_THRESHOLD: c_int = -3;
    const M_ARENA_MAX: c_int = -8;

    unsafe extern "C" {
        /// `malloc_trim(3)`: any number will do, from any thread.
        safe fn malloc_trim(pad: usize) -> c_int;
        /// `mallopt(3)`: any numbers will do, from any thread; those it does not know it leaves alone and answers 0.
        safe fn mallopt(what: c_int, value: c_int) -> c_int;
    }

    pub(crate) fn keep() {
        // A library that refuses one goes on with its own: slower, not wrong.
        for (what, value) in [
            // The end of any other heap but the first `malloc_trim` leaves alone; a series asks for large blocks, seldom.
            (M_ARENA_MAX, 1),
            // The network's tensors alone are larger; they are kept where they are.
            (M_MMAP_THRESHOLD, 4 << 20),
            // More than a series takes: only `give_back` shrinks the heap.
            (M_TRIM_THRESHOLD, 64 << 20),
        ] {
            mallopt(what, value);
        }
    }

    pub(crate) fn give_back() {
        malloc_trim(0);
    }
}

/// For a program that judges series, best before its threads: what a stage frees the next one takes, instead of going to
/// the system and back page by page, which takes longer than some stages do.
pub(super) fn keep() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    glibc::keep();
}

/// Takes from the system what judging a series of 300 slices needs beside the slices, for the blocks that it will ask for:
/// while the slices still come nobody waits for the pages.
pub(super) fn make_ready() {
    const BLOCK: usize = 1 << 20;
    const BLOCKS: usize = 12;
    let touched: Vec<Vec<u8>> = (0..BLOCKS).map(|_| vec![1; BLOCK]).collect();
    // Freed they stay in the heap; without the box the compiler may leave them out.
    drop(std::hint::black_box(touched));
}

/// Gives the pages of freed blocks back, also those between blocks in use.
///
/// What a series takes lies between small things that stay; by itself the C library gives back only what lies at the end.
pub(super) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    glibc::give_back();
}
