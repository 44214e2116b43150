//! The digest of an artifact that was read without one.

use crate::blob::Blob;
use crate::digest::sha256;
use crate::error::{Error, Kind, Result};
use crate::pool::Crew;

/// SHA-256 of all bytes, read in windows.
pub(super) fn hash_all(blob: &dyn Blob, crew: &dyn Crew) -> Result<[u8; 32]> {
    let (read, sha) = sha256(crew, blob.len(), |sha| {
        let (mut at, mut buf) = (0, vec![0; crate::limits::WINDOW]);
        while at < blob.len() {
            let n = blob.read_at(at, &mut buf).map_err(|e| Error::io("reading", &e))?;
            if n == 0 {
                return Err(Error::new(Kind::Io, "the file ended early"));
            }
            sha.update(buf.get(..n).unwrap_or_default());
            at += n as u64;
        }
        Ok(())
    });
    read.map(|()| sha)
}
