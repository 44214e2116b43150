//! `unwrite` takes erased people out of data that was already written, and proves it.
//!
//! The way of the data: find → lift → apply → verify → commit. [`layer`] has the traits on which everything stands,
//! [`edit`] the edit lists, [`matcher`] the search, [`scrub`](mod@scrub) one artifact from start to finish.

pub mod blob;
pub mod cli;
pub mod codec;
pub mod config;
pub mod container;
pub mod detect;
pub mod digest;
pub mod edit;
pub mod engine;
pub mod error;
pub mod filter;
pub mod format;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
pub mod input;
pub mod job;
pub mod judge;
pub mod layer;
pub mod limits;
pub mod manifest;
pub mod matcher;
pub mod pace;
pub mod policy;
pub mod pool;
pub mod progress;
pub mod record;
pub mod registry;
pub mod scrub;
pub mod since;
pub mod span;
pub mod store;
pub mod stores;
pub mod verify;

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
