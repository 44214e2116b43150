//! `--include`, `--exclude`, `--min-age`: what of a SOURCE is wanted.
//!
//! Globs are matched on the way below SOURCE (a file SOURCE: its name). One without `/` matches a name at any depth, as users
//! of rsync and gitignore expect; one with `/` starts at SOURCE. A folder that matches stands for all below it. Exclude wins.

use std::path::Path;
use std::time::{Duration, SystemTime};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::error::{Error, Result};

/// What is wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    include: Option<Globs>,
    exclude: Option<Globs>,
    /// Latest mtime, nanoseconds since the epoch.
    latest: Option<i128>,
}

/// Globs of a name, and of a way.
#[derive(Debug, Clone)]
struct Globs {
    names: GlobSet,
    ways: GlobSet,
}

impl Filter {
    /// Wants what one of `include` matches (all, if there is none) and none of `exclude`, and whose mtime is at least `min_age`
    /// before `now`. A glob that is none is a usage error.
    pub fn new(include: &[String], exclude: &[String], min_age: Option<Duration>, now: SystemTime) -> Result<Self> {
        let latest = min_age.map(|age| {
            let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            now.as_nanos() as i128 - age.as_nanos() as i128
        });
        Ok(Self { include: Globs::new(include, "--include")?, exclude: Globs::new(exclude, "--exclude")?, latest })
    }

    /// Whether the globs want `way`.
    pub fn wants(&self, way: &Path) -> bool {
        !self.excludes(way) && self.include.as_ref().is_none_or(|globs| globs.matches(way))
    }

    /// Whether nothing at or below `way` is wanted.
    pub fn excludes(&self, way: &Path) -> bool {
        self.exclude.as_ref().is_some_and(|globs| globs.matches(way))
    }

    /// Whether the file is old enough.
    pub fn is_old_enough(&self, mtime: i128) -> bool {
        self.latest.is_none_or(|latest| mtime <= latest)
    }
}

impl Globs {
    fn new(globs: &[String], option: &'static str) -> Result<Option<Self>> {
        if globs.is_empty() {
            return Ok(None);
        }
        let (mut names, mut ways) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        for text in globs {
            // Of third-party errors only the kind is kept: their text holds the glob, which may hold an identifier.
            let bad = || Error::usage(format!("{option}: not a valid glob"));
            let text = text.strip_suffix('/').unwrap_or(text);
            let way = text.strip_prefix("./").or_else(|| text.strip_prefix('/')).unwrap_or(text);
            let glob =
                GlobBuilder::new(way).literal_separator(true).backslash_escape(true).build().map_err(|_| bad())?;
            if text.contains('/') {
                ways.add(glob)
            } else {
                names.add(glob)
            };
        }
        let build = |set: GlobSetBuilder| set.build().map_err(|_| Error::usage(format!("{option}: not a valid glob")));
        Ok(Some(Self { names: build(names)?, ways: build(ways)? }))
    }

    fn matches(&self, way: &Path) -> bool {
        way.ancestors()
            .filter(|p| !p.as_os_str().is_empty())
            .any(|part| self.ways.is_match(part) || part.file_name().is_some_and(|name| self.names.is_match(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(include: &[&str], exclude: &[&str]) -> Filter {
        let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        Filter::new(&own(include), &own(exclude), None, SystemTime::now()).unwrap()
    }

    #[test]
    fn names_match_at_any_depth_and_ways_from_the_top() {
        let f = filter(&["*.gz", "/a/b", "c/*.log"], &["tmp", "a/b/no*"]);
        for (way, wanted) in [
            ("x.gz", true),
            ("d/e/x.gz", true),
            ("x.log", false),
            ("a/b/x", true),
            ("z/a/b/x", false),
            ("c/x.log", true),
            ("c/d/x.log", false),
            ("tmp/x.gz", false),
            ("d/tmp/x.gz", false),
            ("a/b/not.gz", false),
            ("x.gz/y", true),
        ] {
            assert_eq!(f.wants(Path::new(way)), wanted, "{way}");
        }
        assert!(filter(&[], &[]).wants(Path::new("any")));
        assert!(Filter::new(&["[".to_owned()], &[], None, SystemTime::now()).is_err());
    }
}
