//! Closes the intents that a crash left open, from the digest of what stands on disk.
//!
//! An intent without a later artifact line of its URI is open: the run died between making it durable and saying how the
//! swap went. The swap is atomic, so the file is the old one or the new one; its digest tells which. Under `--output` nothing
//! is replaced: the result was placed, or it was not.

use super::{Artifact, Identity, Intent, Line, Status};

/// Follows lines and remembers which intents are open. At most one a worker is open at any time, so memory is small.
#[derive(Debug, Default)]
pub struct Open {
    /// With the number of their run.
    intents: Vec<(u32, Intent)>,
    /// Whether a run has begun and not been summed up.
    pub running: bool,
    run: u32,
    /// Purges that were begun; at most one at a time, and what crashes left.
    purges: Vec<String>,
}

impl Open {
    /// The next line of the manifest.
    pub fn follow(&mut self, line: &Line) {
        match line {
            Line::Intent(intent) => {
                self.intents.retain(|(_, open)| open.uri != intent.uri || open.identity != intent.identity);
                // A checksum file is rewritten again before its line, once for each of its files: it is one rewriting.
                let first = |(run, open): &&mut (u32, Intent)| {
                    *run == self.run
                        && (&open.uri, &open.output, &open.after) == (&intent.uri, &intent.output, &intent.before)
                };
                match self.intents.iter_mut().find(first) {
                    Some((_, open)) => *open = Intent { before: open.before.clone(), ..intent.clone() },
                    None => self.intents.push((self.run, intent.clone())),
                }
            }
            Line::Artifact(artifact) => {
                // Several artifacts may share a masked URI: one line closes one intent.
                let fits: Vec<usize> =
                    (0..).zip(&self.intents).filter(|(_, open)| self.fits(open, artifact)).map(|(at, _)| at).collect();
                let same = |at: &&usize| {
                    self.intents.get(**at).is_some_and(|(_, open)| same_file(open.identity.as_ref(), artifact))
                };
                if let Some(at) = fits.iter().find(same).or(fits.first()) {
                    self.intents.remove(*at);
                }
            }
            Line::Run(_) => {
                self.running = true;
                self.run += 1;
            }
            Line::Summary(_) => self.running = false,
            Line::Purge(purge) => {
                self.purges.retain(|uri| *uri != purge.uri);
                if !purge.done {
                    self.purges.push(purge.uri.clone());
                }
            }
        }
    }

    /// Whether `artifact` may say how `open` went: the same bytes were to be replaced by the same; or, where it says no more
    /// than that it failed, it is the same file; or a later run met the old or the new bytes.
    fn fits(&self, (run, open): &(u32, Intent), artifact: &Artifact) -> bool {
        let before = match &artifact.before {
            Some(before) => *before == open.before || (*run != self.run && *before == open.after),
            None => {
                artifact.identity.is_none() || open.identity.is_none() || same_file(open.identity.as_ref(), artifact)
            }
        };
        open.uri == artifact.uri && before && artifact.after.as_ref().is_none_or(|after| *after == open.after)
    }

    /// URIs whose purge was begun and did not come to its end.
    pub fn purges(&self) -> &[String] {
        &self.purges
    }

    /// The open intents.
    pub fn intents(&self) -> impl Iterator<Item = &Intent> {
        self.intents.iter().map(|(_, intent)| intent)
    }
}

fn same_file(identity: Option<&Identity>, artifact: &Artifact) -> bool {
    identity.zip(artifact.identity.as_ref()).is_some_and(|(a, b)| a.same(b))
}

/// What stands where an intent's result was to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// The result.
    New,
    /// The original.
    Old,
    /// Another file.
    Other,
    /// No file.
    Nothing,
    /// It cannot be told: the URI is masked and no file that it may mean is the one or the other.
    Unclear,
}

/// The artifact line that closes `intent`; `None`: it stays open.
pub fn close(intent: &Intent, stands: Stands) -> Option<Artifact> {
    let (status, reason) = match (stands, &intent.output) {
        (Stands::Unclear, _) => return None,
        (Stands::New, _) => (Status::Rewritten, "settled after an interrupted run"),
        (Stands::Nothing, Some(_)) => (Status::Failed, "interrupted: the result was never placed"),
        (Stands::Old | Stands::Other, Some(_)) => {
            (Status::Failed, "interrupted: another file stands in the result's place")
        }
        (Stands::Old, None) => (Status::Failed, "interrupted: the original stands"),
        (Stands::Other, None) => (Status::Failed, "interrupted: changed since"),
        (Stands::Nothing, None) => (Status::Failed, "interrupted: the artifact is gone"),
    };
    let mut line = Artifact::new(intent.uri.clone(), status, Some(reason.to_owned()));
    line.output.clone_from(&intent.output);
    line.before = Some(intent.before.clone());
    line.after = (status == Status::Rewritten).then(|| intent.after.clone());
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Digest, FileIdentity};

    fn digest(text: &str) -> Digest {
        Digest { bytes: text.len() as u64, sha256: text.to_owned() }
    }

    fn intent(inode: u64) -> Intent {
        let identity =
            Some(Identity::File(FileIdentity { dev: 1, inode, ctime: String::new(), size: None, mtime: None }));
        Intent { uri: "file:*".to_owned(), output: None, identity, before: digest("old"), after: digest("new") }
    }

    #[test]
    fn one_line_closes_one_intent_of_a_shared_uri() {
        let mut open = Open::default();
        open.follow(&Line::Intent(intent(1)));
        open.follow(&Line::Intent(intent(2)));
        let mut failed = Artifact::new("file:*".to_owned(), Status::Failed, Some("x".to_owned()));
        failed.identity = intent(2).identity;
        open.follow(&Line::Artifact(Box::new(failed)));
        assert_eq!(open.intents().collect::<Vec<_>>(), [&intent(1)]);
        let line = close(&intent(1), Stands::New).unwrap();
        open.follow(&Line::Intent(intent(3)));
        open.follow(&Line::Artifact(Box::new(line)));
        assert_eq!(open.intents().count(), 1);
    }

    #[test]
    fn words_for_what_stands() {
        let mirror = Intent { output: Some("file:m/*".to_owned()), ..intent(1) };
        let reason = |intent: &Intent, stands| close(intent, stands).unwrap().reason.unwrap();
        assert!(reason(&mirror, Stands::Nothing).contains("never placed"));
        assert!(reason(&intent(1), Stands::Nothing).contains("gone"));
        assert!(close(&intent(1), Stands::Unclear).is_none() && close(&mirror, Stands::Unclear).is_none());
        assert_eq!(close(&mirror, Stands::New).unwrap().status, Status::Rewritten);
    }
}
