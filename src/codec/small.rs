//! Small files that may be compressed: what a run needs to know besides its artifacts.

use super::TABLE;
use crate::error::{Error, Result};
use crate::input::BlobSource;
use crate::layer::coded::Heads;
use crate::limits::WINDOW;

/// The first `most` bytes of `bytes`, decoded if they are a codec's stream by their magic. Past those nothing is read, and so not
/// checked. Memory: what is returned, `bytes`, and at most as much again as `most` for the decoder, else `limit`.
pub fn decoded(bytes: Vec<u8>, most: usize) -> Result<Vec<u8>> {
    let Some(codec) = TABLE.iter().find(|codec| codec.0.sniff(&bytes)) else {
        let mut bytes = bytes;
        bytes.truncate(most);
        return Ok(bytes);
    };
    let need = move |n: u64| {
        if n > most as u64 { Err(Error::limit("memory of a decoder")) } else { Ok(()) }
    };
    let source = Box::new(BlobSource::new(&bytes));
    let mut decoder = codec.0.decoder(source, Heads::names_only(), false, Box::new(need))?;
    let (mut out, mut buf) = (Vec::new(), vec![0; WINDOW]);
    while out.len() < most {
        let n = decoder.read(&mut buf)?;
        if n == 0 {
            break;
        }
        out.extend_from_slice(buf.get(..n).unwrap_or_default());
    }
    out.truncate(most);
    Ok(out)
}
