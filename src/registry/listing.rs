//! Every subject of a registry, for `registry list`.
//!
//! References, states and counts by default. Values, a hidden reference and the reason of a hold (free text that may name
//! people) are there only when they were asked for, and never in a `Debug`.

use std::fmt;

use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::matcher::Type;

/// What a listing holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Listing {
    /// Nothing: what a run needs.
    #[default]
    None,
    /// References, states and counts.
    Counts,
    /// Values too: `registry list --reveal`.
    Reveal,
}

/// Where a subject stands at the run's "now".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Under a hold.
    Held,
    /// An identifier at least is in force.
    InForce,
    /// All identifiers await the end of their grace period.
    Pending,
    /// The newest of erase and cancel is a cancel.
    Cancelled,
    /// Named, as by a hold that has ended, but never erased.
    Idle,
}

impl State {
    /// The word for people and for the command line.
    pub fn name(self) -> &'static str {
        match self {
            State::Held => "held",
            State::InForce => "in force",
            State::Pending => "pending",
            State::Cancelled => "cancelled",
            State::Idle => "idle",
        }
    }
}

/// One subject.
#[derive(Debug)]
pub struct Entry {
    /// The reference as it is shown.
    pub reference: String,
    /// The line of its first event.
    pub line: u64,
    /// Where it stands.
    pub state: State,
    /// How many values of each type its identifiers have, in the order of [`Type::ALL`]; the parts of a composite count.
    pub values: [u32; Type::ALL.len()],
    /// How many of its identifiers are composite.
    pub composites: u32,
    /// The next time at which a grace period of its identifiers ends, after "now".
    pub effective_at: Option<Timestamp>,
    /// The end of its hold, if it is held and the hold has one.
    pub held_until: Option<Timestamp>,
    /// Only with [`Listing::Reveal`].
    pub revealed: Option<Revealed>,
}

/// What is shown only on demand.
pub struct Revealed {
    /// The reference as the registry writes it.
    pub reference: Zeroizing<String>,
    /// Why it is held.
    pub reason: Option<Zeroizing<String>>,
    /// Its identifiers.
    pub identifiers: Vec<Identifier>,
}

/// One identifier with its values.
pub struct Identifier {
    /// Type and text as written; more than one for a composite.
    pub parts: Vec<(Type, Zeroizing<String>)>,
    /// When it comes or came in force; `None`: at once.
    pub effective_at: Option<Timestamp>,
    /// Covers only records before this time.
    pub before: Option<Timestamp>,
}

impl fmt::Debug for Revealed {
    /// Never a value (P4).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Revealed({} identifiers)", self.identifiers.len())
    }
}

impl fmt::Debug for Identifier {
    /// Never a value (P4).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identifier({} parts)", self.parts.len())
    }
}
