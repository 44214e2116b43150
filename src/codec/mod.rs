//! Codecs: one file each, joined in one table.
//!
//! A codec is a [`Codec`](crate::layer::coded::Codec): a decoder that announces frames and checks every checksum, an encoder
//! that begins frames with the announced heads, and a magic. [`CodecLayer`] makes a layer of it. The table is what detection,
//! help and the test matrix read. A codec knows no container and no record format, and never sees a file.

#[cfg(feature = "bzip2")]
pub mod bzip2;
#[cfg(feature = "gzip")]
pub mod gzip;
#[cfg(feature = "lz4")]
pub mod lz4;
pub mod small;
#[cfg(feature = "snappy")]
pub mod snappy;
#[cfg(test)]
pub(crate) mod testing;
pub mod utf16;
#[cfg(feature = "xz")]
pub mod xz;
#[cfg(feature = "zstd")]
pub mod zstd;

use crate::layer::coded::CodecLayer;

/// The codecs that were built in, in the order in which they are tried.
pub static TABLE: &[&CodecLayer] = &[
    #[cfg(feature = "gzip")]
    &CodecLayer(&gzip::Gzip),
    #[cfg(feature = "zstd")]
    &CodecLayer(&zstd::Zstd),
    #[cfg(feature = "bzip2")]
    &CodecLayer(&bzip2::Bzip2),
    #[cfg(feature = "xz")]
    &CodecLayer(&xz::Xz),
    #[cfg(feature = "lz4")]
    &CodecLayer(&lz4::Lz4),
    #[cfg(feature = "snappy")]
    &CodecLayer(&snappy::Snappy),
];
