//! The second night of a run: which manifests it relies on, before anything is touched.

use std::path::Path;

use super::Fleet;
use crate::error::Result;
use crate::manifest::Run as RunLine;
use crate::matcher::Needles;
use crate::since::Since;

impl Fleet<'_> {
    /// `--since`: what is vouched for, and who is new. Nothing is touched yet.
    pub(super) fn since(
        &self,
        line: &mut RunLine,
        notes: &mut Vec<String>,
    ) -> Result<(Option<Since>, Option<Needles>)> {
        let (job, given) = (self.job, self.given);
        let Some(at) = given.registry_at.filter(|_| !job.since.is_empty()) else { return Ok((None, None)) };
        let by_path = given.policy.rules.iter().any(|r| !(r.files.is_empty() && r.accept_unsupported.is_empty()));
        let mut paths = Vec::new();
        for path in &job.since {
            paths.extend((!self.is_own_and_new(path)?).then(|| path.clone()));
        }
        let mut since = Since::read(&paths, line, by_path, &|name| (self.search.mask)(name), &|path| {
            self.stores.text(path, self.space)
        })?;
        let fresh = since.compare(&given.registry.needles, at)?;
        notes.append(&mut since.notes);
        line.since = std::mem::take(&mut since.said);
        Ok((Some(since), fresh))
    }

    /// Whether `path` is the manifest that this run writes, and there is none yet: the first night.
    pub(super) fn is_own_and_new(&self, path: &Path) -> Result<bool> {
        Ok(self.manifest_path().as_deref() == Some(path) && !self.stores.exists(path)?)
    }
}
