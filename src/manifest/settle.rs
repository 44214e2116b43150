//! Closes the intents that a crash left open, from the digest of what stands on disk.
//!
//! An intent without a later artifact line of its URI is open: the run died between making it durable and saying how the
//! swap went. The swap is atomic, so the file is the old one or the new one; its digest tells which.

use super::{Artifact, Digest, Intent, Line, Status};

/// Follows lines and remembers which intents are open. At most one a worker is open at any time, so memory is small.
#[derive(Debug, Default)]
pub struct Open {
    intents: Vec<Intent>,
    /// Whether a run has begun and not been summed up.
    pub running: bool,
}

impl Open {
    /// The next line of the manifest.
    pub fn follow(&mut self, line: &Line) {
        match line {
            Line::Intent(intent) => {
                self.intents.retain(|open| open.uri != intent.uri || open.identity != intent.identity);
                self.intents.push(intent.clone());
            }
            Line::Artifact(artifact) => {
                let same = |open: &Intent| {
                    open.uri == artifact.uri && artifact.before.as_ref().is_none_or(|before| *before == open.before)
                };
                self.intents.retain(|open| !same(open));
            }
            Line::Run(_) => self.running = true,
            Line::Summary(_) => self.running = false,
        }
    }

    /// The open intents.
    pub fn intents(&self) -> &[Intent] {
        &self.intents
    }
}

/// The artifact line that closes `intent`, where the file's digest is `found` (`None`: no such file).
pub fn close(intent: &Intent, found: Option<&Digest>) -> Artifact {
    let (status, reason) = match found {
        Some(found) if *found == intent.after => (Status::Rewritten, "settled after an interrupted run"),
        Some(found) if *found == intent.before => (Status::Failed, "interrupted: the original stands"),
        Some(_) => (Status::Failed, "interrupted: changed since"),
        None => (Status::Failed, "interrupted: the artifact is gone"),
    };
    let mut line = Artifact::new(intent.uri.clone(), status, Some(reason.to_owned()));
    line.output.clone_from(&intent.output);
    line.before = Some(intent.before.clone());
    line.after = (status == Status::Rewritten).then(|| intent.after.clone());
    line
}
