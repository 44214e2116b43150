//! The registry as a run sees it: text in, needles and counts out.

mod append;
mod compiled;
mod faults;
mod forms;
mod fresh;
mod load;
mod tracks;

use super::*;

/// The "now" of all tests, unless one says otherwise.
const NOW: &str = "2026-11-10T12:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn options() -> Options {
    Options::new(at(NOW))
}

fn load(form: Form, text: impl AsRef<[u8]>, options: &Options) -> Result<Registry> {
    super::read(text.as_ref(), form, at("2026-11-10T00:00:00Z"), options)
}

fn jsonl(text: &str) -> Registry {
    load(Form::Jsonl, text, &options()).unwrap()
}

/// An erase of one user id.
fn erase(subject: &str, id: &str, more: &str) -> String {
    format!("{{\"subject\":\"{subject}\",\"identifiers\":[{{\"type\":\"user_id\",\"value\":\"{id}\"}}]{more}}}\n")
}

/// Each claim as `reference: type=value+type=value`, `held ` before it, `<time` after it; sorted.
fn claims(registry: &Registry) -> Vec<String> {
    let needles = &registry.needles;
    let claim = |(_, claim): (u32, crate::matcher::Claim<'_>)| {
        let subject = needles.subject(claim.subject).unwrap();
        let part = |id| {
            let value = needles.value(id).unwrap();
            format!("{}={}", value.kind.name(), String::from_utf8_lossy(&value.bytes()))
        };
        let parts: Vec<String> = claim.values().map(part).collect();
        let held = if subject.held { "held " } else { "" };
        let before = claim.before.map_or(String::new(), |b| format!(" <{b}"));
        format!("{held}{}: {}{before}", subject.reference, parts.join("+"))
    };
    let mut claims: Vec<String> = needles.claims().map(claim).collect();
    claims.sort();
    claims
}

fn counts(registry: &Registry) -> [u64; 4] {
    [registry.in_force, registry.held, registry.pending, registry.cancelled]
}

/// The ways between values, claims and subjects agree.
fn consistent(needles: &Needles) {
    for (id, _) in needles.values() {
        let of: Vec<u32> = needles.claims_of(id).collect();
        assert!(!of.is_empty(), "a value that nobody claims");
        assert!(of.is_sorted_by(|a, b| a < b));
        for claim in of {
            assert!(needles.claim(claim).unwrap().values().any(|value| value == id));
        }
    }
    let mut seen = std::collections::HashSet::new();
    for (at, claim) in needles.claims() {
        assert!(needles.subjects().any(|(id, _)| id == claim.subject));
        let values: Vec<u32> = claim.values().collect();
        assert!(values.is_sorted_by(|a, b| a < b) && !values.is_empty());
        for id in &values {
            assert!(needles.claims_of(*id).any(|known| known == at));
        }
        assert!(seen.insert((claim.subject, values, claim.before)), "a claim that stands twice");
    }
    let distinct: std::collections::HashSet<_> = needles.values().map(|(_, v)| (v.kind, v.bytes().to_vec())).collect();
    assert_eq!(distinct.len(), needles.values().count());
}
