//! The S3 store: objects of a bucket, read by ranges and written by patches.
//!
//! The types of `types` are there in every build; without the feature `s3` there is no way to a [`S3`] (see `absent`), and
//! whoever names an `s3://` place is told so.
//!
//! `client` is the blocking front; `core` knows endpoint, credentials and turns; `list`, `read`, `small` read; `write` drafts by
//! the plan of `parts` over the bytes of `layout`, `commit` puts the draft in the object's place, `probe` knows whether the
//! bucket keeps its promise about that; `text` is an object that grows; `versions` and `uploads` clean up. `fault` lists every operation that is ever called.

mod types;

#[cfg(not(feature = "s3"))]
mod absent;
#[cfg(feature = "s3")]
mod client;
#[cfg(feature = "s3")]
mod commit;
#[cfg(feature = "s3")]
mod core;
#[cfg(feature = "s3")]
mod fault;
#[cfg(feature = "s3")]
mod kept;
#[cfg(feature = "s3")]
pub(crate) mod layout;
#[cfg(feature = "s3")]
pub(crate) mod list;
#[cfg(feature = "s3")]
mod mark;
#[cfg(feature = "s3")]
pub(crate) mod parts;
#[cfg(feature = "s3")]
mod probe;
#[cfg(feature = "s3")]
mod quirks;
#[cfg(feature = "s3")]
mod read;
#[cfg(feature = "s3")]
mod send;
#[cfg(feature = "s3")]
mod small;
#[cfg(feature = "s3")]
mod sse;
#[cfg(feature = "s3")]
#[cfg(test)]
mod tests;
#[cfg(feature = "s3")]
mod text;
#[cfg(feature = "s3")]
mod tuning;
#[cfg(feature = "s3")]
mod uploads;
#[cfg(feature = "s3")]
mod versions;
#[cfg(feature = "s3")]
mod write;

#[cfg(not(feature = "s3"))]
pub use absent::{Entries, Opened, S3, Text};
#[cfg(feature = "s3")]
pub use client::S3;
#[cfg(feature = "s3")]
pub use fault::Op;
#[cfg(feature = "s3")]
pub use list::Entries;
#[cfg(feature = "s3")]
pub use read::Opened;
#[cfg(feature = "s3")]
pub use text::Text;
#[cfg(feature = "s3")]
pub use tuning::Tuning;
pub use types::{Addressing, Entry, Lent, Names, Options, Place, Preconditions, Purged, SCHEME, SseKey, Swept};
