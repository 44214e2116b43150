//! A compiled registry: columns and tables of one that was read, in a file that is mapped and not read.
//!
//! [`Compiled::make`] plays a registry's events once and keeps everybody with an identifier: effective times and the ends of holds
//! stand in it as times, so that the same file says tomorrow what the registry would say tomorrow. [`Compiled::open`] maps it.
//! [`Compiled::registry`] gives what [`super::read`] would have given; what it cannot tell (an earlier point of the log, a listing,
//! findings) its caller reads from the registry itself, whose place, size, mtime, inode and digest stand in the file.
//!
//! ```text
//! magic (8) │ bytes of the file (u64) │ bytes of the head (u64) │ SHA-256 of the head │ head: JSON │ columns, each at a multiple of 64
//! ```
//! All numbers are little-endian. Memory: opening takes that of the head; pages of the columns come as they are asked for.

mod head;
mod map;
mod resolved;
mod write;

#[cfg(any(test, feature = "fuzz"))]
pub use self::head::seal;

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use memmap2::Mmap;
use sha2::{Digest, Sha256};

pub use self::head::Source;
use self::head::{Head, PRELUDE, SECTIONS};
use super::{Listing, Options, Registry};
use crate::error::{Error, Result};
use crate::matcher::Needles;
use crate::matcher::column::{Bytes, Column, read_time};
use crate::matcher::literal::ready::Ready;

/// The extension of such files.
pub const EXTENSION: &str = "unwr";
/// Longest head, bytes. Ours have about 6 KiB.
const HEAD_MAX: usize = 1 << 20;

/// What a run says when the registry is another than was compiled.
const CHANGED: &str = "the registry changed since it was compiled; compile it again";

/// A compiled registry.
#[derive(Debug)]
pub struct Compiled {
    head: Head,
    map: Arc<Mmap>,
    /// Where the sections begin.
    base: usize,
}

impl Compiled {
    /// Whether a registry of that name is a compiled one.
    pub fn is(path: &Path) -> bool {
        path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(EXTENSION))
    }

    /// Whether a file that begins so is a compiled registry, of any version.
    pub fn has_magic(head: &[u8]) -> bool {
        let [name @ .., _, _, _, _] = head::MAGIC;
        let [.., a, b, c] = head::MAGIC;
        head.starts_with(&name) && head.get(name.len() + 1..head::MAGIC.len()) == Some(&[a, b, c])
    }

    /// Maps `file` and checks all of it. Usage errors: it is none, of another version, cut short or damaged.
    pub fn open(file: &File) -> Result<Self> {
        let compiled = Self::look(file)?;
        // All of it, whatever that takes: a table with a wrong bit would miss people and call what holds them clean (P2).
        compiled.check()?;
        Ok(compiled)
    }

    /// What `file` was compiled from; no more than its head is looked at. Usage errors: as [`Self::open`]'s.
    pub fn source_of(file: &File) -> Result<Source> {
        Ok(Self::look(file)?.head.source)
    }

    fn look(file: &File) -> Result<Self> {
        let length =
            file.metadata().map_err(|e| Error::usage(format!("cannot read the registry: {}", e.kind())))?.len();
        if length < PRELUDE as u64 {
            return Err(damaged());
        }
        Self::of(map::map(file)?)
    }

    /// As [`Self::open`], of bytes in memory.
    #[cfg(any(test, feature = "fuzz"))]
    pub fn of_bytes(bytes: &[u8]) -> Result<Self> {
        let mut map = memmap2::MmapMut::map_anon(bytes.len().max(1)).map_err(|_| damaged())?;
        map.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        let compiled = Self::of(Arc::new(map.make_read_only().map_err(|_| damaged())?))?;
        compiled.check()?;
        Ok(compiled)
    }

    fn of(map: Arc<Mmap>) -> Result<Self> {
        let (head, base) = head::read(&map)?;
        Ok(Self { head, map, base })
    }

    /// Checks the digest of every section. Usage error: one is wrong.
    fn check(&self) -> Result<()> {
        for section in &self.head.sections {
            let bytes = self.section(section).and_then(|bytes| self.map.get(bytes));
            if bytes.is_none_or(|bytes| head::digest(bytes) != section.xxh3) {
                return Err(damaged());
            }
        }
        Ok(())
    }

    /// What it was compiled from.
    pub fn source(&self) -> &Source {
        &self.head.source
    }

    /// Whether the file with this metadata is, as far as that tells, the one that was compiled. Usage error if not.
    pub fn is_of(&self, meta: &Metadata) -> Result<()> {
        let source = &self.head.source;
        let same = meta.is_file()
            && meta.len() == source.bytes
            && meta.ino() == source.inode
            && (meta.mtime(), meta.mtime_nsec()) == (source.mtime, source.mtime_nanos);
        if same { Ok(()) } else { Err(changed()) }
    }

    /// Whether a registry with this digest is the one that was compiled. Usage error if not.
    pub fn is_of_digest(&self, sha256: &str) -> Result<()> {
        if self.head.sha256 == sha256 { Ok(()) } else { Err(changed()) }
    }

    /// Whether `options` ask for what only the registry itself can tell.
    pub fn must_read(options: &Options) -> bool {
        options.as_of_seq.is_some()
            || options.as_of_sha256.is_some()
            || options.listing != Listing::None
            || options.findings
    }

    /// `options` with which the registry itself is read as it was compiled. Usage error: they do not go together with it.
    pub fn options(&self, options: &Options) -> Result<Options> {
        let head = &self.head;
        if head.allow_short && !options.allow_short {
            return Err(Error::usage("the registry was compiled with --allow-short")
                .help("--allow-short takes it, as it takes the registry itself"));
        }
        if options.txt_type.is_some() && options.txt_type != head.txt_type()? {
            return Err(Error::usage("--type: the registry was compiled with another type or without one"));
        }
        Ok(Options { txt_type: head.txt_type()?, ..options.clone() })
    }

    /// What [`super::read`] says of the registry, judged at `options.now`, less what [`Self::must_read`] asks for. Usage errors: as
    /// there, and a damaged file.
    pub fn registry(&self, options: &Options) -> Result<Registry> {
        let options = self.options(options)?;
        let head = &self.head;
        let mut columns = head.sections.iter().map(|section| {
            let range = self.section(section).ok_or_else(damaged)?;
            Ok(Bytes::mapped(&self.map, range))
        });
        let mut own: [Bytes; crate::matcher::needles::COLUMNS] = Default::default();
        for column in &mut own {
            *column = columns.next().ok_or_else(damaged)??;
        }
        let changes = columns.next().ok_or_else(damaged)??;
        let ready = Ready::of_columns(columns.collect::<Result<Vec<_>>>()?, head.notes).ok_or_else(damaged)?;
        let needles = Needles::of_columns(own, head.traits, ready, options.now).ok_or_else(damaged)?;
        let [in_force, on_hold, pending, cancelled] = counts(&Column(changes), options.now);
        let newest_at = head.newest_at.map(head::Time::time).transpose()?;
        let mtime = Timestamp::new(head.source.mtime, head.source.mtime_nanos as i32).map_err(|_| damaged())?;
        let registry = Registry {
            needles: Arc::new(needles),
            sha256: head.sha256.clone(),
            txt_type: options.txt_type,
            grown: false,
            seq: head.seq,
            newest_at,
            written: newest_at.unwrap_or(mtime),
            now: options.now,
            in_force,
            held: on_hold,
            pending,
            cancelled,
            new_since: Vec::new(),
            listing: Vec::new(),
            findings: Vec::new(),
        };
        super::judge(&registry, &options)?;
        Ok(registry)
    }

    fn section(&self, section: &head::Section) -> Option<std::ops::Range<usize>> {
        let start = self.base.checked_add(usize::try_from(section.at).ok()?)?;
        let end = start.checked_add(usize::try_from(section.bytes).ok()?)?;
        (end <= self.map.len()).then_some(start..end)
    }
}

impl Source {
    /// The registry's path, of a compiled one at `compiled`.
    pub fn path(&self, compiled: &Path) -> PathBuf {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(&self.path));
        // An absolute path replaces the folder.
        compiled.parent().unwrap_or(Path::new("")).join(path)
    }
}

/// How many are in force, held, pending and cancelled at `now`: the last change that is not after it.
fn counts(changes: &Column<{ head::CHANGE }>, now: Timestamp) -> [u64; 4] {
    let time = |change: &[u8; head::CHANGE]| change.first_chunk().and_then(read_time);
    let after = changes.items().partition_point(|change| time(change).is_none_or(|at| at <= now));
    let change = after.checked_sub(1).and_then(|at| changes.get(at));
    let numbers = change.and_then(|change| change.get(12..)).unwrap_or_default().as_chunks::<4>().0;
    let mut counts = [0; 4];
    for (count, number) in counts.iter_mut().zip(numbers) {
        *count = u64::from(u32::from_le_bytes(*number));
    }
    counts
}

fn changed() -> Error {
    Error::usage(CHANGED).help("`unwrite registry compile` writes it anew")
}

fn damaged() -> Error {
    Error::usage("the compiled registry is damaged; compile it again")
}

fn sha256(bytes: &[u8]) -> String {
    super::chain::hex(&Sha256::digest(bytes))
}

const _: () = assert!(SECTIONS == crate::matcher::needles::COLUMNS + 1 + crate::matcher::literal::ready::COLUMNS);
