//! What the benches of the engine share: this thread's time, windows in cache, engines of the first identifiers of a corpus.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench that is given the wrong folder may stop where it stands"
)]

use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use unwrite::matcher::Plan;
use unwrite::matcher::literal::Literal;
use unwrite::policy::Fields;
use unwrite::registry::{self, Form, Options};

/// What a decoder leaves in cache at a time, bytes.
const WINDOW: usize = 256 * 1024;

/// CPU time of this thread.
pub fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Seconds that one go of `search` over the windows of `text` takes, less the copying into the buffer that is in cache. Windows
/// end at a line's end if there is one.
pub fn once(text: &[u8], search: &mut dyn FnMut(&[u8])) -> f64 {
    let mut buffer = vec![0; WINDOW];
    let (mut spent, mut rest) = (Duration::ZERO, text);
    while !rest.is_empty() {
        let most = &rest[..rest.len().min(WINDOW)];
        let cut = memchr::memrchr(b'\n', most).map_or(most.len(), |at| at + 1);
        let window = &mut buffer[..cut];
        window.copy_from_slice(&rest[..cut]);
        let started = cpu();
        search(window);
        spent += cpu().saturating_sub(started);
        rest = &rest[cut..];
    }
    spent.as_secs_f64()
}

/// The engine of a registry (CSV).
pub fn engine(csv: &[u8]) -> Literal {
    let now = jiff::Timestamp::now();
    let people = registry::read(csv, Form::Csv, now, &Options::new(now)).expect("a registry");
    let plan = Plan { needles: people.needles, fields: Arc::new(Fields::default()) };
    Literal::new(&plan).expect("an engine")
}
