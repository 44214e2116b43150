//! The deletion registry: events in, who is in force out.
//!
//! [`Registry`] is what a run needs to know: the [`Needles`] at its "now", counts, digest and age. One file a source form.
