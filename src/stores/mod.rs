//! All stores as one: a run's SOURCEs and its DEST may lie on disk and in buckets, and what is read in one may be written to
//! another. The stores themselves know nothing of each other.
//!
//! `source` and `list` find what a command line means, `dest` where a mirrored artifact goes, `folders` what stands beside it;
//! [`Stores`] opens artifacts, and an [`Opened`] gives the draft that its target asks for.

mod dest;
mod folders;
mod list;
mod source;

use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

pub use dest::Dest;
pub use folders::{Buckets, Definitions, Watches};
pub use list::{Listing, Own};
pub use source::{Bucketed, Sources};

use crate::blob::{Blob, Played, Spool, TempSpace};
use crate::error::{Error, Kind, Result};
use crate::pool::Crew;
use crate::store::disk::{self, Disk};
use crate::store::s3::{self, Entry, S3};
use crate::store::{Draft, Identity, Note, Object, Original, Place, Purpose, To};

/// The stores of a run.
#[derive(Debug, Clone)]
pub struct Stores {
    disk: Disk,
    /// There is one if any place of the run is in a bucket.
    s3: Option<S3>,
}

impl Stores {
    /// The stores of a run.
    pub fn new(disk: Disk, s3: Option<S3>) -> Self {
        Self { disk, s3 }
    }

    /// With threads that help.
    #[must_use]
    pub fn helped(self, crew: Arc<dyn Crew>) -> Self {
        Self { disk: self.disk.helped(crew), ..self }
    }

    /// The disk.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Buckets, if any are named.
    pub fn buckets(&self) -> Option<&S3> {
        self.s3.as_ref()
    }

    /// Buckets.
    pub fn s3(&self) -> Result<&S3> {
        self.s3.as_ref().ok_or_else(|| Error::new(Kind::Io, "no bucket was named before"))
    }

    /// Which version `object` is now, without opening it; `None` if it is gone. An object of a bucket is what its listing said
    /// just before: asking again would be a request for each.
    pub fn look(&self, object: &Object) -> Option<Identity> {
        match object.place {
            Place::Path(_) => self.disk.look(object),
            Place::S3(_) => Some(object.identity.clone()),
        }
    }

    /// Whether there is a file, or an object, of that name.
    pub fn exists(&self, path: &Path) -> Result<bool> {
        match s3::Place::parse(path.as_os_str().as_bytes()) {
            Some(place) => Ok(self.s3()?.look(&place?)?.is_some()),
            None => Ok(path.exists()),
        }
    }

    /// The text of a regular file, or of an object, from its start: a manifest. An object is fetched into temporary space first.
    pub fn text(&self, path: &Path, space: &Arc<TempSpace>) -> Result<Box<dyn Read>> {
        if let Some(place) = s3::Place::parse(path.as_os_str().as_bytes()) {
            let mut spool = Spool::new(space);
            self.s3()?.download(&place?, &mut spool)?;
            return Ok(Box::new(Played::new(Box::new(spool))));
        }
        let file = File::open(path).map_err(|e| Error::io("opening a file", &e))?;
        let is_file = file.metadata().is_ok_and(|meta| meta.is_file());
        if is_file { Ok(Box::new(file)) } else { Err(Error::usage("not a regular file")) }
    }

    /// An object of a bucket as it is now; `None` if it is gone, or of another store.
    pub fn anew(&self, object: &Object) -> Result<Option<Object>> {
        let Place::S3(place) = &object.place else { return Ok(None) };
        let entry = self.s3()?.look(place)?;
        Ok(entry.map(|entry| Object {
            identity: entry.identity(),
            archived: entry.archived,
            class: entry.class.filter(|_| entry.archived),
            ..object.clone()
        }))
    }

    /// `object` will be opened soon: a small one of a bucket is fetched already, while others are worked on.
    pub fn soon(&self, object: &Object) {
        if let (Some(entry), Some(s3), false) = (entry_of(object), &self.s3, object.archived) {
            s3.soon(&entry);
        }
    }

    /// Asks for the restore of an object of which only its reading told that it is archived; `false`: restores are not asked for.
    pub fn restore(&self, object: &Object) -> Result<bool> {
        match entry_of(object) {
            Some(entry) => self.s3()?.restore(&entry),
            None => Ok(false),
        }
    }

    /// Opens `object` for `purpose`. Errors: skipped (`vanished`, `changed`, `special file`, `hard links`, `open for writing`,
    /// `old version`), pending (`archived`), locked, or the system's.
    pub fn open(&self, object: &Object, purpose: Purpose) -> Result<Opened<'_>> {
        let inner = match entry_of(object) {
            Some(entry) => {
                if object.old_version && purpose != Purpose::Read {
                    return Err(Error::new(Kind::Skipped, "old version"));
                }
                let s3 = self.s3()?;
                if entry.archived && s3.restore(&entry)? {
                    return Err(Error::new(Kind::Pending, "archived: its restore was asked for"));
                }
                Inner::S3(s3.open(&entry, purpose)?)
            }
            None => match self.disk.open_packed(object, purpose)? {
                Some(folder) => Inner::Packed(Box::new(folder)),
                None => Inner::Disk(self.disk.open(object, purpose)?),
            },
        };
        Ok(Opened { stores: self, inner })
    }
}

/// An object of a bucket as its listing told it.
fn entry_of(object: &Object) -> Option<Entry> {
    let (Place::S3(place), Identity::Object(id)) = (&object.place, &object.identity) else { return None };
    Some(Entry {
        place: place.clone(),
        size: id.size,
        etag: id.etag.clone(),
        version: id.version.clone(),
        modified: id.modified,
        class: object.class.clone(),
        archived: object.archived,
        is_latest: !object.old_version,
        is_delete_marker: false,
    })
}

/// An artifact that was opened.
#[derive(Debug)]
pub struct Opened<'s> {
    stores: &'s Stores,
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Disk(disk::Opened),
    Packed(Box<disk::Packed>),
    S3(s3::Opened),
}

impl Opened<'_> {
    fn original(&self) -> &dyn Original {
        match &self.inner {
            Inner::Disk(file) => file,
            Inner::Packed(folder) => &**folder,
            Inner::S3(object) => object,
        }
    }
}

impl Blob for Opened<'_> {
    fn len(&self) -> u64 {
        match &self.inner {
            Inner::Disk(file) => file.len(),
            Inner::Packed(folder) => folder.len(),
            Inner::S3(object) => object.len(),
        }
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        match &self.inner {
            Inner::Disk(file) => file.read_at(at, buf),
            Inner::Packed(folder) => folder.read_at(at, buf),
            Inner::S3(object) => object.read_at(at, buf),
        }
    }
}

impl Original for Opened<'_> {
    fn identity(&self) -> Identity {
        self.original().identity()
    }

    fn form(&self) -> Option<&'static str> {
        self.original().form()
    }

    fn check(&self) -> Result<()> {
        self.original().check()
    }

    fn notes(&self) -> Vec<Note> {
        self.original().notes()
    }

    /// In the same store its own draft, which keeps what the original has; into another one, a copy of its bytes.
    fn draft<'o>(&'o self, to: To<'_>, len: u64) -> Result<Box<dyn Draft + 'o>> {
        match (&self.inner, to) {
            (Inner::S3(object), To::Mirror { .. }) => self.stores.disk.draft(object, to, len),
            (Inner::Disk(file), To::Object { target, overwrite }) => {
                self.stores.s3()?.draft(file, target, overwrite, len)
            }
            _ => self.original().draft(to, len),
        }
    }
}
