//! What a layer knows of a stream before it reads it, because it has read it before.
//!
//! Most of what a layer says of its bytes depends on what stands before them. Where it depends on what follows (the foreign keys of a dump
//! stand behind its rows) the layer says at the stream's end what it has learnt; then all of the artifact is read again, and
//! what was found so far is void (docs/design.md).

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::Cx;

/// What layers learnt of their streams in one reading of an artifact, for the next one: by the stream's place (ordinal of the member,
/// and depth). The bound is the layers' own.
pub type Settled = BTreeMap<(usize, usize), Arc<dyn Any + Send + Sync>>;

/// Two readings of an artifact.
#[derive(Debug, Default)]
pub struct Readings {
    /// What the earlier ones learnt.
    pub earlier: Settled,
    /// What this one does; unless it is empty the artifact is read again, and what was found is void.
    pub learnt: Settled,
}

impl Cx<'_> {
    /// The current stream's place: ordinal of the member, and depth.
    pub fn place(&self) -> (usize, usize) {
        (self.members, self.depth)
    }

    /// Does `work` as if the current stream were at `place`: for a stream that goes on behind others.
    pub fn at_place<T>(&mut self, place: (usize, usize), work: impl FnOnce(&mut Self) -> T) -> T {
        let now = self.place();
        (self.members, self.depth) = place;
        let done = work(self);
        (self.members, self.depth) = now;
        done
    }

    /// What an earlier reading learnt of the current stream.
    pub fn settled<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(self.readings.earlier.get(&(self.members, self.depth))?).downcast().ok()
    }

    /// Asks for another reading of the artifact, in which the layer of the current stream will know `what`.
    pub fn settle(&mut self, what: Arc<dyn Any + Send + Sync>) {
        self.readings.learnt.insert((self.members, self.depth), what);
    }
}
