//! The review machine on a real store, scene by scene, with both clocks stepped by hand: who has seen, who signed, what
//! escalates. The box may restart or lose its power anywhere.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "helpers outside #[test] functions, shared by several test files"
)]

mod acknowledging;
mod any_order;
mod escalating;
mod keys;
mod scene;
mod signed;
#[path = "../common/sweep_disk.rs"]
mod sweep_disk;
mod verdicts;
