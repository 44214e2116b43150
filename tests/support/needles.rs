//! Needles and engines made of a registry as it is written, for tests that call the library.

use std::sync::Arc;

use jiff::Timestamp;
use unwrite::matcher::Plan;
use unwrite::matcher::literal::Literal;
use unwrite::matcher::reference::Reference;
use unwrite::policy::Fields;
use unwrite::registry::{self, Form, Options, Registry};

/// The registry that `lines` (JSON Lines) come to now.
pub fn registry(lines: &str) -> Registry {
    let now = Timestamp::now();
    registry::read(lines.as_bytes(), Form::Jsonl, now, &Options::new(now)).unwrap()
}

/// One subject for each (type, value), as registry lines.
pub fn lines(values: &[(&str, &str)]) -> String {
    let line = |(i, (kind, value)): (usize, &(&str, &str))| {
        let event = serde_json::json!({"subject": format!("s{i}"), "identifiers": [{"type": kind, "value": value}]});
        format!("{event}\n")
    };
    values.iter().enumerate().map(line).collect()
}

/// Both engines over the same needles, with the default fields.
pub fn engines(lines: &str) -> (Plan, Literal, Reference) {
    let plan = Plan { needles: Arc::clone(&registry(lines).needles), fields: Arc::new(Fields::default()) };
    let (literal, reference) = (Literal::new(&plan).unwrap(), Reference::new(&plan));
    (plan, literal, reference)
}
