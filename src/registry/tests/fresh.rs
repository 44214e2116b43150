//! Who is new since an earlier point, against the SPEC's words computed the slow way.

use std::collections::BTreeSet;

use super::super::fresh::Fresh;
use super::*;
use proptest::prelude::*;

/// One event of one of three subjects.
#[derive(Debug, Clone)]
struct Played {
    who: usize,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    /// Ids that must match together, day from which they are in force, whether `before` is set.
    Erase(BTreeSet<u8>, Option<u8>, bool),
    Cancel,
    /// Until that day.
    Hold(Option<u8>),
    Release,
}

/// An identifier: its ids and `before`.
type Identifier = (BTreeSet<u8>, bool);

fn events() -> impl Strategy<Value = Vec<Played>> {
    let day = || proptest::option::of(1u8..9);
    let what = prop_oneof![
        5 => (proptest::collection::btree_set(0u8..4, 1..3), day(), proptest::bool::weighted(0.2))
            .prop_map(|(ids, from, before)| What::Erase(ids, from, before)),
        1 => Just(What::Cancel),
        2 => day().prop_map(What::Hold),
        1 => Just(What::Release),
    ];
    proptest::collection::vec((0usize..3, what).prop_map(|(who, what)| Played { who, what }), 1..16)
}

fn day(n: u8) -> String {
    format!("2026-11-{n:02}T00:00:00Z")
}

fn line(event: &Played) -> String {
    let subject = format!("s{}", event.who);
    let line = match &event.what {
        What::Erase(ids, from, before) => {
            let parts: Vec<_> =
                ids.iter().map(|id| serde_json::json!({"type": "user_id", "value": id.to_string()})).collect();
            let identifier = if parts.len() == 1 { parts[0].clone() } else { serde_json::json!({ "all_of": parts }) };
            let mut line = serde_json::json!({"subject": subject, "identifiers": [identifier]});
            if let Some(from) = from {
                line["effective_at"] = day(*from).into();
            }
            if *before {
                line["before"] = day(1).into();
            }
            line
        }
        What::Cancel => serde_json::json!({"event": "cancel", "subject": subject}),
        What::Hold(None) => serde_json::json!({"event": "hold", "subject": subject}),
        What::Hold(Some(until)) => serde_json::json!({"event": "hold", "subject": subject, "until": day(*until)}),
        What::Release => serde_json::json!({"event": "release", "subject": subject}),
    };
    format!("{line}\n")
}

/// Identifiers in force, and held ones, at noon of that day, after these events. Plainly by the SPEC's words.
fn plainly(events: &[Played], today: u8) -> (BTreeSet<Identifier>, BTreeSet<Identifier>) {
    let (mut in_force, mut held) = (BTreeSet::new(), BTreeSet::new());
    for who in 0..3 {
        let own: Vec<&What> = events.iter().filter(|event| event.who == who).map(|event| &event.what).collect();
        let newest = own.iter().rev().find(|what| matches!(what, What::Hold(_) | What::Release));
        let is_held = matches!(newest, Some(What::Hold(until)) if until.is_none_or(|until| until > today));
        let after = own.iter().rposition(|what| matches!(what, What::Cancel)).map_or(0, |at| at + 1);
        for what in &own[after..] {
            let What::Erase(ids, from, before) = what else { continue };
            if is_held {
                held.insert((ids.clone(), *before));
            } else if from.is_none_or(|from| from <= today) {
                in_force.insert((ids.clone(), *before));
            }
        }
    }
    (in_force, held)
}

/// The same as needles say it.
fn said(needles: &Needles) -> (BTreeSet<Identifier>, BTreeSet<Identifier>) {
    let (mut in_force, mut held) = (BTreeSet::new(), BTreeSet::new());
    for (_, claim) in needles.claims() {
        let id = |id| String::from_utf8_lossy(&needles.value(id).unwrap().bytes()).parse::<u8>().unwrap();
        let identifier = (claim.values().map(id).collect(), claim.before.is_some());
        if needles.subject(claim.subject).unwrap().held {
            held.insert(identifier)
        } else {
            in_force.insert(identifier)
        };
    }
    (in_force, held)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn new_are_those_in_force_now_and_not_then(
        events in events(), cut in 0usize..16, then_day in 1u8..10, now_day in 1u8..10, newline in any::<bool>(),
    ) {
        let cut = cut.min(events.len());
        let texts: Vec<String> = events.iter().map(line).collect();
        let mut old = texts[..cut].concat();
        if !newline {
            old.truncate(old.trim_end().len());
        }
        let time = |n: u8| at(&day(n).replace("T00", "T12"));
        let noon = |n| Options { allow_empty: true, ..Options::new(time(n)) };
        let first = load(Form::Jsonl, &old, &noon(then_day)).unwrap();
        let text = texts.concat();
        let now = load(Form::Jsonl, &text, &noon(now_day)).unwrap();
        let options =
            Options { as_of_seq: Some(first.seq), as_of_sha256: Some(first.sha256.clone()), ..noon(then_day) };
        let then = load(Form::Jsonl, &text, &options).unwrap();
        prop_assert!(then.grown);
        // What the later registry says of the earlier point is what was said then.
        prop_assert_eq!(said(&then.needles), said(&first.needles));
        prop_assert_eq!(said(&then.needles), plainly(&events[..cut], then_day));
        let (were, were_held) = plainly(&events[..cut], then_day);
        let (are, are_held) = plainly(&events, now_day);
        let new: BTreeSet<Identifier> = are.difference(&were).cloned().collect();
        let unknown = are_held.iter().any(|held| !were.contains(held) && !were_held.contains(held));
        let mut fresh = Fresh::new(&now.needles);
        prop_assert_eq!(fresh.since(&then.needles), !new.is_empty() || unknown);
        let needles = fresh.needles().unwrap();
        prop_assert_eq!(needles.is_some(), !new.is_empty() || unknown);
        let needles = needles.unwrap_or_default();
        consistent(&needles);
        if needles.claims().count() > 0 {
            // Who is named in any record that was clean then: the same by all needles and by the new ones.
            let (fresh_in_force, fresh_held) = said(&needles);
            prop_assert_eq!(&fresh_in_force, &new);
            for bits in 0u8..16 {
                let holds = |(ids, _): &&Identifier| ids.iter().all(|id| bits >> id & 1 == 1);
                let of = |set: &BTreeSet<Identifier>| -> BTreeSet<Identifier> { set.iter().filter(holds).cloned().collect() };
                if of(&were).is_empty() && of(&were_held).is_empty() {
                    prop_assert_eq!((of(&are), of(&are_held)), (of(&fresh_in_force), of(&fresh_held)));
                }
            }
        }
    }
}

#[test]
fn a_registry_is_grown_only_from_its_own_beginning() {
    let lines = [erase("a", "1", ""), erase("b", "2", ""), "\n".to_owned(), erase("c", "3", "")];
    let whole = lines.concat();
    let grown = |form, old: &str, new: &str| {
        let first = load(form, old, &Options { allow_empty: true, ..options() }).unwrap();
        let then =
            Options { as_of_seq: Some(first.seq), as_of_sha256: Some(first.sha256), allow_empty: true, ..options() };
        load(form, new, &then).unwrap().grown
    };
    for cut in 0..=lines.len() {
        assert!(grown(Form::Jsonl, &lines[..cut].concat(), &whole), "{cut}");
    }
    let changed = whole.replace("\"2\"", "\"9\"");
    assert!(!grown(Form::Jsonl, &lines[..2].concat(), &changed), "changed by hand");
    assert!(grown(Form::Jsonl, &lines[..1].concat(), &changed));
    assert!(!grown(Form::Jsonl, &whole, &lines[..2].concat()), "rolled back");
    assert!(!grown(Form::Jsonl, &lines[1..2].concat(), &whole));
    assert!(!grown(Form::Txt, "48213\n", "48213\n48214\n"), "only a log has a history");
    assert!(grown(Form::Txt, "48213\n", "48213\n"));
}
