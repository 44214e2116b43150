//! How a replacement is written in its place.

use std::ops::Range;

use super::Judge;
use crate::matcher::{Hit, SubjectId, Unit, ValueId};
use crate::policy::{Action, Erase, FieldName};
use crate::record::Field;

/// What is to be replaced on one record.
pub struct Job<'j> {
    /// Lends needles and key.
    pub judge: &'j Judge<'j>,
    /// The unit.
    pub unit: &'j Unit<'j>,
    /// The record in it.
    pub range: &'j Range<usize>,
    /// The record's fields.
    pub fields: &'j [Field<'j>],
    /// Hits on the record.
    pub hits: &'j [&'j Hit],
    /// Values that go, with whose they are.
    pub whose: &'j [(ValueId, SubjectId)],
    /// `Redact`, `Mask` or `Pseudonymize`.
    pub action: Action,
    /// Fields that are cleaned besides.
    pub erase: &'j [(FieldName, Erase)],
}

/// The edits: ranges of the unit, sorted, disjoint.
pub fn edits(job: &Job<'_>) -> Vec<(Range<usize>, Vec<u8>)> {
    let _ = job;
    Vec::new()
}
