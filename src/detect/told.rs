//! What a stream is, where more is known of it than its bytes and its name tell.

use std::any::Any;

use super::TABLES;
use crate::format::sql;
use crate::format::sql::ddl::Ddl;
use crate::layer::bundle::Bundler;
use crate::layer::coded::Codec;
use crate::layer::{Detect, Fit, Hint, Layer, Search};

/// [`TABLES`], and what was told besides.
#[derive(Debug, Clone, Copy, Default)]
pub struct Told<'d> {
    /// Definitions of tables whose rows may come without them.
    pub given: Option<&'d Ddl>,
    /// The artifact is nothing but such rows, unless the command line says otherwise.
    pub rows: bool,
}

/// Does `work` with `search`, for which an artifact is nothing but rows of these tables, if there are any.
pub fn with<T>(search: &Search<'_>, tables: Option<&Ddl>, work: impl FnOnce(&Search<'_>) -> T) -> T {
    if tables.is_none() {
        return work(search);
    }
    let told = Told { given: tables, rows: true };
    work(&Search { detect: &told, ..*search })
}

impl Detect for Told<'_> {
    fn detect(&self, head: &[u8], whole: bool, hint: &Hint<'_>) -> Fit {
        let rows = self.rows.then_some(sql::TAB);
        TABLES.detect(head, whole, &Hint { format: hint.format.or(rows), ..*hint })
    }

    fn format(&self, name: &str) -> Option<&'static dyn Layer> {
        TABLES.format(name)
    }

    fn bundler(&self) -> Option<&'static dyn Bundler> {
        TABLES.bundler()
    }

    fn codec_layer(&self, name: &str) -> Option<&'static dyn Layer> {
        TABLES.codec_layer(name)
    }

    fn codec(&self, name: &str) -> Option<&'static dyn Codec> {
        TABLES.codec(name)
    }

    fn told(&self) -> Option<&(dyn Any + Send + Sync)> {
        self.given.map(|ddl| ddl as _)
    }
}
