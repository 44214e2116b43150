//! What a stream is, where more is known of it than its bytes and its name tell.

use std::any::Any;

use super::TABLES;
use crate::format::sql;
use crate::format::sql::ddl::Ddl;
use crate::layer::bundle::Bundler;
use crate::layer::coded::Codec;
use crate::layer::{Detect, Fit, Hint, Layer};

/// [`TABLES`], and what was told besides.
#[derive(Debug, Clone, Copy, Default)]
pub struct Told<'d> {
    /// Definitions of tables whose rows may come without them.
    pub given: Option<&'d Ddl>,
    /// The artifact is nothing but such rows, unless the command line says otherwise.
    pub rows: bool,
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
