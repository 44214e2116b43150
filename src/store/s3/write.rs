//! The successor of an object, from the patch to its commit.
//!
//! Nothing is sent before `commit`: until then the draft is a patch over the original, readable at any offset (`layout`), and
//! that is what verification reads. The digest of the new object is taken of what verification reads, so that kept ranges are not read
//! once more for it. `commit` writes it in one request or in parts and puts it in the object's place, if that is still the
//! version that was read.

use std::io;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::Place;
use super::client::S3;
use super::kept::{self, Head, Kept};
use super::layout::Layout;
use super::read::Opened;
use crate::blob::Blob;
use crate::edit::Patch;
use crate::error::{Error, Kind, Result};
use crate::limits::WINDOW;
use crate::store::{Applied, Committed, Draft, Original};

/// Whose successor it is.
pub(super) enum Origin<'o> {
    /// An object's: kept ranges are copied by the service.
    Object(&'o Opened),
    /// Of an artifact of another store: all of it is sent.
    Other(&'o dyn Original),
}

/// Where it goes.
pub(super) enum Target {
    /// In the original's place.
    InPlace,
    /// Into a mirror.
    Mirror { place: Place, overwrite: bool },
}

/// What must be at the target at commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    /// The version with this entity tag.
    Replace(String),
    /// Nothing.
    New,
    /// Whatever.
    Over,
}

/// A draft of an object.
pub(super) struct ObjectDraft<'o> {
    pub(super) store: S3,
    pub(super) origin: Origin<'o>,
    pub(super) place: Place,
    pub(super) rule: Rule,
    pub(super) kept: Kept,
    pub(super) layout: Option<Layout>,
    /// What stands at the target with the length that is to come: perhaps these very bytes.
    pub(super) there: Option<super::Entry>,
    /// The original is copied elsewhere by the service.
    pub(super) replicated: bool,
    /// Its own name, by which its write is known again.
    pub(super) mark: String,
    /// Length that was foretold.
    len: u64,
    tap: Mutex<Tap>,
}

/// The digest of the new bytes as far as they were read, from the start on.
#[derive(Default)]
struct Tap {
    hash: Sha256,
    at: u64,
}

impl<'o> ObjectDraft<'o> {
    /// An empty draft. Looks at the object for what is to be kept besides its bytes, and at the target.
    pub(super) fn create(store: &S3, origin: Origin<'o>, target: Target, len: u64) -> Result<Self> {
        let source = match &origin {
            Origin::Object(opened) => Some(look(store, opened, &target)?),
            Origin::Other(_) => None,
        };
        let in_place = matches!(target, Target::InPlace);
        let replicated = in_place && source.as_ref().is_some_and(|head| head.output.replication_status().is_some());
        let kept = match &source {
            Some(head) => store.wait(Kept::of(&store.core, head, in_place))?,
            None => Kept::default(),
        };
        let (place, rule, there) = match (target, &origin) {
            (Target::InPlace, Origin::Object(opened)) => {
                (opened.entry.place.clone(), Rule::Replace(opened.entry.etag.clone()), None)
            }
            (Target::InPlace, Origin::Other(_)) => return Err(Error::new(Kind::Io, "not in a bucket")),
            (Target::Mirror { place, overwrite: true }, _) => (place, Rule::Over, None),
            (Target::Mirror { place, overwrite: false }, _) => {
                let there = store.look(&place)?;
                if there.as_ref().is_some_and(|there| there.size != len) {
                    return Err(refused());
                }
                (place, Rule::New, there)
            }
        };
        store.core.remember(&place);
        let mark = ulid::Ulid::new().to_string();
        let tap = Mutex::default();
        Ok(Self { store: store.clone(), origin, place, rule, kept, layout: None, there, replicated, mark, len, tap })
    }

    /// The next version of a text that was read or written before: what of it is kept besides its bytes is known.
    pub(super) fn grown(store: &S3, origin: Origin<'o>, place: &Place, rule: Rule, kept: Kept, layout: Layout) -> Self {
        let (len, mark) = (layout.len(), ulid::Ulid::new().to_string());
        Self {
            store: store.clone(),
            origin,
            place: place.clone(),
            rule,
            kept,
            layout: Some(layout),
            there: None,
            replicated: false,
            mark,
            len,
            tap: Mutex::default(),
        }
    }

    /// The original's bytes.
    pub(super) fn base(&self) -> &dyn Blob {
        match &self.origin {
            Origin::Object(opened) => *opened,
            Origin::Other(original) => *original,
        }
    }

    pub(super) fn layout(&self) -> Result<&Layout> {
        self.layout.as_ref().ok_or_else(|| Error::new(Kind::Verify, "commit before apply"))
    }

    /// Reads the new object; what comes next in order is taken into its digest.
    fn read(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let Some(layout) = &self.layout else { return Ok(0) };
        let n = layout.read_at(self.base(), at, buf)?;
        let mut tap = self.tap.lock().unwrap_or_else(PoisonError::into_inner);
        if tap.at == at {
            tap.hash.update(buf.get(..n).unwrap_or_default());
            tap.at += n as u64;
        }
        Ok(n)
    }

    fn hashed(&self) -> u64 {
        self.tap.lock().unwrap_or_else(PoisonError::into_inner).at
    }
}

/// Looks at the original: in place it must be the current version, elsewhere the one that was opened.
fn look(store: &S3, opened: &Opened, target: &Target) -> Result<Head> {
    let entry = &opened.entry;
    let version = if matches!(target, Target::InPlace) { None } else { entry.version.as_deref() };
    let head = store.wait(kept::head(&store.core, &entry.place, Some(&entry.etag), version))?;
    if head.entry.size != entry.size || head.entry.etag != entry.etag {
        return Err(changed());
    }
    Ok(head)
}

impl Draft for ObjectDraft<'_> {
    fn apply(&mut self, patch: &Patch) -> Result<Applied> {
        if self.layout.is_some() || patch.base_len != self.base().len() || patch.len() != self.len {
            return Err(Error::new(Kind::Verify, "the patch is not for this draft"));
        }
        let layout = Layout::of(patch, &self.store.lent.space)?;
        if layout.len() != self.len {
            return Err(Error::new(Kind::Verify, "the draft has not the length that was foretold"));
        }
        let applied = Applied { bytes: layout.len(), sha256: None, kept: layout.kept() };
        self.layout = Some(layout);
        Ok(applied)
    }

    fn blob(&self) -> &dyn Blob {
        self
    }

    fn sha256(&self) -> Result<[u8; 32]> {
        let layout = self.layout()?;
        let mut buf = vec![0; WINDOW];
        loop {
            let at = self.hashed();
            if at >= layout.len() {
                let tap = self.tap.lock().unwrap_or_else(PoisonError::into_inner);
                return Ok(tap.hash.clone().finalize().into());
            }
            match self.read(at, &mut buf) {
                Ok(n) if n > 0 => {}
                Ok(_) => return Err(Error::new(Kind::Io, "the new object ended early")),
                Err(error) => {
                    self.check()?;
                    return Err(Error::io("reading the original", &error));
                }
            }
        }
    }

    fn commit(self: Box<Self>) -> Result<Committed> {
        self.put_in_place()
    }
}

impl ObjectDraft<'_> {
    /// What the original says of a failure to read it.
    pub(super) fn check(&self) -> Result<()> {
        match &self.origin {
            Origin::Object(opened) => opened.check(),
            Origin::Other(original) => original.check(),
        }
    }
}

impl Blob for ObjectDraft<'_> {
    fn len(&self) -> u64 {
        self.layout.as_ref().map_or(0, Layout::len)
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.read(at, buf)
    }
}

/// `skipped: changed`.
pub(super) fn changed() -> Error {
    Error::new(Kind::Skipped, "changed")
}

/// A mirror's target that is not to be replaced.
pub(super) fn refused() -> Error {
    Error::new(Kind::Io, "the target exists with other bytes").help("see --overwrite")
}
