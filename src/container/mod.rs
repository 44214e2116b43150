//! Containers: streams that hold members, each with a name and a payload of its own.
//!
//! A container implements [`Layer`] itself: find walks its members forward and goes down into each, lift plays only what changes.
//! This is the table that `detect` joins with those of codecs and formats. What a stream looks like is known even where the
//! feature that reads it is left out, so that it is `unsupported` by name and never taken for text.

pub mod pgdump;
pub mod tar;
#[cfg(test)]
#[cfg(any(feature = "tar", feature = "zip", feature = "pgdump"))]
mod tests;
pub mod zip;

use crate::layer::Layer;
use crate::layer::bundle::Bundler;

/// What is known of one container.
pub struct Known {
    /// The name in `layers`, in `--format` and in errors.
    pub name: &'static str,
    /// Extensions, lower case, with their dot.
    pub extensions: &'static [&'static str],
    /// Whether a stream with these first bytes is one (`whole`: they are all of it).
    pub sniff: fn(head: &[u8], whole: bool) -> bool,
    /// Whether a stream that is *named* so may be one: also an empty archive, which has no look of its own.
    pub named: fn(head: &[u8], whole: bool) -> bool,
    /// The layer that reads it; `None` if its feature is left out.
    pub layer: Option<&'static dyn Layer>,
}

/// Every container that is known by look or name.
pub static KNOWN: &[Known] = &[
    Known {
        name: "tar",
        extensions: &[".tar"],
        sniff: tar::sniff,
        named: tar::named,
        #[cfg(feature = "tar")]
        layer: Some(&tar::TAR),
        #[cfg(not(feature = "tar"))]
        layer: None,
    },
    Known {
        name: "zip",
        extensions: &[".zip"],
        sniff: zip::sniff,
        named: zip::named,
        #[cfg(feature = "zip")]
        layer: Some(&zip::ZIP),
        #[cfg(not(feature = "zip"))]
        layer: None,
    },
    Known {
        name: pgdump::CUSTOM,
        extensions: &[],
        sniff: pgdump::sniff,
        named: pgdump::named,
        #[cfg(feature = "pgdump")]
        layer: Some(&pgdump::PGDUMP),
        #[cfg(not(feature = "pgdump"))]
        layer: None,
    },
];

/// Who knows members that belong together.
#[cfg(feature = "pgdump")]
pub static BUNDLER: Option<&'static dyn Bundler> = Some(&pgdump::files::FILES);
/// Who knows members that belong together.
#[cfg(not(feature = "pgdump"))]
pub static BUNDLER: Option<&'static dyn Bundler> = None;

/// The containers that are built in.
pub static TABLE: &[&'static dyn Layer] = &[
    #[cfg(feature = "tar")]
    &tar::TAR,
    #[cfg(feature = "zip")]
    &zip::ZIP,
    #[cfg(feature = "pgdump")]
    &pgdump::PGDUMP,
];

/// The container that a stream starting with `head` is, judged by its bytes alone.
pub fn sniff(head: &[u8], whole: bool) -> Option<&'static Known> {
    KNOWN.iter().find(|known| (known.sniff)(head, whole))
}

/// The container that `name` says by its extension, compared without case.
pub fn by_extension(name: &[u8]) -> Option<&'static Known> {
    KNOWN.iter().find(|known| {
        known.extensions.iter().any(|extension| {
            let at = name.len().checked_sub(extension.len());
            let end = at.and_then(|at| name.get(at..)).unwrap_or_default();
            end.eq_ignore_ascii_case(extension.as_bytes())
        })
    })
}
