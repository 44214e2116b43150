//! Sizes and times of the store, in one place; tests make them small.

use std::time::Duration;

use super::parts::Bounds;

/// What decides how many requests there are, and how much memory they take.
#[derive(Debug, Clone)]
pub struct Tuning {
    /// Requests at one time, of all artifacts (`--s3-concurrency`).
    pub requests: usize,
    /// Objects up to this length are read in one request, bytes.
    pub whole: u64,
    /// First block that is read where reading begins anew, bytes: after a jump little may be wanted.
    pub first: u64,
    /// Longest block, bytes.
    pub block: u64,
    /// Blocks that one object has under way before they are asked for.
    pub depth: usize,
    /// Bytes that all objects together read ahead.
    pub ahead: u64,
    /// Objects up to this length are written in one request, bytes.
    pub put: u64,
    /// How parts are cut.
    pub parts: Bounds,
    /// Parts of one object under way at one time; each is held in memory.
    pub sending: usize,
    /// Times that a cut answer is read on, without a byte more.
    pub resumes: u32,
    /// Times that a request is made at most.
    pub attempts: u32,
    /// Pause before the second attempt; doubles with each.
    pub backoff: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            requests: 32,
            whole: 4 << 20,
            first: 256 << 10,
            block: 4 << 20,
            depth: 4,
            ahead: 32 << 20,
            put: 8 << 20,
            parts: Bounds::default(),
            sending: 3,
            resumes: 8,
            attempts: 8,
            backoff: Duration::from_millis(250),
        }
    }
}
