//! Counts the bytes at which the fast engine looks, for the tests that hold its work to be linear. Nothing outside of tests.

#[cfg(test)]
thread_local! {
    static LOOKED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Counts a look at `bytes` bytes of text or key. Stands where the number of bytes depends on the text.
#[inline(always)]
#[expect(clippy::inline_always, reason = "nothing is left of it outside of tests")]
pub(super) fn look(bytes: usize) {
    #[cfg(test)]
    LOOKED.with(|looked| looked.set(looked.get() + bytes as u64));
    #[cfg(not(test))]
    let _ = bytes;
}

/// The bytes at which `search` looks, on this thread.
#[cfg(test)]
pub(super) fn of(search: impl FnOnce()) -> u64 {
    LOOKED.with(|looked| looked.set(0));
    search();
    LOOKED.with(std::cell::Cell::get)
}
