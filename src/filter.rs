//! ONE stream, start to finish: stdin → judged, searched again → stdout.
//!
//! Where the layers allow it ([`crate::layer::Layer::stream`]) it is one pass in constant memory. What they write was searched
//! again before (`layer::stream::Guard`); what a codec encodes is decoded again beside it by another library ([`listen`]), and must
//! come to what the pass foretold before the codec's end is written. Where a layer must read all before it writes its first byte
//! (a container's sizes), the stream is spooled, and find, lift and verification run over the spool as for any artifact before
//! anything is written. An error ends the writing where it stands, and never at a place that a decoder takes for the end.

mod echo;
mod ends;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Instant;

use jiff::Timestamp;

use crate::blob::{Blob, Spool};
use crate::edit::{Patch, Piece};
use crate::error::{Error, Kind, Result};
use crate::format::sql;
use crate::input::{Input, Source};
use crate::job::{MaxDropped, Mode, Verify};
use crate::layer::{BlobPass, Cx, Search, Streamed, Tally};
use crate::limits::WINDOW;
use crate::manifest::{Artifact, Digest, Status};
use crate::scrub::{self, Outcome, Run};
use crate::store::stdio::Sink;
use crate::verify;
pub use echo::{Ear, Echo, echo, listen};
use ends::{Hashed, Spout, Tape, Void};

/// The stream's URI in the manifest.
pub const URI: &str = verify::audit::STREAM;
/// Where it went.
const OUTPUT: &str = "stdout:";
/// The stream's name where none is given, for policy globs and detection.
pub const NAME: &str = "stdin";
/// Records from which on a percentage is judged while the stream still comes; before, at its end only.
const EARLY: u64 = 65_536;

/// What is done with the stream.
pub struct Stream<'s> {
    /// Its name, for policy globs and detection.
    pub name: &'s [u8],
    /// Time of its last change, if it is a file.
    pub mtime: Option<Timestamp>,
    /// The blast-radius limit.
    pub max_dropped: Option<MaxDropped>,
    /// `--no-spool`.
    pub no_spool: bool,
}

/// Filters `source` into `sink`. `echo`: where coded output is decoded again; `None` for `--verify none`. Never panics; `Ok` of
/// the line's status says that all of it was written.
pub fn filter(
    stream: &Stream<'_>,
    source: &mut dyn Source,
    sink: &mut dyn Sink,
    echo: Option<Echo>,
    run: &Run<'_>,
) -> Outcome {
    let (dump, mut wary) = (Cell::new(false), Wary { sink, wrote: false });
    let outcome = outcome(|| Pipe { stream, run, dump: &dump }.go(source, &mut wary, echo));
    let whole = matches!(outcome.line.status, Status::Rewritten | Status::Copied);
    if dump.get() && wary.wrote && !whole {
        // A client takes the end of its input for the end of the dump, and commits what it has.
        sink.last(sql::SPOIL);
    }
    outcome
}

/// Searches `source` for anything that would change.
pub fn gate(stream: &Stream<'_>, source: &mut dyn Source, run: &Run<'_>) -> Outcome {
    outcome(|| Pipe { stream, run, dump: &Cell::new(false) }.look(source))
}

fn outcome(work: impl FnOnce() -> Result<Outcome>) -> Outcome {
    let started = Instant::now();
    let broke = || Err(Error::new(Kind::Io, "an internal error; please report it with the line on stderr"));
    let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| broke());
    let mut outcome = result.unwrap_or_else(|error| scrub::failed(URI.to_owned(), &error));
    outcome.line.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    outcome
}

/// One stream on its way.
struct Pipe<'p> {
    stream: &'p Stream<'p>,
    run: &'p Run<'p>,
    /// Set if what is written is a plain SQL dump.
    dump: &'p Cell<bool>,
}

impl Pipe<'_> {
    fn go(&self, source: &mut dyn Source, sink: &mut dyn Sink, echo: Option<Echo>) -> Result<Outcome> {
        let (run, stream) = (self.run, self.stream);
        let decided = Cell::new(false);
        let mut tape = Tape::new(source, stream, run, &decided);
        let most: &dyn Fn(&Tally) -> Result<()> = &|tally| self.most(tally);
        let mut cx = Cx::new(run.search, stream.name, stream.mtime);
        (cx.second, cx.most, cx.once) = (searching(run), Some(most), stream.no_spool);
        let mut spout = Spout::new(sink, echo, &decided);
        let mut input = Input::new(&mut tape, run.search.limits.window);
        // What was being written counts after a panic, too.
        let streamed = catch_unwind(AssertUnwindSafe(|| cx.stream(&mut input, &mut spout)));
        self.dump.set(cx.tally.layers == [sql::NAME]);
        let streamed = streamed.unwrap_or_else(|panic| resume_unwind(panic));
        if let Streamed::Twice(layer) = streamed? {
            drop(input);
            drop((cx, spout));
            let spool = tape.all(layer)?;
            return self.twice(&spool, tape.digest(), sink);
        }
        if !input.window(1)?.is_empty() {
            return Err(Error::new(Kind::Damaged, "bytes were left unread"));
        }
        drop(input);
        run.blast.ask(cx.tally.dropped + cx.tally.edited, cx.tally.read)?;
        let after = spout.end(&cx)?;
        let mut line = self.line(&cx.tally);
        (line.kept_bytes, line.encoded_bytes) = (Some(after.kept), Some(after.digest.bytes - after.kept));
        let (before, after) = (tape.digest(), after.digest);
        line.status = if before == after { Status::Copied } else { Status::Rewritten };
        if line.status == Status::Rewritten {
            line.verified = Some(run.verify.name().to_owned());
        }
        if line.status == Status::Rewritten && cx.tally.dropped + cx.tally.edited + cx.tally.names == 0 {
            line.notes.push("encoded again; nothing of its content changed".to_owned());
        }
        (line.before, line.after) = (Some(before), Some(after));
        Ok(Outcome { line, hit: false, locked: false, interrupted: false })
    }

    /// Stops a stream of which more is changed than it may.
    fn most(&self, tally: &Tally) -> Result<()> {
        let changed = tally.dropped + tally.edited;
        match self.stream.max_dropped {
            Some(MaxDropped::Percent(_)) if tally.read < EARLY => Ok(()),
            Some(most) if most.exceeded(changed, tally.read) => Err(Error::new(Kind::Usage, "max-dropped")),
            _ => Ok(()),
        }
    }

    /// Find, lift, verification, and then the writing.
    fn twice(&self, spool: &Spool, before: Digest, sink: &mut dyn Sink) -> Result<Outcome> {
        let (run, stream) = (self.run, self.stream);
        let (search, name) = (run.search, stream.name);
        let seen = verify::read(spool, search, name, stream.mtime, &mut |_| {})?;
        let mut line = self.line(&seen.tally);
        if let Some(refused) = refused(&seen, &mut line) {
            return Ok(refused);
        }
        run.blast.ask(seen.tally.dropped + seen.tally.edited, seen.tally.read)?;
        line.before = Some(before);
        if seen.found.is_empty() {
            let mut out = Hashed::new(sink);
            copy(spool, 0, spool.len(), &mut |bytes| out.write(bytes))?;
            (line.status, line.after) = (Status::Copied, Some(out.digest()));
            return Ok(Outcome { line, hit: false, locked: false, interrupted: false });
        }
        let (draft, kept) = draft(&self.lift(spool, &seen)?, spool, search)?;
        for search in run.second {
            verify::look(&draft, search, name, stream.mtime, &seen.foretold)?;
        }
        let mut out = Hashed::new(sink);
        copy(&draft, 0, draft.len(), &mut |bytes| out.write(bytes))?;
        let after = out.digest();
        (line.kept_bytes, line.encoded_bytes) = (Some(kept), Some(after.bytes - kept));
        (line.status, line.after) = (Status::Rewritten, Some(after));
        line.verified = Some(run.verify.name().to_owned());
        Ok(Outcome { line, hit: false, locked: false, interrupted: false })
    }

    fn lift(&self, spool: &Spool, seen: &verify::Seen) -> Result<Patch> {
        let search = self.run.search;
        let mut pass = BlobPass::new(spool, search.space);
        let mut cx = Cx::new(search, self.stream.name, self.stream.mtime);
        seen.found.layer.lift(&seen.found, &mut pass, &mut cx)?;
        Ok(pass.finish())
    }

    /// A gate's look: as the filter would go, and nothing is written.
    fn look(&self, source: &mut dyn Source) -> Result<Outcome> {
        let (run, stream) = (self.run, self.stream);
        let decided = Cell::new(false);
        let mut tape = Tape::new(source, stream, run, &decided);
        let mut cx = Cx::new(run.search, stream.name, stream.mtime);
        let mut input = Input::new(&mut tape, run.search.limits.window);
        match cx.stream(&mut input, &mut Void(&decided))? {
            Streamed::Whole if !input.window(1)?.is_empty() => Err(Error::new(Kind::Damaged, "bytes were left unread")),
            Streamed::Whole => {
                let mut line = self.line(&cx.tally);
                line.status = Status::Clean;
                Ok(Outcome { line, hit: false, locked: false, interrupted: false })
            }
            Streamed::Twice(layer) => {
                drop(input);
                // With the large slot, if it has it: the second reading asks for it anew.
                drop(cx);
                let spool = tape.all(layer)?;
                let seen = verify::read(&spool, run.search, stream.name, stream.mtime, &mut |_| {})?;
                let mut line = self.line(&seen.tally);
                if let Some(refused) = refused(&seen, &mut line) {
                    return Ok(refused);
                }
                let hit = !seen.found.is_empty();
                line.status = if hit { Status::WouldRewrite } else { Status::Clean };
                Ok(Outcome { line, hit, locked: false, interrupted: false })
            }
        }
    }

    fn line(&self, tally: &Tally) -> Artifact {
        let mut line = Artifact::new(URI.to_owned(), Status::Failed, None);
        if *self.run.mode == Mode::Filter {
            line.output = Some(OUTPUT.to_owned());
        }
        scrub::tell(tally, self.run.search, &mut line);
        line.notes = scrub::masked(tally).into_iter().collect();
        line
    }
}

/// A sink that knows whether anything was written.
struct Wary<'w> {
    sink: &'w mut dyn Sink,
    wrote: bool,
}

impl Sink for Wary<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.wrote |= !bytes.is_empty();
        self.sink.write(bytes)
    }
}

/// Those of the second searches that search; decoding again is the echo's.
fn searching<'r>(run: &Run<'r>) -> &'r [&'r Search<'r>] {
    if run.verify >= Verify::Full { run.second } else { &[] }
}

/// The outcome of what was spooled and may not go through: nothing was written.
fn refused(seen: &verify::Seen, line: &mut Artifact) -> Option<Outcome> {
    if let Some((reason, holds)) = &seen.tally.unsupported {
        line.status = Status::Unsupported;
        line.reason = Some(if *holds { format!("{reason}: holds matches") } else { reason.clone() });
    } else {
        line.status = Status::Clean;
        scrub::partial(&seen.tally, line);
        if line.status == Status::Clean {
            return None;
        }
    }
    line.output = None;
    let hit = seen.tally.unsupported.as_ref().is_some_and(|(_, holds)| *holds);
    Some(Outcome { line: line.clone(), hit, locked: false, interrupted: false })
}

/// The new bytes in a spool of their own, and how many of them are kept ranges.
fn draft(patch: &Patch, base: &Spool, search: &Search<'_>) -> Result<(Spool, u64)> {
    let (mut draft, mut kept) = (Spool::new(search.space), 0);
    patch.play(|piece| match piece {
        Piece::Write(bytes) => draft.append(&bytes),
        Piece::Keep(span) => {
            kept += span.len();
            copy(base, span.start, span.end, &mut |bytes| draft.append(bytes))
        }
    })?;
    if draft.len() != patch.len() {
        return Err(Error::new(Kind::Verify, "the result has not the length that was foretold"));
    }
    Ok((draft, kept))
}

/// Gives the bytes of `blob` from `at` to `end` to `to`, a window at a time.
fn copy(blob: &Spool, mut at: u64, end: u64, to: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut buf = vec![0; WINDOW];
    while at < end {
        let most = usize::try_from(end - at).unwrap_or(usize::MAX).min(buf.len());
        let read = blob.read_at(at, buf.get_mut(..most).unwrap_or_default());
        let n = read.map_err(|e| Error::io("reading a temporary file", &e))?;
        if n == 0 {
            return Err(Error::new(Kind::Io, "a temporary file ended early"));
        }
        to(buf.get(..n).unwrap_or_default())?;
        at += n as u64;
    }
    Ok(())
}
