//! The marks by which a dump says that it is whole: what ends without them was cut.
//!
//! Asked for only where the program's own header is there as it writes it, so that parts of dumps and texts by hand are read as well.

use super::lex::{Dialect, Kind};
use crate::error::{Error, Kind as Fault, Result};

/// What was seen of them.
#[derive(Debug, Default)]
pub struct Marks {
    /// A line that may begin a header, and not yet the one that belongs to it: a stream that ends there was cut in it.
    begun: bool,
    /// Headers without their end so far.
    open: i64,
    transaction: bool,
    /// Something else than comments was there.
    stated: bool,
}

impl Marks {
    /// Looks at a statement or comment.
    pub fn see(&mut self, statement: &[u8], dialect: Dialect) {
        let text = statement.trim_ascii();
        match text {
            b"-- PostgreSQL database dump" => self.begun = true,
            b"-- PostgreSQL database cluster dump" => self.open += 1,
            b"-- PostgreSQL database dump complete" | b"-- PostgreSQL database cluster dump complete" => {
                self.open = (self.open - 1).max(0);
            }
            _ if text.starts_with(b"-- MySQL dump ") || text.starts_with(b"-- MariaDB dump ") => self.begun = true,
            _ if text.starts_with(b"-- Dumped by pg_dump version") || text.starts_with(b"-- Server version") => {
                self.open += i64::from(std::mem::take(&mut self.begun));
            }
            _ if text.starts_with(b"-- Dump completed") => self.open = (self.open - 1).max(0),
            b"BEGIN TRANSACTION;" if dialect.kind == Kind::Sqlite => self.transaction = true,
            b"COMMIT;" | b"ROLLBACK;" => self.transaction = false,
            _ => {}
        }
        self.stated |= !text.is_empty()
            && !text.starts_with(b"--")
            && !text.starts_with(b"/*M!999999")
            && !text.starts_with(b"\\restrict");
    }

    /// Rows came.
    pub fn rows(&mut self) {
        self.stated = true;
    }

    /// The stream is over.
    pub fn finish(&self) -> Result<()> {
        if self.open > 0 || self.transaction || self.begun && !self.stated {
            return Err(Error::new(Fault::Damaged, "the dump ends before its own end mark"));
        }
        Ok(())
    }
}
