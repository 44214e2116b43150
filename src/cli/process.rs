//! The process itself: signals, panics, core dumps, logging.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::Exit;
use super::args::Manners;

static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();
static SIGNAL: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// Before anything is read: no core dumps, not traceable, no data in panics (P4), signals that only set a flag.
pub fn harden() {
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    // Best effort both: a process that may not lower its limit has no core either way once it is not dumpable.
    let _kept = rustix::process::setrlimit(rustix::process::Resource::Core, none);
    let _kept = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    // Each spool past its memory is a file without a name: as many as the system allows.
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let most = rustix::process::Rlimit { current: files.maximum, maximum: files.maximum };
    let _kept = rustix::process::setrlimit(rustix::process::Resource::Nofile, most);
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        super::say(&format!("unwrite: internal error{place}; please report this line"));
    }));
    crate::store::disk::ignore_signals();
    let (stop, signal) = (stop(), SIGNAL.get_or_init(Arc::default));
    for number in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // The second signal of a kind ends the process as it would have without us.
        let _kept = signal_hook::flag::register_conditional_shutdown(number, 128 + number, Arc::clone(&stop));
        let _kept = signal_hook::flag::register(number, Arc::clone(&stop));
        let _kept = signal_hook::flag::register_usize(number, Arc::clone(signal), number as usize);
    }
}

/// `--nice` and `--idle`: for this thread and all that it starts, so before any is started. What the system refuses is said, and
/// no reason to stop.
pub fn step_back(manners: &Manners) {
    if let Some(nice) = manners.nice.filter(|nice| *nice > 0)
        && rustix::process::nice(i32::from(nice)).is_err()
    {
        super::say("unwrite: --nice: the system refuses it");
    }
    if manners.idle && !idle() {
        super::say("unwrite: --idle: the system refuses it");
    }
}

/// Puts this thread into the idle I/O class (`ioprio_set(2)`; rustix does not have it).
fn idle() -> bool {
    /// `IOPRIO_WHO_PROCESS` with 0 is the calling thread; `IOPRIO_CLASS_IDLE` stands 13 bits up (linux/ioprio.h).
    const WHO_PROCESS: libc::c_int = 1;
    const CLASS_IDLE: libc::c_int = 3 << 13;
    // SAFETY: the call takes three integers and no memory; it changes nothing but the scheduling class of this thread.
    let done = unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, CLASS_IDLE) };
    done == 0
}

/// Set once a signal asks the run to stop.
pub fn stop() -> Arc<AtomicBool> {
    Arc::clone(STOP.get_or_init(Arc::default))
}

/// The exit code of the signal that came.
pub fn interrupted() -> Exit {
    let number = SIGNAL.get().map_or(0, |signal| signal.load(Ordering::Relaxed));
    if number == libc::SIGTERM as usize { Exit::Terminated } else { Exit::Interrupted }
}

/// Diagnostics on stderr: warnings, with `-v` what is done, with `-vv` more. Events carry numbers and masked names only.
pub fn logging(verbose: u8) {
    let level = match verbose {
        0 => tracing::Level::WARN,
        1 => tracing::Level::INFO,
        2 => tracing::Level::DEBUG,
        _ => tracing::Level::TRACE,
    };
    let logger = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_target(false);
    // Ours alone: what libraries tell of requests holds names of objects, and headers.
    let ours = Targets::new().with_target(env!("CARGO_PKG_NAME"), level);
    // No color: the feature for it is off, and asking for it without is a panic in debug builds.
    // Set once a process; a second call would be a test's.
    let _set = logger.with_ansi(false).without_time().finish().with(ours).try_init();
}
