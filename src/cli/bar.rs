//! The progress bar: bytes, rate, time to go, artifacts. Silent unless stderr is a terminal.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::job;
use crate::progress::Progress;

/// A bar on stderr, or nothing.
pub struct Bar {
    inner: ProgressBar,
    artifacts: std::sync::atomic::AtomicU64,
    done: std::sync::atomic::AtomicU64,
}

impl Bar {
    /// A bar if `when` says so.
    pub fn new(when: job::Progress, quiet: bool) -> Self {
        let show = match when {
            job::Progress::Auto => !quiet && std::io::stderr().is_terminal(),
            job::Progress::Always => true,
            job::Progress::Never => false,
        };
        let target = if show { ProgressDrawTarget::stderr_with_hz(5) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let template = "{bytes:>10}/{total_bytes} {bar:24} {bytes_per_sec:>12} ETA {eta} {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { inner: bar, artifacts: 0.into(), done: 0.into() }
    }

    /// A bar over the bytes of the registry, which are known.
    pub fn of_registry(when: job::Progress, quiet: bool, bytes: u64) -> Self {
        let bar = Self::new(when, quiet);
        bar.inner.set_length(bytes);
        bar.inner.set_message("registry");
        bar
    }

    /// Takes it off the screen.
    pub fn finish(&self) {
        self.inner.finish_and_clear();
    }

    fn message(&self) {
        use std::sync::atomic::Ordering::Relaxed;
        self.inner.set_message(format!("{}/{} artifacts", self.done.load(Relaxed), self.artifacts.load(Relaxed)));
    }
}

impl Progress for Bar {
    fn expect(&self, artifacts: u64, bytes: u64) {
        self.artifacts.fetch_add(artifacts, std::sync::atomic::Ordering::Relaxed);
        self.inner.inc_length(bytes);
        self.message();
    }

    fn read(&self, bytes: u64) {
        self.inner.inc(bytes);
    }

    fn done(&self) {
        self.done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.message();
    }
}
