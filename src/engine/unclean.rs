//! Who is not yet clean: for the metric that says how long the longest waiting erasure has been waiting.

use std::collections::HashSet;

use jiff::Timestamp;

use crate::manifest::{Artifact, Status};
use crate::registry::Registry;

/// People in force who were found and not taken out, or who may stand in what was not read.
#[derive(Debug, Default)]
pub struct Unclean {
    /// Something was not read to its last byte, or keeps a name: that may be anybody.
    anybody: bool,
    /// References of those whom a dry run found.
    found: HashSet<String>,
}

impl Unclean {
    /// An artifact's line.
    pub fn see(&mut self, line: &Artifact) {
        // What a hold leaves belongs to people who are not in force.
        let unread = match line.status {
            Status::Failed | Status::Unsupported | Status::Skipped | Status::Pending | Status::Partial => true,
            Status::Rewritten | Status::WouldRewrite | Status::Clean | Status::Copied | Status::Unchanged => false,
        };
        self.anybody |= unread || line.left.contains_key("name");
        if line.status == Status::WouldRewrite {
            self.found.extend(line.subjects.keys().cloned());
        }
    }

    /// Something else was not looked at: an interrupted run, a left-over of an earlier one.
    pub fn anybody(&mut self) {
        self.anybody = true;
    }

    /// Since when the one who waits longest has been in force; `None` if nobody waits.
    pub fn oldest(&self, registry: &Registry) -> Option<Timestamp> {
        let waits = |reference: &str| self.anybody || self.found.contains(reference);
        let people = registry.needles.subjects().filter(|(_, subject)| !subject.held && waits(subject.reference));
        people.map(|(id, _)| registry.since(id)).min()
    }
}
