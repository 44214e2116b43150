//! What is told of dumps besides their bytes.

use std::path::PathBuf;

use clap::Args;

use crate::codec::small;
use crate::error::{Error, Result};
use crate::format::sql::ddl::{Ddl, MAX_BYTES};

/// Options about dumps.
#[derive(Debug, Args)]
pub struct Dumps {
    /// Tables for dumps of data alone: a dump of the schema without data, compressed or not.
    #[arg(long, value_name = "FILE", env = "UNWRITE_SCHEMA")]
    pub schema: Option<PathBuf>,
}

impl Dumps {
    /// Reads the definitions.
    pub fn read(&self) -> Result<Option<Ddl>> {
        let Some(path) = &self.schema else { return Ok(None) };
        let cannot = |e: &std::io::Error| Error::usage(format!("cannot read the file of --schema: {}", e.kind()));
        let meta = std::fs::metadata(path).map_err(|e| cannot(&e))?;
        if !meta.is_file() {
            return Err(Error::usage("--schema: not a regular file"));
        }
        if meta.len() > MAX_BYTES {
            return Err(Error::usage("--schema: the file is larger than 64 MiB"));
        }
        let most = usize::try_from(MAX_BYTES).unwrap_or(usize::MAX);
        let text = small::decoded(std::fs::read(path).map_err(|e| cannot(&e))?, most)
            .map_err(|error| Error::usage(format!("--schema: {error}")))?;
        if text.len() == most {
            return Err(Error::usage("--schema: the file is larger than 64 MiB"));
        }
        Ddl::new(text).map(Some).map_err(|error| Error::usage(format!("--schema: {error}")))
    }
}
