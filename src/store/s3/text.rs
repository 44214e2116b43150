//! An object that grows at its end: the manifest of a run.
//!
//! An object cannot be appended to. Each [`Text::append`] is one write of the whole, on the condition that what stands there is what
//! was read or written last: of two that write one text the second is refused, and nothing of the first is lost. A text of up to
//! [`super::Tuning::put`] bytes is held here and sent whole; of a longer one the service copies what is there, and only the new end is
//! sent. The way is that of every commit (`commit`): answers that are lost are settled, a write is looked at afterwards.
//!
//! Besides the condition there is a word to others: the object's metadata names the process that writes it, so that a run that begins
//! meanwhile does not take the text for one that a crash left. It is a courtesy; what protects the text is the condition.
//! Memory: twice [`super::Tuning::put`], or the parts under way.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::client::S3;
use super::kept::{self, Kept};
use super::layout::Layout;
use super::read::Opened;
use super::small::pour;
use super::write::{ObjectDraft, Origin, Rule, refused};
use super::{Entry, Place, mark};
use crate::blob::{Blob, Spool};
use crate::error::{Error, Kind, Result};
use crate::store::{Draft, Identity, Note, ObjectId, Original, To};

/// User metadata: the process that writes the text, as [`mark::process`] names it.
const WRITER: &str = "unwrite-writer";
/// Media type of a new text: JSON Lines has no registered one.
const TYPE: &str = "application/x-ndjson";
/// A process elsewhere that has written nothing for so long is taken for gone.
const SILENCE: Duration = Duration::from_mins(15);

/// A text in a bucket. `Debug` shows nothing of it.
pub struct Text {
    store: S3,
    place: Place,
    kept: Kept,
    /// What stands there; `None`: nothing.
    entry: Option<Entry>,
    /// All of it, as long as it is short.
    held: Held,
    /// Who wrote it last.
    writer: Option<String>,
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Text").finish_non_exhaustive()
    }
}

impl Text {
    /// Looks at what stands at `place`.
    pub(super) fn open(store: &S3, place: &Place) -> Result<Self> {
        let core = &store.core;
        core.remember(place);
        let found = store.wait(async {
            match kept::look_at(core, place, None).await {
                Ok(head) => Ok(Some(head)),
                Err(fault) if fault.is_gone() => Ok(None),
                Err(fault) => Err(fault),
            }
        })?;
        let (mut kept, mut writer) = (Kept::typed(TYPE), None);
        if let Some(head) = &found {
            writer = head.metadata(WRITER).map(str::to_owned);
            kept = store.wait(Kept::of(core, head, true))?;
        }
        kept.set(WRITER, &mark::process());
        let entry = found.map(|head| head.entry);
        if entry.as_ref().is_some_and(|entry| entry.archived) {
            return Err(Error::new(Kind::Pending, "archived"));
        }
        Ok(Self { store: store.clone(), place: place.clone(), kept, entry, held: Held::default(), writer })
    }

    /// Reads all of it, as it was looked at, to the end of `into`. Before the first [`Self::append`].
    pub fn read(&mut self, into: &mut Spool) -> Result<()> {
        let Some(entry) = &self.entry else { return Ok(()) };
        let is_short = self.is_short(entry.size);
        let held = &mut self.held.0;
        held.clear();
        pour(&Opened::new(&self.store, entry), |bytes| {
            if is_short {
                held.extend_from_slice(bytes);
            }
            into.append(bytes)
        })
    }

    /// Whether somebody else may be about to write more: a process of this machine that lives, or one elsewhere that wrote in the
    /// last quarter of an hour.
    pub fn is_busy(&self) -> bool {
        let (Some(writer), Some(entry)) = (&self.writer, &self.entry) else { return false };
        if let Some(lives) = mark::lives(writer) {
            return lives;
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let quiet = now.as_nanos() as i128 - entry.modified;
        quiet < SILENCE.as_nanos() as i128
    }

    /// Length, bytes.
    pub fn len(&self) -> u64 {
        self.entry.as_ref().map_or(0, |entry| entry.size)
    }

    /// Whether it has no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes `tail` behind it; on return it is durable. Errors: `Locked`, if somebody else wrote meanwhile; others say that it was not
    /// written, or that nobody knows.
    pub fn append(&mut self, tail: Spool) -> Result<()> {
        if tail.is_empty() {
            return Ok(());
        }
        let was = self.len();
        let next = if self.is_short(was + tail.len()) {
            let mut next = Vec::with_capacity(usize::try_from(was + tail.len()).unwrap_or_default());
            next.extend_from_slice(&self.held.0);
            next.extend_from_slice(&all(&tail)?);
            next
        } else {
            Vec::new()
        };
        // What a run that is broken off has done is to be told: no signal ends these waits.
        let mut store = self.store.clone();
        store.lent.interrupted = Arc::default();
        let layout = Layout::grown(was, tail, &store.lent.space)?;
        let opened = self.entry.as_ref().map(|entry| Opened::new(&store, entry));
        let rule = self.entry.as_ref().map_or(Rule::New, |entry| Rule::Replace(entry.etag.clone()));
        let origin = match &opened {
            Some(opened) if !self.is_short(was) => Origin::Object(opened),
            _ => Origin::Other(&self.held),
        };
        let draft = ObjectDraft::grown(&store, origin, &self.place, rule, self.kept.clone(), layout);
        let committed = Box::new(draft).commit().map_err(meanwhile)?;
        let Identity::Object(ObjectId { etag, version, size, modified }) = committed.identity else {
            return Err(Error::new(Kind::Io, "not in a bucket"));
        };
        self.held.0 = next;
        self.entry = Some(Entry {
            place: self.place.clone(),
            size,
            etag,
            version,
            modified,
            class: None,
            archived: false,
            is_latest: true,
            is_delete_marker: false,
        });
        Ok(())
    }

    fn is_short(&self, len: u64) -> bool {
        len <= self.store.core.tuning.put
    }
}

/// What a refusal says of a text.
fn meanwhile(error: Error) -> Error {
    match error.kind() {
        Kind::Skipped if error.reason() == "vanished" => Error::new(Kind::Io, "somebody deleted it meanwhile"),
        Kind::Skipped => Error::new(Kind::Locked, "somebody else wrote it meanwhile"),
        Kind::Io if error.reason() == refused().reason() => {
            Error::new(Kind::Locked, "somebody else wrote it meanwhile")
        }
        _ => error,
    }
}

/// A short spool.
fn all(spool: &Spool) -> Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(spool.len()).unwrap_or_default()];
    let mut at = 0;
    while let Some(rest) = bytes.get_mut(at..).filter(|rest| !rest.is_empty()) {
        match spool.read_at(at as u64, rest).map_err(|e| Error::io("reading a temporary file", &e))? {
            0 => return Err(Error::new(Kind::Io, "a temporary file ended early")),
            n => at += n,
        }
    }
    Ok(bytes)
}

/// A short text, as the original of its successor: nobody else's writes are seen by it, the condition of the write tells them.
#[derive(Default)]
struct Held(Vec<u8>);

impl Blob for Held {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        self.0.read_at(at, buf)
    }
}

impl Original for Held {
    fn identity(&self) -> Identity {
        Identity::Object(ObjectId { etag: String::new(), version: None, size: self.len(), modified: 0 })
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn notes(&self) -> Vec<Note> {
        Vec::new()
    }

    fn draft<'o>(&'o self, _: To<'_>, _: u64) -> Result<Box<dyn Draft + 'o>> {
        Err(Error::new(Kind::Io, "a text has no other place"))
    }
}
