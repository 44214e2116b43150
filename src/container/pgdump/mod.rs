//! `pg_dump`'s own archives: custom (`-Fc`), written since `PostgreSQL` 9.0 (versions 1.12 to 1.16), whatever they are compressed with.
//!
//! An archive is a table of contents (`toc`), entry by entry with its DDL, and then blocks of rows or of large objects, each compressed
//! by itself (`chunks`, `coded`). What `pg_restore` would make of it is a dump in plain SQL. So `find` gives all the DDL and then the
//! rows of all blocks, as they come, to the layer of SQL dumps as one stream (`script`): tables, keys, foreign keys and rules are
//! its affair. Edits come back for the blocks. `lift` makes those blocks again and moves the offsets that the table of contents has
//! of them and of those behind; all else is kept byte for byte. DDL is searched and never edited. Each large object is a member.
//!
//! Own code, since no library reads an archive forward within bounds, keeps what it does not touch, or tells where it stood. After
//! `pg_backup_archiver.c` and `pg_backup_custom.c` of `PostgreSQL` 9.0 to 17.
//!
//! Memory: the texts of one entry (`toc::TEXT` each), and what must be known of entries with data until their block comes ([`MOST`]).

#[cfg(feature = "pgdump")]
mod chunks;
#[cfg(feature = "pgdump")]
mod coded;
#[cfg(feature = "pgdump")]
mod custom;
#[cfg(feature = "pgdump")]
pub mod files;
#[cfg(feature = "pgdump")]
mod lift;
#[cfg(feature = "pgdump")]
mod script;
#[cfg(all(test, feature = "pgdump"))]
mod tests;
#[cfg(feature = "pgdump")]
mod toc;

#[cfg(feature = "pgdump")]
use crate::error::Result;
#[cfg(feature = "pgdump")]
use crate::input::Input;
#[cfg(feature = "pgdump")]
use crate::layer::{Cx, Found, Layer, Pass};

/// The name of custom archives.
pub const CUSTOM: &str = "pg_dump custom";

/// Bytes that are kept of entries with data until their blocks come: their statements, and 64 for each.
#[cfg(feature = "pgdump")]
pub const MOST: usize = 64 << 20;

/// The layer of custom archives.
#[cfg(feature = "pgdump")]
pub static PGDUMP: Pgdump = Pgdump;

/// See [`PGDUMP`].
#[cfg(feature = "pgdump")]
#[derive(Debug)]
pub struct Pgdump;

#[cfg(feature = "pgdump")]
impl Layer for Pgdump {
    fn name(&self) -> &'static str {
        CUSTOM
    }

    fn find(&'static self, input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<Found> {
        custom::find(self, input, cx)
    }

    fn lift(&self, found: &Found, pass: &mut dyn Pass, cx: &mut Cx<'_>) -> Result<()> {
        lift::lift(found, pass, cx)
    }
}

/// Whether a stream with these first bytes is an archive, or the table of contents of one that lies in several files.
pub fn sniff(head: &[u8], _whole: bool) -> bool {
    head.starts_with(b"PGDMP")
}

/// Nothing is an archive for its name.
pub fn named(_head: &[u8], _whole: bool) -> bool {
    false
}
