//! The commit: the new object in the place of the old, if that is still the version that was read.
//!
//! Order: nothing is visible before the last request, `PutObject` or `CompleteMultipartUpload`, which carries `If-Match`
//! (`If-None-Match: *` where there was nothing); a kill before it leaves the old object, and perhaps an unfinished upload that the
//! next run knows by its mark. An answer that is lost, and a refusal that may be due to a request of our own made twice, are settled by
//! a look: each draft writes a name of its own into the object's metadata. After the commit the object is looked at again.

use super::fault::{Fault, Op, What};
use super::kept::{self, Head};
use super::read::Opened;
use super::uploads::Upload;
use super::write::{ObjectDraft, Rule, changed, refused};
use super::{Preconditions, probe};
use crate::error::{Error, Kind, Result};
use crate::store::{Committed, Draft, Note, digest};

/// Times that a write is begun anew after a conflict (409).
const CONFLICTS: usize = 5;

/// What a write came to.
pub(super) enum Wrote {
    /// It was answered: the new entity tag, and version.
    Answered { etag: Option<String>, version: Option<String> },
    /// It was not done, or nobody knows.
    Failed(Fault),
}

/// What a look after a failure says.
enum Settled {
    /// It was written all the same.
    Ours(Box<Head>),
    /// It was not, and the old version is there: it was refused for a conflict.
    Again(Fault),
}

impl ObjectDraft<'_> {
    pub(super) fn put_in_place(&self) -> Result<Committed> {
        let layout = self.layout()?;
        self.check()?;
        if let Some(there) = &self.there {
            let opened = Opened::new(&self.store, there);
            if digest(&opened)? != self.sha256()? {
                return Err(refused());
            }
            return Ok(Committed { identity: there.identity(), already: true, notes: Vec::new() });
        }
        let mut notes = if self.replicated { vec![Note::Replicated] } else { Vec::new() };
        let conditional = self.may_write(&mut notes)?;
        let small = layout.len() <= self.store.core.tuning.put;
        let mut refusals = 0;
        loop {
            let (wrote, upload) = if small { (self.put(conditional)?, None) } else { self.multipart(conditional)? };
            match self.outcome(wrote, upload)? {
                Settled::Ours(head) => {
                    return Ok(Committed { identity: head.entry.identity(), already: false, notes });
                }
                Settled::Again(fault) => {
                    refusals += 1;
                    if refusals >= CONFLICTS {
                        return Err(fault.into());
                    }
                }
            }
        }
    }

    /// What came of a write in the end. Only then its upload is aborted, and not if it may have been completed, or may yet be: the next
    /// run knows it by its mark.
    fn outcome(&self, wrote: Wrote, upload: Option<Upload>) -> Result<Settled> {
        let settled = match wrote {
            Wrote::Answered { etag, version } => {
                self.confirm(etag.as_deref(), version.as_deref()).map(|head| Settled::Ours(Box::new(head)))
            }
            Wrote::Failed(fault) => self.settle(fault),
        };
        let may_be_done = match &settled {
            Ok(Settled::Ours(_)) => true,
            Ok(Settled::Again(_)) => false,
            Err(error) => error.is_unsure(),
        };
        if let (Some(upload), true) = (upload, may_be_done) {
            upload.leave();
        }
        settled
    }

    /// Whether writes carry a precondition; an error if they should, and the bucket is known to ignore it.
    fn may_write(&self, notes: &mut Vec<Note>) -> Result<bool> {
        if self.rule == Rule::Over {
            return Ok(true);
        }
        let core = &self.store.core;
        let enforced = self.store.wait(async { Ok(probe::preconditions(core, &self.place.bucket).await) })?;
        if enforced != Preconditions::Ignored {
            return Ok(true);
        }
        if !core.unconditional {
            let what = "the bucket ignores preconditions: a write of somebody else's at the same time would be lost";
            return Err(Error::new(Kind::Io, what).help("see --allow-unconditional-writes"));
        }
        notes.push(Note::Unconditional);
        Ok(false)
    }

    /// Instead of a precondition: a look just before.
    pub(super) fn look_first(&self) -> Result<()> {
        let found = self.store.look(&self.place)?;
        match (&self.rule, found) {
            (Rule::Replace(etag), Some(entry)) if entry.etag == *etag => Ok(()),
            (Rule::Replace(_), Some(_)) => Err(changed()),
            (Rule::Replace(_), None) => Err(Error::new(Kind::Skipped, "vanished")),
            (Rule::New, Some(_)) => Err(refused()),
            (Rule::New, None) | (Rule::Over, _) => Ok(()),
        }
    }

    /// The object must be what was sent.
    fn confirm(&self, etag: Option<&str>, version: Option<&str>) -> Result<Head> {
        let core = &self.store.core;
        let looked = self.store.finish(kept::look_at(core, &self.place, version));
        match looked {
            Ok(head) if self.is_ours(&head) && etag.is_none_or(|etag| etag == head.entry.etag) => {
                let mut head = head;
                head.entry.version = version.map(str::to_owned).or(head.entry.version);
                Ok(head)
            }
            Ok(head) if head.mark() == Some(&self.mark) => {
                Err(Error::new(Kind::Verify, "the object is not what was sent"))
            }
            // Somebody wrote just after: what is there now was not searched.
            Ok(_) => Err(changed().unsure()),
            Err(fault) if fault.is_gone() => Err(Error::new(Kind::Skipped, "vanished").unsure()),
            Err(fault) => {
                let what = "it was written, and cannot be looked at";
                Err(Error::from(Fault { op: fault.op, what: What::Odd(what) }).unsure())
            }
        }
    }

    fn is_ours(&self, head: &Head) -> bool {
        head.mark() == Some(&self.mark) && self.layout.as_ref().is_some_and(|layout| layout.len() == head.entry.size)
    }

    /// What became of a write that failed. Whatever was answered, it is looked at: a refusal may be the answer to our own second
    /// request, after the first was done and its answer lost.
    fn settle(&self, fault: Fault) -> Result<Settled> {
        let core = &self.store.core;
        match self.store.finish(kept::look_at(core, &self.place, None)) {
            Ok(head) if self.is_ours(&head) => Ok(Settled::Ours(Box::new(head))),
            Ok(head) => match &self.rule {
                Rule::Replace(etag) if head.entry.etag == *etag => unchanged(fault),
                Rule::Replace(_) => Err(perhaps(fault, changed())),
                Rule::New => Err(perhaps(fault, refused())),
                Rule::Over => unchanged(fault),
            },
            Err(gone) if gone.is_gone() => match &self.rule {
                Rule::Replace(_) => Err(perhaps(fault, Error::new(Kind::Skipped, "vanished"))),
                Rule::New | Rule::Over => unchanged(fault),
            },
            Err(_) => Err(unknown(fault)),
        }
    }
}

/// Another object is there, or none: ours may have been there before.
fn perhaps(fault: Fault, error: Error) -> Error {
    if fault.may_be_done() { error.unsure() } else { error }
}

/// It failed, and what is there cannot be looked at.
fn unknown(fault: Fault) -> Error {
    let answer = match fault.status() {
        0 => "no answer".to_owned(),
        status => format!("HTTP {status}"),
    };
    Error::new(Kind::Io, format!("{}: {answer}: whether it was written is not known", fault.op.name())).unsure()
}

/// The old version is there: a conflict with a write that was not done in the end is tried again.
fn unchanged(fault: Fault) -> Result<Settled> {
    match fault.status() {
        409 => Ok(Settled::Again(fault)),
        412 => {
            let what = "the precondition was refused though it holds";
            Err(Error::from(Fault { op: fault.op, what: What::Odd(what) }).help("see --allow-unconditional-writes"))
        }
        // The upload is gone: somebody aborts what is unfinished.
        404 if fault.op == Op::Complete => {
            Err(Fault { op: Op::Complete, what: What::Odd("the upload was aborted by somebody else") }.into())
        }
        _ => Err(fault.into()),
    }
}
