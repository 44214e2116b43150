//! stub
use crate::layer::*;
/// stub
pub struct T;
/// stub
pub static TABLES: T = T;
/// stub
pub struct Row {
    /// a
    pub name: &'static str,
    /// a
    pub kind: &'static str }
/// stub
pub fn names() -> Vec<Row> { Vec::new() }
impl Detect for T { fn detect(&self, _h: &[u8], _w: bool, _hint: &Hint<'_>) -> Fit { Fit::Unknown } }
