//! Memory that is free again, back to the system.
#![expect(
    unsafe_code,
    reason = "the C library has no other door to it; docs/decisions/0011-free-memory.md"
)]

/// Gives the pages of freed blocks back, also those between blocks in use.
///
/// What a series takes lies between small things that stay; by itself the C library gives back only what lies at the end.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn give_back() {
    unsafe extern "C" {
        /// `malloc_trim(3)`: any number will do, from any thread.
        safe fn malloc_trim(pad: usize) -> std::ffi::c_int;
    }
    malloc_trim(0);
}

/// Nothing: this system's allocator is another one.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn give_back() {}
