//! What a layer is lent: the search, the bounds, the way down, and the tally of one artifact.
//!
//! [`Search`] is shared by all artifacts of a run and never changes; [`Cx`] belongs to one artifact. It carries the trail
//! (path, then `!` and a member for each container), counts what was found, and keeps the running digest of the leaf
//! streams that verification compares: what each decoded stream must be afterwards, foretold while it is read once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use jiff::Timestamp;
use xxhash_rust::xxh3::Xxh3;

use super::bundle::Claim;
use super::coded::Codec;
pub use super::memory::{LargeSlot, Memory};
use super::settle::Readings;
use super::tables::Tables;
use super::{Detect, Fit, Found, Hint, Layer, Outlet, Streamed};
use crate::blob::TempSpace;
use crate::edit::{EditList, Marks};
use crate::error::{Error, Kind, Result};
use crate::input::Input;
use crate::judge::{self, Judge};
use crate::limits::{DEPTH, Limits, MAX_MEMBERS, SNIFF};
use crate::matcher::{Engine, Hit, Needles, SubjectId, Unit};
use crate::policy::{Glob, Policy, Rule};
use crate::pool::Crew;

/// Reason of what nothing reads.
const UNKNOWN: &str = "unknown format";

/// What is searched and how: one value a run, shared by all artifacts.
pub struct Search<'s> {
    /// Finds values.
    pub engine: &'s dyn Engine,
    /// Who is searched for.
    pub needles: &'s Needles,
    /// Decides what happens to a record of theirs.
    pub judge: &'s Judge<'s>,
    /// Rules and fields.
    pub policy: &'s Policy,
    /// Masks values in names that are shown (P4): same length.
    pub mask: &'s (dyn Fn(&[u8]) -> Vec<u8> + Sync),
    /// Tells what a stream is.
    pub detect: &'s dyn Detect,
    /// Bounds.
    pub limits: &'s Limits,
    /// Temporary space.
    pub space: &'s Arc<TempSpace>,
    /// The one large slot.
    pub large: &'s LargeSlot,
    /// Threads that help with one artifact.
    pub crew: &'s dyn Crew,
    /// Decode by the second library (verification).
    pub second: bool,
    /// `--format`.
    pub format: Option<&'s str>,
    /// `--codec`.
    pub codec: Option<&'s str>,
    /// `--level CODEC=N`; with `--zstd-seekable` also `zstd-seekable`.
    pub levels: &'s [(String, i32)],
    /// Set by SIGINT or SIGTERM.
    pub interrupted: &'s AtomicBool,
    /// The first thing that would change ends the run (`gate`): whoever finds it sets this, and nobody reads on.
    pub gate: Option<&'s AtomicBool>,
}

impl Search<'_> {
    /// The level asked for a codec.
    pub fn level(&self, codec: &str) -> Option<i32> {
        self.levels.iter().find(|(name, _)| name == codec).map(|(_, level)| *level)
    }

    /// A name that hits is masked in place at the same length; `None` if it does not change. Counts go to `found`. Names are
    /// text in which the anywhere-types count (SPEC "Keys, names, headers"): a number in a path names nobody.
    pub fn mask_name(&self, name: &[u8], found: &mut NameHits) -> Option<Vec<u8>> {
        let mut masked = name.to_vec();
        let mut subjects = BTreeSet::new();
        // Again as long as it changes: a mask may free its neighbour of what kept it from being a match. Each round masks a byte
        // more, so that there is an end.
        loop {
            let mut hits = Vec::new();
            self.engine.hits(&Unit { text: &masked, fields: &[], table: None }, &mut hits);
            hits.retain(|hit| self.needles.value(hit.value).is_some_and(|value| value.kind.anywhere()));
            let verdict = self.judge.name(&hits);
            found.held |= verdict.held;
            let before = masked.clone();
            for Hit { span, .. } in hits.iter().filter(|hit| verdict.masks(hit.value)) {
                masked.get_mut(span.clone()).unwrap_or_default().fill(b'*');
            }
            if masked == before {
                break;
            }
            subjects.extend(verdict.subjects);
        }
        if masked == name {
            return None;
        }
        for subject in subjects {
            *found.subjects.entry(subject).or_default() += 1;
        }
        found.masked += 1;
        Some(masked)
    }
}

/// What was found in names.
#[derive(Debug, Default)]
pub struct NameHits {
    /// Names that are masked.
    pub masked: u64,
    /// A name of a held subject was left.
    pub held: bool,
    /// Whose, and how often.
    pub subjects: BTreeMap<SubjectId, u64>,
}

/// A member that was not edited, or not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its trail below the artifact, masked.
    pub name: String,
    /// `unsupported`.
    pub status: &'static str,
    /// `unknown format`, the unsupported name; `holds matches` is told by `hit`.
    pub reason: String,
    /// Whether an anywhere-type value was found in its raw bytes.
    pub hit: bool,
    /// Accepted by `accept_unsupported`.
    pub accepted: bool,
}

/// What was counted in one artifact.
#[derive(Debug, Default)]
pub struct Tally {
    /// Records read (lines, where lines are records).
    pub read: u64,
    /// Records that go.
    pub dropped: u64,
    /// Records that are edited.
    pub edited: u64,
    /// Names inside the artifact that are masked.
    pub names: u64,
    /// Records (and names) changed for each subject.
    pub subjects: BTreeMap<SubjectId, u64>,
    /// Records left by the action `report`.
    pub left_report: u64,
    /// Records left, wholly or in part, for a hold.
    pub left_held: u64,
    /// Names that are left: statements of a dump that hold no rows.
    pub left_name: u64,
    /// Rows of the tables of dumps.
    pub tables: Tables,
    /// Layer names from the outermost to the first record format or container with several members.
    pub layers: Vec<&'static str>,
    /// Members that could not be edited, at most [`MAX_MEMBERS`].
    pub members: Vec<Member>,
    /// Members beyond that bound.
    pub more_members: u64,
    /// One of those was not accepted.
    pub more_bad: bool,
    /// One of those holds a value.
    pub more_hit: bool,
    /// The artifact itself is of no known format: its reason; with a hit in its raw bytes.
    pub unsupported: Option<(String, bool)>,
}

/// What the artifact's leaf streams must be afterwards: a running digest over (trail, length, hash of the decoded bytes) of
/// each, in order. Constant memory.
#[derive(Clone, Default)]
pub struct Foretold {
    leaves: u64,
    digest: Xxh3,
}

impl std::fmt::Debug for Foretold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Foretold({} leaves, {:x})", self.leaves, self.digest.digest128())
    }
}

impl PartialEq for Foretold {
    fn eq(&self, other: &Self) -> bool {
        self.leaves == other.leaves && self.digest.digest128() == other.digest.digest128()
    }
}

/// Digest of one leaf stream as it will be.
#[derive(Clone, Default)]
pub struct Leaf {
    hash: Xxh3,
    len: u64,
}

impl Leaf {
    /// The next bytes of the stream as it will be.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.len += bytes.len() as u64;
    }
}

/// Decoded bytes of one artifact, over all its layers, against `--max-decoded`.
#[derive(Debug, Clone)]
pub struct Budget {
    used: Arc<AtomicU64>,
    max: u64,
}

impl Budget {
    /// Takes `bytes` more.
    pub fn take(&self, bytes: u64) -> Result<()> {
        if self.used.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > self.max {
            return Err(Error::limit(format!("--max-decoded ({} bytes)", self.max)));
        }
        Ok(())
    }
}

/// Fails if what was counted so far is too much.
pub type Most<'m> = dyn Fn(&Tally) -> Result<()> + 'm;

/// One artifact's context.
pub struct Cx<'s> {
    /// What is searched and how.
    pub search: &'s Search<'s>,
    /// What was counted.
    pub tally: Tally,
    /// What the leaf streams must be afterwards.
    pub foretold: Foretold,
    /// Time of the artifact (mtime), for records without one.
    pub mtime: Option<Timestamp>,
    /// How what a filter writes is searched before, each in turn.
    pub second: &'s [&'s Search<'s>],
    /// Most records that a filter may change before it stops.
    pub most: Option<&'s Most<'s>>,
    /// The stream comes once: what cannot be judged in one pass is refused, and not spooled (`--no-spool`).
    pub once: bool,
    /// What an earlier reading of the same bytes learnt, and what this one does ([`super::settle`]).
    pub readings: Readings,
    trail: Vec<u8>,
    /// Length of the artifact's own path at the start of `trail`.
    root: usize,
    hint_name: Vec<u8>,
    pub(super) depth: usize,
    /// How many of the layers down to `depth` are spellings of text.
    spellings: usize,
    pub(super) members: usize,
    budget: Budget,
    memory: Memory<'s>,
    marks: Marks,
    claim: Option<Claim<'s>>,
}

impl Drop for Cx<'_> {
    fn drop(&mut self) {
        self.memory.leave();
    }
}

impl<'s> Cx<'s> {
    /// For an artifact whose path relative to its SOURCE is `relative`.
    pub fn new(search: &'s Search<'s>, relative: &[u8], mtime: Option<Timestamp>) -> Self {
        let name = relative.rsplit(|b| *b == b'/').next().unwrap_or_default();
        Self {
            search,
            tally: Tally::default(),
            foretold: Foretold::default(),
            mtime,
            second: &[],
            most: None,
            once: false,
            readings: Readings::default(),
            trail: relative.to_vec(),
            root: relative.len(),
            hint_name: name.to_vec(),
            depth: 0,
            spellings: 0,
            members: 0,
            budget: Budget { used: Arc::new(AtomicU64::new(0)), max: search.limits.max_decoded },
            memory: Memory::new(search.large, search.interrupted),
            marks: Marks::default(),
            claim: None,
        }
    }

    /// A list for edits of the current stream; what is pushed to it marks.
    pub fn edits(&self) -> EditList {
        EditList::new(self.search.space).marking(self.marks.clone())
    }

    /// Tells codecs around the current stream that a cut may come about here.
    pub fn mark(&self) {
        self.marks.mark();
    }

    /// Where the codecs around the current stream see marks.
    pub fn marks(&self) -> &Marks {
        &self.marks
    }

    /// For a second look, by `search`, at what comes of the current stream: on the same memory.
    #[must_use]
    pub fn beside<'b>(&self, search: &'b Search<'b>) -> Cx<'b>
    where
        's: 'b,
    {
        let mut cx = Cx::new(search, &self.trail, self.mtime);
        (cx.root, cx.depth, cx.members) = (self.root, self.depth, self.members);
        cx.hint_name.clone_from(&self.hint_name);
        cx.memory = self.memory.clone();
        cx
    }

    /// The decoded-bytes budget.
    pub fn budget(&self) -> Budget {
        self.budget.clone()
    }

    /// The name by which the current stream is known, codec extensions taken off.
    pub fn hint_name(&self) -> Vec<u8> {
        self.hint_name.clone()
    }

    /// The trail of the current stream: path relative to SOURCE, then `!` and a member for each container.
    pub fn trail(&self) -> &[u8] {
        &self.trail
    }

    /// The rule that fits the current stream (for records without a table).
    pub fn rule(&self) -> Option<&'s Rule> {
        self.search.policy.rule(&self.trail, None)
    }

    /// Fails if a signal asked the run to stop, or another worker found what a gate looks for.
    pub fn check(&self) -> Result<()> {
        let closed = self.search.gate.is_some_and(|gate| gate.load(Ordering::Relaxed));
        if closed || self.search.interrupted.load(Ordering::Relaxed) {
            return Err(Error::new(Kind::Interrupted, "interrupted"));
        }
        Ok(())
    }

    /// Fails if what was found so far ends the run: anything for a gate, too much for a filter.
    pub fn found(&self) -> Result<()> {
        let Tally { dropped, edited, names, .. } = &self.tally;
        if let Some(gate) = self.search.gate
            && dropped + edited + names > 0
        {
            gate.store(true, Ordering::Relaxed);
            return Err(Error::new(Kind::Found, "stopped at the first hit"));
        }
        self.most.map_or(Ok(()), |most| most(&self.tally))
    }

    /// Asks for `bytes` of memory at one time. Within the worker's share: at once. Beyond it: waits for the large slot and keeps
    /// it until the artifact ends. Beyond the run's memory: `limit: --max-memory`.
    pub fn need(&mut self, bytes: u64) -> Result<()> {
        self.memory.need(bytes)
    }

    /// How those ask for memory who run while layers below them use this context.
    pub fn memory(&self) -> Memory<'s> {
        self.memory.clone()
    }

    /// Adds what was found in names.
    pub fn name_hits(&mut self, hits: NameHits) {
        self.tally.names += hits.masked;
        self.tally.left_held += u64::from(hits.held);
        for (subject, n) in hits.subjects {
            *self.tally.subjects.entry(subject).or_default() += n;
        }
    }

    /// Searches a name inside the artifact (a member's name, a PAX value); the masked name if it changes, of the same length.
    pub fn name(&mut self, name: &[u8]) -> Option<Vec<u8>> {
        let mut hits = NameHits::default();
        let masked = self.search.mask_name(name, &mut hits);
        self.name_hits(hits);
        masked
    }

    /// Notes a leaf stream: what its bytes will be afterwards. `part` is empty for the stream itself, else it names a list of
    /// the layer's own (`entries`).
    pub fn leaf(&mut self, part: &str, leaf: &Leaf) {
        let Foretold { leaves, digest } = &mut self.foretold;
        *leaves += 1;
        // The ordinal of the member, not its name: names are masked by the edit that is foretold.
        digest.update(&(self.members as u64).to_le_bytes());
        // An empty stream has no spelling: it is not told any more how it was spelled.
        let depth = if leaf.len == 0 { self.depth - self.spellings } else { self.depth };
        digest.update(&(depth as u64).to_le_bytes());
        digest.update(part.as_bytes());
        digest.update(&leaf.len.to_le_bytes());
        digest.update(&leaf.hash.digest128().to_le_bytes());
    }

    /// What is foretold of a stream whose one leaf, without any layer around it, is `leaf`.
    pub fn as_leaf(&self, leaf: &Leaf) -> Foretold {
        let mut cx = Self::new(self.search, &[], None);
        cx.leaf("", leaf);
        std::mem::take(&mut cx.foretold)
    }

    /// Goes down into the artifact's own bytes.
    pub fn descend(&mut self, input: &mut Input<'_>) -> Result<Found> {
        if let Some(claim) = self.claim.take() {
            return claim(input, self);
        }
        match self.look(input)? {
            Fit::Layer(layer) => layer.find(input, self),
            Fit::Unsupported(name) => self.unreadable(input, name),
            Fit::Unknown => self.unreadable(input, UNKNOWN),
            Fit::Mismatch(what) => Err(Error::new(Kind::Damaged, what)),
        }
    }

    /// As [`Cx::descend`], in one pass: what the stream will be goes to `out`. What cannot be read is an error unless it was
    /// accepted.
    pub fn stream(&mut self, input: &mut Input<'_>, out: &mut dyn Outlet) -> Result<Streamed> {
        let reason = match self.look(input)? {
            Fit::Layer(layer) => return layer.stream(input, self, out),
            Fit::Unsupported(name) => name,
            Fit::Unknown => UNKNOWN,
            Fit::Mismatch(what) => return Err(Error::new(Kind::Damaged, what)),
        };
        self.refuse(reason, false)?;
        let streamed = super::raw::RAW.stream(input, self, out)?;
        self.strange(reason.to_owned(), false);
        Ok(streamed)
    }

    /// What the current stream is.
    pub fn look(&mut self, input: &mut Input<'_>) -> Result<Fit> {
        self.check()?;
        if self.depth > DEPTH {
            return Err(Error::limit("layers inside one another (8)"));
        }
        input.window(SNIFF)?;
        let head = input.unread();
        let whole = head.len() < SNIFF;
        let head = head.get(..head.len().min(SNIFF)).unwrap_or_default();
        let hint = Hint {
            name: &self.hint_name,
            rule: self.rule(),
            format: self.search.format,
            codec: if self.depth == 0 { self.search.codec } else { None },
        };
        let fit = self.search.detect.detect(head, whole, &hint);
        if let (Fit::Layer(layer), 0) = (&fit, self.members) {
            self.tally.layers.push(layer.name());
        }
        Ok(fit)
    }

    /// Goes down by `read` into the decoded stream of `codec`, known as `name`.
    pub fn below_codec<T>(
        &mut self,
        codec: &dyn Codec,
        name: Vec<u8>,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let outer = std::mem::replace(&mut self.hint_name, name);
        self.depth += 1;
        self.spellings += usize::from(codec.is_spelling());
        let found = read(self);
        self.spellings -= usize::from(codec.is_spelling());
        self.depth -= 1;
        self.hint_name = outer;
        tracing::trace!(layer = codec.name(), depth = self.depth, "codec read");
        found
    }

    /// Goes down into a member's payload. `input` must be the payload alone, and is at its end afterwards.
    pub fn descend_member(&mut self, input: &mut Input<'_>, name: &[u8]) -> Result<Found> {
        self.member(name, |cx| cx.descend(input))
    }

    /// A member that its container knows and does not read (an entry type of its own, bytes between members): kept byte for byte,
    /// searched raw, and named with `reason`. `input` as for [`Cx::descend_member`].
    pub fn raw_member(&mut self, input: &mut Input<'_>, name: &[u8], reason: &str) -> Result<Found> {
        self.member(name, |cx| cx.unreadable(input, reason))
    }

    /// Says who reads the next stream that is gone down into, whatever it looks like.
    pub fn claim(&mut self, claim: Claim<'s>) {
        self.claim = Some(claim);
    }

    /// Reads a member by `read`, which goes down into nothing else.
    pub fn member<T>(&mut self, name: &[u8], read: impl FnOnce(&mut Self) -> T) -> T {
        let base = name.rsplit(|b| *b == b'/').next().unwrap_or_default().to_vec();
        let outer = std::mem::replace(&mut self.hint_name, base);
        let trail = self.trail.len();
        self.trail.push(b'!');
        self.trail.extend_from_slice(name);
        self.depth += 1;
        self.members += 1;
        let found = read(self);
        self.depth -= 1;
        self.trail.truncate(trail);
        self.hint_name = outer;
        found
    }

    /// A stream that cannot be read: kept byte for byte, searched as raw bytes for the anywhere-types, and named.
    fn unreadable(&mut self, input: &mut Input<'_>, reason: &str) -> Result<Found> {
        let hit = super::raw::search(input, self)?;
        let found = Found { layer: &super::raw::RAW, own: self.edits(), parts: Vec::new() };
        self.unsupported(reason, hit);
        Ok(found)
    }

    /// Nothing of the current stream is changed: it is kept byte for byte, and named with `reason`.
    pub fn unsupported(&mut self, reason: &str, hit: bool) {
        if self.trail.len() == self.root {
            self.tally.unsupported = Some((reason.to_owned(), hit));
        } else {
            self.strange(reason.to_owned(), hit);
        }
    }

    /// Names what of the current stream could not be read: the whole of it, bytes in it that are no text, a codec's side data.
    pub fn strange(&mut self, reason: String, hit: bool) {
        let accepted = !hit && self.accepts();
        if self.tally.members.len() >= MAX_MEMBERS {
            self.tally.more_members += 1;
            self.tally.more_bad |= !accepted;
            self.tally.more_hit |= hit;
            return;
        }
        let below = self.trail.get(self.root + 1..).unwrap_or_default();
        let name = judge::shown(&(self.search.mask)(below));
        self.tally.members.push(Member { name, status: "unsupported", reason, hit, accepted });
    }

    /// Fails for what of the current stream cannot be read, unless it was accepted and holds nothing: for what leaves at once.
    pub fn refuse(&self, reason: &str, hit: bool) -> Result<()> {
        match (hit, self.accepts()) {
            (true, _) => Err(Error::unsupported(format!("{reason}: holds matches"))),
            (false, true) => Ok(()),
            (false, false) => Err(Error::unsupported(reason.to_owned())),
        }
    }

    fn accepts(&self) -> bool {
        use std::os::unix::ffi::OsStrExt;
        let trail = std::path::Path::new(std::ffi::OsStr::from_bytes(&self.trail));
        let fits = |glob: &Glob| glob.matcher.is_match(trail);
        let member = self.trail.rsplit(|b| *b == b'!').next().unwrap_or_default();
        let member = std::path::Path::new(std::ffi::OsStr::from_bytes(member));
        self.search
            .policy
            .rules
            .iter()
            .any(|rule| rule.accept_unsupported.iter().any(|glob| fits(glob) || glob.matcher.is_match(member)))
    }
}
