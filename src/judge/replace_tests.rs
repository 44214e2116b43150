//! Replacements in their places, over real needles, formats' fields given by hand.

use std::borrow::Cow;
use std::sync::Arc;

use super::*;
use crate::judge::{Judge, Verdict};
use crate::matcher::reference::Reference;
use crate::matcher::{Engine, Needles, Plan, Value};
use crate::policy::{Fields, Rule};
use crate::record::Part;

/// Needles of one subject in force, and of one under a hold.
fn needles(in_force: &[(Type, &str)], held: &[(Type, &str)]) -> Needles {
    let parse = |list: &[(Type, &str)]| -> Vec<Value> {
        list.iter().map(|(kind, text)| crate::registry::value::parse(*kind, text, true).unwrap()).collect()
    };
    let (in_force, held) = (parse(in_force), parse(held));
    Needles::of_people([("s0", false, &in_force[..]), ("s1", true, &held[..])]).unwrap()
}

/// What becomes of one line of text under `rule`.
fn judged(needles: Needles, rule: &Rule, text: &str, fields: &[Field<'_>]) -> Option<String> {
    let plan = Plan { needles: Arc::new(needles), fields: Arc::new(Fields::default()) };
    let unit = Unit { text: text.as_bytes(), fields, table: None };
    let mut hits = Vec::new();
    Reference::new(&plan).hits(&unit, &mut hits);
    let judge = Judge::new(&plan.needles, &plan.fields, None);
    let ruling = judge.unit(&unit, &[(0..text.len(), Part::Data)], &hits, Some(rule), None).remove(0);
    match ruling.verdict {
        Verdict::Keep => Some(text.to_owned()),
        Verdict::Drop => None,
        Verdict::Edit(edits) => {
            let mut out = text.as_bytes().to_vec();
            for (range, payload) in edits.into_iter().rev() {
                out.splice(range, payload);
            }
            Some(String::from_utf8(out).unwrap())
        }
    }
}

fn rule(action: Action, erase: &[(&str, Erase)]) -> Rule {
    let erase_fields = erase.iter().map(|(name, how)| (FieldName::parse(name), *how)).collect();
    Rule { action: Some(action), erase_fields, ..Rule::default() }
}

#[test]
fn a_cleaned_value_leaves_nothing_of_a_longer_hit() {
    let phone = [(Type::Phone, "+491701234567")];
    let redact = rule(Action::Redact, &[("phone", Erase::Redact)]);
    let got = judged(needles(&phone, &[]), &redact, "INFO phone=+49 170 1234567 end\n", &[]);
    assert_eq!(got.unwrap(), "INFO phone=ERASED end\n");
    let remove = rule(Action::Mask, &[("phone", Erase::Remove)]);
    let got = judged(needles(&phone, &[]), &remove, "phone: +49 (170) 123-4567.\n", &[]).unwrap();
    assert!(!got.contains("170") && !got.contains("4567"), "{got}");
}

#[test]
fn a_bare_number_of_json_becomes_null_wherever_it_stands() {
    let id = [(Type::UserId, "48213")];
    for (text, want) in [
        ("INFO {\"user_id\":48213,\"x\":1}\n", "INFO {\"user_id\":null,\"x\":1}\n"),
        ("{\\\"user_id\\\":48213}\n", "{\\\"user_id\\\":null}\n"),
        ("q=%7B%22user_id%22%3A48213%7D\n", "q=%7B%22user_id%22%3Anull%7D\n"),
        ("user_id=48213\n", "user_id=ERASED\n"),
        ("\"user_id\":\"48213\"\n", "\"user_id\":\"ERASED\"\n"),
    ] {
        assert_eq!(judged(needles(&id, &[]), &rule(Action::Redact, &[]), text, &[]).unwrap(), want);
    }
}

#[test]
fn a_held_value_keeps_its_bytes() {
    let mail = needles(&[(Type::Email, "alice@example.com")], &[(Type::Literal, "example.com")]);
    let got = judged(mail, &rule(Action::Drop, &[]), "INFO alice@example.com\n", &[]).unwrap();
    assert_eq!(got, "INFO ERASEDexample.com\n");
}

#[test]
fn another_id_is_one_that_no_hit_covers() {
    let uuid = "9f1c2d3e-1111-4222-8333-444455556666";
    let shared = Rule { shared_redact: true, ..Rule::default() };
    let line = format!("INFO user_id={uuid} did it\n");
    assert_eq!(judged(needles(&[(Type::Uuid, uuid)], &[]), &shared, &line, &[]), None, "nobody else is named");
    let line = format!("INFO user_id={uuid} owner_id=77 did it\n");
    let got = judged(needles(&[(Type::Uuid, uuid)], &[]), &shared, &line, &[]).unwrap();
    assert_eq!(got, "INFO user_id=ERASED owner_id=77 did it\n");
}

#[test]
fn a_named_object_goes_whole() {
    let text = "{\"uid\":48213,\"contacts\":{\"Bob\":\"5}5\",\"k\":{\"T\":[3]}},\"z\":1}\n";
    let field = |name: &'static str, span: Range<usize>, place| Field {
        path: if place == Place::JsonKey { Vec::new() } else { vec![Cow::Borrowed(name.as_bytes())] },
        whole: span.clone(),
        text: Cow::Borrowed(text.as_bytes().get(span.clone()).unwrap()),
        span,
        place,
    };
    let fields = [
        field("", 2..5, Place::JsonKey),
        field("uid", 7..12, Place::JsonBare),
        field("", 14..22, Place::JsonKey),
        field("", 26..29, Place::JsonKey),
    ];
    let id = [(Type::UserId, "48213")];
    for (erase, want) in [
        (Erase::Remove, "{\"uid\":null,\"z\":1}\n"),
        (Erase::Null, "{\"uid\":null,\"contacts\":null,\"z\":1}\n"),
        (Erase::Redact, "{\"uid\":null,\"contacts\":\"ERASED\",\"z\":1}\n"),
    ] {
        let got = judged(needles(&id, &[]), &rule(Action::Redact, &[("contacts", erase)]), text, &fields);
        assert_eq!(got.unwrap(), want);
    }
}
