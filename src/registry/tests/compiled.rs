//! A compiled registry says what the registry says, on any day; and what is damaged is refused.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::super::compiled::{Compiled, Source, seal};
use super::fresh::{day, events, line};
use super::*;
use crate::matcher::literal::Literal;
use crate::matcher::mask::Masker;
use crate::matcher::reference::Reference;
use crate::matcher::{Engine, Plan, Unit};
use crate::policy::Fields;
use crate::pool::Alone;

const MTIME: &str = "2026-11-10T00:00:00Z";

fn source() -> Source {
    Source { path: b"r.jsonl".to_vec(), bytes: 1, mtime: at(MTIME).as_second(), mtime_nanos: 0, inode: 1 }
}

/// The file of a registry.
fn compiled(form: Form, text: &str, options: &Options) -> Vec<u8> {
    let made = Compiled::make(&Alone, text.as_bytes(), form, source(), options).unwrap();
    let mut file = Vec::new();
    made.write(&mut file).unwrap();
    file
}

/// All that a run can see of it; text in which everybody may stand.
fn seen(registry: &Registry, text: &str) -> Vec<String> {
    let needles = &registry.needles;
    let mut seen = claims(registry);
    seen.extend(needles.subjects().map(|(id, subject)| format!("{subject:?} {}", registry.since(id))));
    seen.push(format!("{:?} {} {:?} {}", counts(registry), registry.seq, registry.newest_at, registry.written));
    seen.push(format!("{} {:?} {:?}", registry.sha256, registry.txt_type, registry.grown));
    let values: BTreeSet<_> =
        needles.values().map(|(_, v)| (v.kind, v.bytes().to_vec(), v.written().to_vec())).collect();
    seen.push(format!("{values:?}"));
    let plan = Plan { needles: Arc::clone(needles), fields: Arc::new(Fields::default()) };
    let literal = Literal::new(&plan).unwrap();
    for engine in [&literal as &dyn Engine, &Reference::new(&plan)] {
        let mut hits = Vec::new();
        engine.hits(&Unit { text: text.as_bytes(), fields: &[], table: None }, &mut hits);
        let value = |id| String::from_utf8_lossy(&needles.value(id).unwrap().bytes()).into_owned();
        let mut hits: Vec<_> = hits.into_iter().map(|hit| format!("{:?} {}", hit.span, value(hit.value))).collect();
        hits.sort();
        seen.extend(hits);
    }
    let mut places = Vec::new();
    literal.candidates(text.as_bytes(), &mut places);
    seen.push(format!("{}", places.is_empty()));
    seen.push(String::from_utf8_lossy(&Masker::of(&literal).mask(text.as_bytes())).into_owned());
    seen
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Any events, compiled once; on each day what the registry itself says on that day.
    #[test]
    fn the_same_on_every_day(events in events(), at_noon in any::<bool>()) {
        let text: String = events.iter().map(line).collect();
        let empty = Options { allow_empty: true, ..options() };
        let file = compiled(Form::Jsonl, &text, &empty);
        let opened = Compiled::of_bytes(&file).unwrap();
        for n in 1..10 {
            let now = at(&day(n).replace("T00", if at_noon { "T12" } else { "T00" }));
            let options = Options { now, ..empty.clone() };
            let plain = load(Form::Jsonl, &text, &options).unwrap();
            let mapped = opened.registry(&options).unwrap();
            consistent(&mapped.needles);
            let text = "uid=0 uid=1 uid=2 uid=3 uid=4 /users/1/0";
            prop_assert_eq!(seen(&mapped, text), seen(&plain, text));
        }
    }
}

#[test]
fn every_type_and_spelling() {
    let text = concat!(
        "{\"subject\":\"a\",\"identifiers\":[{\"type\":\"email\",\"value\":\"Alice@Example.com\"},{\"type\":\"uuid\",\"value\":\"6F9619FF-8B86-D011-B42D-00CF4FC964FF\"}],\"effective_at\":\"2026-11-09T00:00:00Z\"}\n",
        "{\"subject\":\"b@example.org\",\"identifiers\":[{\"type\":\"email\",\"value\":\"b@example.org\"},{\"type\":\"ip\",\"value\":\"192.0.2.7\"},{\"type\":\"phone\",\"value\":\"+49 170 1234567\"}],\"effective_at\":\"2026-11-12T00:00:00Z\"}\n",
        "{\"subject\":\"c\",\"identifiers\":[{\"type\":\"literal\",\"value\":\" a \\\"b\\\" \"},{\"type\":\"username\",\"value\":\"Ann.B\"},{\"type\":\"token\",\"value\":\"usr_8f3a9c21\"},{\"type\":\"user_id\",\"value\":\"\"}]}\n",
        "{\"event\":\"hold\",\"subject\":\"a\",\"until\":\"2026-11-20T00:00:00Z\",\"reason\":\"x\"}\n",
    );
    let searched = "ALICE@example.com b@example.org 6f9619ff8b86d011b42d00cf4fc964ff 192.0.2.7 +49-170-1234567 \
        user=ann.b  a \"b\"  usr_8f3a9c21 x%40 alice%40example.com";
    let file = compiled(Form::Jsonl, text, &options());
    let opened = Compiled::of_bytes(&file).unwrap();
    let mut all = BTreeSet::new();
    for now in ["2026-11-08T00:00:00Z", "2026-11-10T00:00:00Z", "2026-11-12T00:00:00Z", "2026-11-20T00:00:00Z"] {
        let options = Options { now: at(now), ..options() };
        let plain = seen(&load(Form::Jsonl, text, &options).unwrap(), searched);
        assert_eq!(seen(&opened.registry(&options).unwrap(), searched), plain, "{now}");
        all.insert(plain);
    }
    assert!(all.len() >= 3, "the days differ");
}

#[test]
fn lists_and_their_types() {
    let typed = Options { txt_type: Some(Type::Username), ..options() };
    let file = compiled(Form::Txt, "anna\nbert\n", &typed);
    let opened = Compiled::of_bytes(&file).unwrap();
    let plain = load(Form::Txt, "anna\nbert\n", &typed).unwrap();
    assert_eq!(seen(&opened.registry(&options()).unwrap(), "user=anna"), seen(&plain, "user=anna"));
    assert!(opened.registry(&typed).is_ok());
    let other = Options { txt_type: Some(Type::Token), ..options() };
    assert_eq!(opened.registry(&other).unwrap_err().kind(), crate::error::Kind::Usage);
}

#[test]
fn what_is_refused_is_refused_when_opened() {
    let short = Options { allow_short: true, ..options() };
    let opened = Compiled::of_bytes(&compiled(Form::Txt, "tok\n", &short)).unwrap();
    assert!(opened.registry(&options()).unwrap_err().to_string().contains("--allow-short"));
    assert!(opened.registry(&short).is_ok());
    assert!(Compiled::make(&Alone, &b""[..], Form::Jsonl, source(), &options()).is_err());
    let empty = Options { allow_empty: true, ..options() };
    let opened = Compiled::of_bytes(&compiled(Form::Jsonl, "", &empty)).unwrap();
    assert!(opened.registry(&options()).is_err());
    assert_eq!(opened.registry(&empty).unwrap().needles.values().count(), 0);
    let old = Options { max_age: Some(Duration::from_hours(1)), ..options() };
    let opened = Compiled::of_bytes(&compiled(Form::Jsonl, &erase("a", "1", ""), &options())).unwrap();
    assert!(opened.registry(&old).unwrap_err().to_string().contains("--max-registry-age"));
    assert!(opened.registry(&Options { min_seq: Some(2), ..options() }).is_err());
}

#[test]
fn every_damaged_byte_is_noticed() {
    let file = compiled(Form::Jsonl, &(erase("a", "1", "") + &erase("b", "2", "")), &options());
    let want = seen(&Compiled::of_bytes(&file).unwrap().registry(&options()).unwrap(), "uid=1");
    let mut noticed = 0;
    for at in 0..file.len() {
        let mut bad = file.clone();
        bad[at] ^= 1 << (at % 8);
        match Compiled::of_bytes(&bad).and_then(|opened| opened.registry(&options())) {
            Err(error) => {
                noticed += 1;
                assert_eq!(error.kind(), crate::error::Kind::Usage);
            }
            // Padding.
            Ok(registry) => assert_eq!(seen(&registry, "uid=1"), want, "{at}"),
        }
    }
    assert!(noticed > file.len() / 2, "{noticed} of {}", file.len());
    for len in 0..file.len() {
        assert!(Compiled::of_bytes(&file[..len]).is_err(), "{len}");
    }
}

proptest! {
    /// Whatever stands in it: an answer or an error.
    #[test]
    fn nothing_in_it_ends_the_process(patches in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40)) {
        let text = events_of_all_kinds();
        let mut file = compiled(Form::Jsonl, &text, &options());
        let base = file.len() / 2;
        for (at, byte) in patches {
            let at = base + at.index(file.len() - base);
            file[at] = byte;
        }
        seal(&mut file);
        if let Ok(registry) = Compiled::of_bytes(&file).and_then(|opened| opened.registry(&options())) {
            let needles = &registry.needles;
            let all = needles.claims().map(|(_, claim)| claim.values().len()).sum::<usize>()
                + needles.subjects().map(|(id, subject)| subject.reference.len() + usize::from(needles.since(id).is_some())).sum::<usize>()
                + needles.values().map(|(id, value)| value.bytes().len() + value.written().len() + needles.claims_of(id).count()).sum::<usize>();
            prop_assert!(all < usize::MAX);
            let plan = Plan { needles: Arc::clone(needles), fields: Arc::new(Fields::default()) };
            let engine = Literal::new(&plan).unwrap();
            let mut found = Vec::new();
            engine.hits(&Unit { text: b"uid=1 a@example.com 192.0.2.7", fields: &[], table: None }, &mut found);
            Masker::of(&engine).mask(b"uid=1 a@example.com 192.0.2.7");
        }
    }
}

fn events_of_all_kinds() -> String {
    erase("a", "1", ",\"effective_at\":\"2026-11-09T00:00:00Z\"")
        + &erase("b", "1", ",\"before\":\"2026-11-09T00:00:00Z\"")
        + "{\"subject\":\"c\",\"identifiers\":[{\"all_of\":[{\"type\":\"ip\",\"value\":\"192.0.2.7\"},{\"type\":\"email\",\"value\":\"a@example.com\"}]}]}\n"
        + "{\"event\":\"hold\",\"subject\":\"a\",\"until\":\"2026-11-20T00:00:00Z\"}\n"
}

#[test]
fn saved_for_its_owner_alone_and_in_one_step() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.unwr");
    for text in [erase("a", "1", ""), erase("a", "1", "") + &erase("b", "2", "")] {
        Compiled::make(&Alone, text.as_bytes(), Form::Jsonl, source(), &options()).unwrap().save(&path).unwrap();
        let file = std::fs::File::open(&path).unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let opened = Compiled::open(&file).unwrap();
        assert_eq!(seen(&opened.registry(&options()).unwrap(), "uid=2"), seen(&jsonl(&text), "uid=2"));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    assert!(Compiled::open(&std::fs::File::create_new(folder.path().join("e.unwr")).unwrap()).is_err());
}
