//! Makes a compiled registry, and puts it in its place.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::head::{ALIGN, CHANGE, Head, MAGIC, PRELUDE, Section, Source, Time, digest};
use super::{Compiled, resolved};
use crate::error::{Error, Result};
use crate::matcher::column::{Bytes, Column};
use crate::matcher::literal::Literal;
use crate::matcher::literal::ready::Ready;
use crate::matcher::{Needles, Plan};
use crate::policy::Fields;
use crate::registry::ledger::Ledger;
use crate::registry::{Form, Options, Pool, load};

/// A registry that was compiled, in memory.
pub struct Made {
    head: Head,
    needles: Arc<Needles>,
    changes: Column<CHANGE>,
    ready: Ready,
}

impl Compiled {
    /// Compiles a registry of that `form`. `options.now` does not matter. Errors: as [`super::super::read`]'s.
    pub fn make(pool: &dyn Pool, input: impl Read, form: Form, source: Source, options: &Options) -> Result<Made> {
        let mut ledger = Ledger::new(options);
        let sha256 = load::load(input, form, &mut ledger, pool)?;
        let (seq, newest_at) = (ledger.seq, ledger.newest_at);
        if seq == 0 && !options.allow_empty {
            return Err(super::super::empty());
        }
        let (needles, changes) = resolved::all(ledger)?;
        let needles = Arc::new(needles);
        // Tables depend on values alone; names and variants are the run's.
        let plan = Plan { needles: Arc::clone(&needles), fields: Arc::new(Fields::default()) };
        let ready = Ready::of(&Literal::new(&plan)?);
        let head = Head {
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            source,
            sha256,
            seq,
            newest_at: newest_at.map(Time::of),
            allow_short: options.allow_short,
            txt_type: options.txt_type.map(|kind| kind.name().to_owned()),
            traits: *needles.traits(),
            notes: *ready.notes(),
            sections: Vec::new(),
        };
        Ok(Made { head, needles, changes, ready })
    }
}

impl Made {
    /// Values in it.
    pub fn values(&self) -> u32 {
        self.needles.ids()
    }

    /// Writes it.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let columns = self.needles.columns().into_iter().chain([&self.changes.0]).chain(self.ready.columns());
        let columns: Vec<&Bytes> = columns.collect();
        let mut at = 0;
        let sections = columns.iter().map(|column| {
            let section = Section { at: at as u64, bytes: column.len() as u64, xxh3: digest(column) };
            at += column.len().next_multiple_of(ALIGN);
            section
        });
        let head = Head { sections: sections.collect(), ..self.head.clone() };
        let head = serde_json::to_vec(&head).map_err(io::Error::other)?;
        let base = (PRELUDE + head.len()).next_multiple_of(ALIGN);
        out.write_all(&MAGIC)?;
        out.write_all(&((base + at) as u64).to_le_bytes())?;
        out.write_all(&(head.len() as u64).to_le_bytes())?;
        out.write_all(&Sha256::digest(&head))?;
        out.write_all(&head)?;
        pad(out, PRELUDE + head.len())?;
        for column in columns {
            out.write_all(column)?;
            pad(out, column.len())?;
        }
        Ok(())
    }

    /// Puts it at `path`, mode 0600, in one step: a name that is there gives way to the whole file or stays. Usage error: it cannot
    /// be written, or something else than a compiled registry is there.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut magic = [0; MAGIC.len()];
        let there = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
        if !Compiled::has_magic(&magic) && !matches!(there.map_err(|error| error.kind()), Err(ErrorKind::NotFound)) {
            return Err(Error::usage("-o: something else than a compiled registry has that name"));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let draft = folder.join(format!(".unwrite-compile-{}.tmp", ulid::Ulid::new()));
        let written = File::options().write(true).create_new(true).mode(0o600).open(&draft).and_then(|file| {
            let mut out = BufWriter::with_capacity(1 << 20, file);
            self.write(&mut out)?;
            out.flush()?;
            out.get_ref().sync_all()?;
            std::fs::rename(&draft, path)?;
            File::open(folder)?.sync_all()
        });
        written.map_err(|error| {
            // The first error is the one to tell.
            let _gone = std::fs::remove_file(&draft);
            Error::usage(format!("cannot write the compiled registry: {}", error.kind()))
        })
    }
}

fn pad(out: &mut impl Write, written: usize) -> io::Result<()> {
    let gap = written.next_multiple_of(ALIGN) - written;
    out.write_all([0; ALIGN].get(..gap).unwrap_or_default())
}
