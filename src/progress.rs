//! Progress, as those who do the work see it: a trait with a silent version.

/// Told of what was done; called from many threads.
pub trait Progress: Sync {
    /// So many artifacts and bytes more are known of.
    fn expect(&self, artifacts: u64, bytes: u64) {
        let _ = (artifacts, bytes);
    }
    /// So many bytes of an artifact were read.
    fn read(&self, bytes: u64) {
        let _ = bytes;
    }
    /// An artifact is done.
    fn done(&self) {}
}

/// Says nothing.
pub struct Silent;

impl Progress for Silent {}
