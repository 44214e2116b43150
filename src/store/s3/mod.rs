//! The S3 store: objects of a bucket, read by ranges and written by patches.
//!
//! The types of `types` are there in every build; without the feature `s3` there is no way to a [`S3`] (see `absent`), and
//! whoever names an `s3://` place is told so.

mod types;

#[cfg(not(feature = "s3"))]
mod absent;
#[cfg(feature = "s3")]
mod client;

#[cfg(not(feature = "s3"))]
pub use absent::{Entries, Opened, S3};
#[cfg(feature = "s3")]
pub use client::{Entries, Opened, S3};
pub use types::{Addressing, Entry, Lent, Names, Options, Place, Preconditions, Purged, SCHEME, SseKey};
