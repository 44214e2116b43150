//! What a commit replaced in a bucket, or may have replaced: said on the line, since old versions were not looked at.

use super::{Work, status};
use crate::error::{Error, Result};
use crate::manifest::{Artifact, VERSIONS_UNKNOWN};
use crate::store::Place;
use crate::store::s3;

impl Work<'_> {
    /// What was replaced in a bucket with versions is still there, and was not looked at: said on the line.
    pub(super) fn count_versions(&self, line: &mut Artifact) {
        if let Place::S3(place) = self.task.target.as_ref().unwrap_or(&self.task.object.place) {
            line.versions(self.run.stores.s3().and_then(|s3| s3.old_versions(place)));
        }
    }

    /// The line of a commit that failed, and may have been done all the same: it failed, and old versions may be there. Any other error
    /// is given back.
    pub(super) fn unsure(&self, error: Error, line: &mut Artifact) -> Result<()> {
        if !error.is_unsure() {
            return Err(error);
        }
        let known = std::mem::replace(line, Artifact::new(self.uri.to_owned(), status(&error), Some(error.reason())));
        (line.output, line.identity, line.layers) = (known.output, known.identity, known.layers);
        line.before = known.before;
        if let Place::S3(place) = self.task.target.as_ref().unwrap_or(&self.task.object.place)
            && self.may_have_versions(place)
        {
            line.left.insert(VERSIONS_UNKNOWN.to_owned(), 1);
        }
        Ok(())
    }

    /// `false` only where it is known that no version is kept: there is no old one, and what stands there has no version.
    fn may_have_versions(&self, place: &s3::Place) -> bool {
        let Ok(s3) = self.run.stores.s3() else { return false };
        let none = s3.old_versions(place).is_ok_and(|n| n == 0);
        let plain = || s3.look(place).is_ok_and(|found| found.is_none_or(|entry| entry.version.is_none()));
        !(none && plain())
    }
}
