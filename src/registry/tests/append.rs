//! The end of the log: what is appended is read back, the chain goes on, and what fails leaves nothing.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::error::Kind;
use crate::limits::MAX_REGISTRY_LINE;
use crate::registry::append::{Log, Open};
use crate::registry::event::{Change, Erase, Hold, Identifier, Terms};
use crate::registry::findings::Slip;
use crate::registry::intake::{Adding, Imported, Incoming, sniff};

static GO: AtomicBool = AtomicBool::new(false);

fn how() -> Open<'static> {
    Open { now: at(NOW), create: true, patience: Duration::from_millis(60), stop: &GO }
}

fn file(text: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.jsonl");
    std::fs::write(&path, text).unwrap();
    (dir, path)
}

fn of_id(id: &str) -> Change {
    let identifiers = vec![Identifier::One(value::parse(Type::UserId, id, false).unwrap())];
    Change::Erase(Erase { identifiers, terms: Terms::default() })
}

/// Appends one erase; the file's text after it.
fn one(path: &Path) -> Result<String> {
    let mut log = Log::open(path, &how())?;
    log.push(Some(" sub_09 "), &of_id("900"))?;
    log.commit()?;
    Ok(std::fs::read_to_string(path).unwrap())
}

fn read_back(path: &Path) -> Registry {
    let options = Options { allow_short: true, ..options() };
    load(Form::Jsonl, std::fs::read(path).unwrap(), &options).unwrap()
}

#[test]
fn a_new_log_is_chained() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.jsonl");
    let first = one(&path).unwrap();
    assert_eq!(
        first,
        format!(
            "{{\"seq\":1,\"at\":\"2026-11-10T12:00:00Z\",\"event\":\"erase\",\"subject\":\"sub_09\",\
             \"identifiers\":[{{\"type\":\"user_id\",\"value\":\"900\"}}],\"prev\":\"{}\"}}\n",
            chain::FIRST
        )
    );
    let both = one(&path).unwrap();
    let second = both.strip_prefix(&first).unwrap();
    assert!(second.starts_with("{\"seq\":2,") && second.contains(&chain::link(first.trim_end().as_bytes())));
    assert_eq!(counts(&read_back(&path)), [1, 0, 0, 0]);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn follows_the_last_line() {
    let a = erase("a", "100", "");
    let open = a.trim_end().to_owned();
    let chained = format!("{{\"prev\":\"{}\",\"seq\":41,{}", chain::FIRST, &a[1..]);
    // Text before; seq of ours; whether it is chained.
    let cases = [
        (String::new(), 1, true),
        (a.clone(), 2, false),
        (a.repeat(3), 4, false),
        (format!("{a}\n  \n"), 2, false),
        ("\n\n".to_owned(), 1, false),
        (open.clone(), 2, false),
        (format!("{open}\r\n"), 2, false),
        (format!("\u{feff}{a}"), 2, false),
        (erase("a", "100", ",\"seq\":7"), 8, false),
        (chained.clone(), 42, true),
        (chained.trim_end().to_owned(), 42, true),
        (format!("{}\r\n", chained.trim_end()), 42, true),
        (format!("{}\r", chained.trim_end()), 42, true),
        (format!("\u{feff}{chained}"), 42, true),
        (format!("{}{}", "\n".repeat(70_000), erase("a", "100", ",\"seq\":7")), 8, false),
        (format!("{}{}", erase("a", "100", ",\"seq\":7"), "\n".repeat(70_000)), 8, false),
    ];
    for (at, (before, seq, chained)) in cases.into_iter().enumerate() {
        let (_dir, path) = file(&before);
        let after = one(&path).unwrap_or_else(|e| panic!("case {at}: {e}"));
        let ours = after.strip_prefix(&before).unwrap().trim_start();
        assert!(ours.starts_with(&format!("{{\"seq\":{seq},")), "case {at}: {ours}");
        assert_eq!(ours.contains("\"prev\":"), chained, "case {at}");
        assert_eq!(read_back(&path).seq, seq, "case {at}");
        one(&path).unwrap();
        assert_eq!(read_back(&path).seq, seq + 1, "case {at}");
    }
}

#[test]
fn a_long_last_line_is_found() {
    let long = "x".repeat(MAX_REGISTRY_LINE - 200);
    let (_dir, path) = file(format!("{}{}", erase("a", "1", ",\"seq\":5"), erase("b", &long, ",\"seq\":6")));
    assert!(one(&path).unwrap().ends_with('\n') && read_back(&path).seq == 7);
    let (_dir, path) = file(erase("a", "1", &format!(",\"before\":\"{}\"", "x".repeat(3 * MAX_REGISTRY_LINE))));
    assert!(one(&path).unwrap_err().to_string().contains("longer than 1 MiB"));
}

#[test]
fn refuses_what_it_cannot_follow() {
    let a = erase("a", "100", "");
    let chained = format!("{{\"prev\":\"{}\",\"seq\":41,{}", chain::FIRST, &a[1..]);
    let torn = &chained[..chained.len() - 9];
    let cut = format!("cut short: somebody was stopped while writing it; take it off (`truncate -s {}", a.len());
    let cases = [
        (format!("{a}{torn}"), cut.as_str()),
        (format!("{a}\0\0\0"), &cut),
        (format!("{a}{torn}\n"), "is no event"),
        (format!("{a}[]\n"), "is no event"),
        (format!("{chained}\n"), "a blank line after the last line of a chain"),
        (erase("a", "100", &format!(",\"seq\":{}", u64::MAX)), "no number is left"),
        (format!("{{}}\n{a}"), "line 1: an erase needs `identifiers`"),
    ];
    for (before, want) in cases {
        let (_dir, path) = file(&before);
        let error = one(&path).unwrap_err();
        assert!(error.to_string().contains(want), "{error}");
        assert_eq!(error.kind(), Kind::Usage);
        assert_eq!(std::fs::read(&path).unwrap(), before.as_bytes(), "nothing is written");
    }
    // What the message says repairs it.
    let (_dir, path) = file(format!("{a}{torn}"));
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(a.len() as u64).unwrap();
    assert_eq!((one(&path).is_ok(), read_back(&path).seq), (true, 2));
}

#[test]
fn what_is_not_committed_is_taken_back() {
    let a = erase("a", "100", "");
    let (_dir, path) = file(&a);
    let mut log = Log::open(&path, &how()).unwrap();
    for id in 0..3_000 {
        log.push(Some("b"), &of_id(&id.to_string())).unwrap();
    }
    assert!(std::fs::metadata(&path).unwrap().len() > 250_000, "some is on disk already");
    assert!(log.push(None, &Change::Cancel).is_err());
    drop(log);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), a);
    // A log that was made for nothing is not left behind.
    std::fs::remove_file(&path).unwrap();
    let mut log = Log::open(&path, &how()).unwrap();
    log.push(None, &Change::Release).unwrap_err();
    drop(log);
    assert!(!path.exists());
    assert_eq!(Log::open(&path, &how()).unwrap().commit().unwrap().events, 0);
    assert!(!path.exists());
    let error = Log::open(&path, &Open { create: false, ..how() }).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
}

#[test]
fn one_at_a_time() {
    let (_dir, path) = file("");
    let first = Log::open(&path, &how()).unwrap();
    assert_eq!(Log::open(&path, &how()).unwrap_err().kind(), Kind::Locked);
    let stop = AtomicBool::new(true);
    let error = Log::open(&path, &Open { stop: &stop, ..how() }).unwrap_err();
    assert_eq!(error.kind(), Kind::Interrupted);
    drop(first);
    // Who waits while the file is replaced appends to the new one.
    let held = Log::open(&path, &how()).unwrap();
    let waiting = {
        let path = path.clone();
        std::thread::spawn(move || {
            let patient = Open { patience: Duration::from_secs(20), ..how() };
            let mut log = Log::open(&path, &patient).unwrap();
            log.push(Some("c"), &of_id("300")).unwrap();
            log.commit().unwrap()
        })
    };
    std::thread::sleep(Duration::from_millis(50));
    let new = path.with_extension("new");
    std::fs::write(&new, erase("a", "100", "")).unwrap();
    std::fs::rename(&new, &path).unwrap();
    drop(held);
    assert_eq!(waiting.join().unwrap().seq, 2);
    assert_eq!(read_back(&path).seq, 2);
}

#[test]
fn a_writer_without_the_lock_is_noticed() {
    let (_dir, path) = file(erase("a", "100", ""));
    let mut log = Log::open(&path, &how()).unwrap();
    log.push(Some("b"), &of_id("200")).unwrap();
    let mut theirs = std::fs::read_to_string(&path).unwrap();
    theirs += &erase("c", "300", "");
    std::fs::write(&path, &theirs).unwrap();
    assert!(log.commit().unwrap_err().to_string().contains("without its lock"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), theirs, "theirs stays");
}

#[test]
fn long_erases_become_several() {
    let (_dir, path) = file("");
    let id = |n: usize| Identifier::One(value::parse(Type::UserId, &format!("{n:0>60}"), false).unwrap());
    let erase = Erase { identifiers: (0..18_000).map(id).collect(), terms: Terms::default() };
    let mut log = Log::open(&path, &how()).unwrap();
    log.push(Some("a"), &Change::Erase(erase.clone_for_test())).unwrap();
    assert_eq!(log.commit().unwrap().events, 2);
    assert_eq!(read_back(&path).needles.values().count(), 18_000);
    let mut log = Log::open(&path, &how()).unwrap();
    let error = log.push(None, &Change::Erase(erase)).unwrap_err();
    assert!(error.to_string().contains("longer than 1 MiB"), "a nameless one would be several people");
}

impl Erase {
    fn clone_for_test(&self) -> Self {
        let copy = |identifier: &Identifier| match identifier {
            Identifier::One(value) => Identifier::One(value.clone()),
            Identifier::AllOf(values) => Identifier::AllOf(values.clone()),
        };
        Self { identifiers: self.identifiers.iter().map(copy).collect(), terms: self.terms }
    }
}

fn requests(form: Form, text: &str, adding: &Adding<'_>) -> Result<Vec<(Option<String>, Erase)>> {
    let options = options();
    Incoming::read(text.as_bytes(), form, &options, &Alone)?.requests(adding)
}

#[test]
fn requests_by_subject_and_terms() {
    let count = |form, text: &str, adding: &Adding<'_>| {
        let requests = requests(form, text, adding).unwrap();
        requests.iter().map(|(s, e)| (s.clone().unwrap_or_default(), e.identifiers.len())).collect::<Vec<_>>()
    };
    let sub = |name: &str, n: usize| (name.to_owned(), n);
    let alone = Adding::default();
    let text = "a@example.com\n# two\nb@example.com\na@example.com\n";
    assert_eq!(count(Form::Txt, text, &alone), [sub("", 1), sub("", 1), sub("", 1)]);
    let one = Adding { subject: Some("s"), ..alone };
    assert_eq!(count(Form::Txt, text, &one), [sub("s", 2)], "said once");
    let all = Adding { all_of: true, ..alone };
    assert_eq!(count(Form::Txt, text, &all), [sub("", 1)]);
    let table = "type,value,subject,effective_at\nuser_id,1,s,\nuser_id,2,t,\nuser_id,3,s,2027-01-01T00:00:00Z\n";
    assert_eq!(count(Form::Csv, table, &alone), [sub("s", 1), sub("s", 1), sub("t", 1)]);
    let grace = Terms { effective_at: Some(at("2026-12-01T00:00:00Z")), before: None };
    let terms: Vec<_> = requests(Form::Csv, table, &Adding { terms: grace, ..alone }).unwrap();
    let terms: Vec<_> = terms.iter().map(|(_, erase)| erase.terms.effective_at.unwrap().to_string()).collect();
    assert_eq!(terms, ["2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z", "2026-12-01T00:00:00Z"]);

    let hold = "{\"subject\":\"s\",\"event\":\"hold\"}\n";
    for (form, text, adding, want) in [
        (Form::Csv, table, &one, "line 3: another subject"),
        (Form::Csv, table, &all, "line 2: parts of one composite must share"),
        (Form::Txt, "a@example.com\nA@example.com", &all, "at least two different"),
        (Form::Jsonl, hold, &alone, "line 1: not an erase"),
        (Form::Txt, "# nobody\n", &alone, "no values were given"),
        (Form::Txt, "abc\n", &alone, "too short"),
    ] {
        let error = requests(form, text, adding).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
}

fn import(path: &Path, form: Form, text: &str) -> Result<Imported> {
    let options = options();
    let incoming = Incoming::read(text.as_bytes(), form, &options, &Alone)?;
    let mut log = Log::open(path, &how())?;
    let done = incoming.import(&mut log, at(NOW))?;
    log.commit()?;
    Ok(done)
}

#[test]
fn imports_once() {
    let (_dir, path) = file("");
    let csv = "type,value,subject\nuser_id,1,s\nuser_id,2,t\nemail,s@example.com,s\nuser_id,7,\n";
    let jsonl = [
        erase("u", "5", ",\"effective_at\":\"2026-12-01T00:00:00Z\",\"before\":\"2026-01-01T00:00:00Z\""),
        "{\"subject\":\"u\",\"event\":\"hold\",\"until\":\"2027-01-01T00:00:00Z\",\"reason\":\"why\"}\n".to_owned(),
        erase("gone", "6", ""),
        "{\"subject\":\"gone\",\"event\":\"cancel\"}\n".to_owned(),
        "{\"subject\":\"w\",\"identifiers\":[{\"all_of\":[{\"type\":\"ip\",\"value\":\"203.0.113.7\"},\
         {\"type\":\"user_id\",\"value\":\"8\"}]}]}\n"
            .to_owned(),
    ]
    .concat();
    let txt = "x@example.com\nx@example.com\n7\n";
    let first = import(&path, Form::Csv, csv).unwrap();
    assert_eq!((first.subjects, first.identifiers, first.known), (3, 4, 0));
    let second = import(&path, Form::Jsonl, &jsonl).unwrap();
    assert_eq!((second.subjects, second.identifiers, second.holds, second.withdrawn), (2, 2, 1, 1));
    let third = import(&path, Form::Txt, txt).unwrap();
    assert_eq!((third.identifiers, third.known), (1, 2), "7 is a nameless person's already");
    let before = std::fs::read(&path).unwrap();
    for (form, text) in [(Form::Csv, csv), (Form::Jsonl, &jsonl), (Form::Txt, txt)] {
        let again = import(&path, form, text).unwrap();
        assert_eq!((again.subjects, again.identifiers, again.holds), (0, 0, 0));
    }
    assert_eq!(std::fs::read(&path).unwrap(), before, "twice is once");
    let want: Vec<String> =
        [claims(&load(Form::Csv, csv, &options()).unwrap()), claims(&super::jsonl(&jsonl))].concat();
    let have = claims(&read_back(&path));
    for claim in want.iter().filter(|claim| !claim.starts_with('L')) {
        assert!(have.contains(claim), "{claim} is in force as it was");
    }
    assert_eq!(have.len(), want.len() + 1);

    // A longer cover is new, a shorter one is not.
    let known = |text: &str| import(&path, Form::Jsonl, text).unwrap().known;
    assert_eq!(known(&erase("s", "1", ",\"before\":\"2026-01-01T00:00:00Z\"")), 1);
    assert_eq!(
        known(&erase("u", "5", ",\"effective_at\":\"2027-12-01T00:00:00Z\",\"before\":\"2025-01-01T00:00:00Z\"")),
        1
    );
    assert_eq!(known(&erase("u", "5", ",\"before\":\"2025-01-01T00:00:00Z\"")), 0, "sooner");
    assert_eq!(known(&erase("u", "5", "")), 0, "all times");
}

#[test]
fn what_was_cancelled_stays_so() {
    let (_dir, path) = file("");
    import(&path, Form::Csv, "type,value,subject\nuser_id,1,s\nuser_id,2,t\nuser_id,7,\n").unwrap();
    let mut log = Log::open(&path, &how()).unwrap();
    log.push(Some("s"), &Change::Cancel).unwrap();
    log.push(Some("L3"), &Change::Cancel).unwrap();
    log.commit().unwrap();
    let again = import(&path, Form::Csv, "type,value,subject\nuser_id,1,s\nuser_id,3,s\nuser_id,2,t\nuser_id,7,\n");
    let again = again.unwrap();
    assert_eq!((again.cancelled, again.known, again.identifiers), (2, 1, 0));
    assert_eq!(counts(&read_back(&path)), [1, 0, 0, 2]);
    // Asked for again by hand: it counts as any other.
    let mut log = Log::open(&path, &how()).unwrap();
    log.push(Some("s"), &of_id("1")).unwrap();
    log.commit().unwrap();
    let again = import(&path, Form::Csv, "type,value,subject\nuser_id,1,s\nuser_id,3,s\n").unwrap();
    assert_eq!((again.cancelled, again.known, again.identifiers), (0, 1, 1));
}

#[test]
fn an_import_that_fails_leaves_nothing() {
    let before = erase("a", "100", "");
    let (_dir, path) = file(&before);
    let nameless =
        "{\"identifiers\":[{\"type\":\"user_id\",\"value\":\"5\"}]}\n{\"subject\":\"L1\",\"event\":\"hold\"}\n";
    let error = import(&path, Form::Jsonl, nameless).unwrap_err().to_string();
    assert!(error.contains("line 1: a hold of a subject without a reference"), "{error}");
    import(&path, Form::Txt, "a@example.com\nab\n").unwrap_err();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
}

#[test]
fn forms_by_their_look() {
    let table = [
        ("", Form::Txt),
        ("a@example.com\n", Form::Txt),
        ("\u{feff}# x\n\n type , Value\n", Form::Csv),
        ("type\tvalue\tsubject\n", Form::Tsv),
        ("type,other\n", Form::Txt),
        ("value\n", Form::Txt),
        ("\n{\"subject\":1}\n", Form::Jsonl),
        ("{ \"subject\"", Form::Jsonl),
        ("{6f9619ff-8b86-d011-b42d-00cf4fc964ff}\n", Form::Txt),
    ];
    for (text, want) in table {
        let (form, mut rest) = sniff(text.as_bytes()).unwrap();
        assert_eq!(form, want, "{text:?}");
        let mut whole = String::new();
        std::io::Read::read_to_string(&mut rest, &mut whole).unwrap();
        assert_eq!(whole, text, "nothing is lost");
    }
}

#[test]
fn slips_are_counted() {
    let text = [
        erase("a", "100", ""),
        erase("a", "100", ""),
        erase("b", "100", ""),
        "{\"subject\":\"c\",\"event\":\"cancel\"}\n".to_owned(),
        "{\"subject\":\"d\",\"event\":\"release\"}\n".to_owned(),
        "{\"subject\":\"e\",\"identifiers\":[{\"type\":\"email\",\"value\":\"e@localhost\"}]}\n".to_owned(),
        "{\"subject\":\"a\",\"event\":\"hold\"}\n".to_owned(),
    ]
    .concat();
    let found = load(Form::Jsonl, &text, &Options { findings: true, ..options() }).unwrap().findings;
    let found: Vec<_> = found.iter().map(|f| (f.slip, f.count, f.line)).collect();
    assert_eq!(found, [(Slip::NeverErased, 2, 4), (Slip::Twice, 1, 1), (Slip::Shared, 1, 3), (Slip::MailDomain, 1, 6)]);
    assert!(super::jsonl(&text).findings.is_empty(), "only on demand");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever is pushed, the reader takes, in a log with a chain and in one without.
    #[test]
    fn what_is_appended_is_read_back(
        subjects in proptest::collection::vec("\\PC{1,12}|[\\x01-\\x7f]{1,8}", 1..6),
        texts in proptest::collection::vec("[ -~\u{1}\u{e4}\u{2028}\"\\\\]{4,20}", 6),
        by_hand in any::<bool>(),
        reason in "[\\x01-\\x7f]{0,12}",
    ) {
        let (_dir, path) = file(if by_hand { erase("x", "1", "") } else { String::new() });
        let mut log = Log::open(&path, &how()).unwrap();
        let mut want = u64::from(by_hand);
        for (subject, text) in subjects.iter().zip(&texts) {
            let Ok(value) = value::parse(Type::Literal, text, false) else { continue };
            let erase = Erase { identifiers: vec![Identifier::One(value)], terms: Terms::default() };
            log.push(Some(subject), &Change::Erase(erase)).unwrap();
            want += 1;
            if !subject.trim().is_empty() {
                let hold = Hold { until: None, reason: Some(reason.as_str().into()) };
                log.push(Some(subject), &Change::Hold(hold)).unwrap();
                want += 1;
            }
        }
        log.commit().unwrap();
        let registry = read_back(&path);
        prop_assert_eq!(registry.seq, want);
        for text in texts.iter().take(subjects.len()) {
            prop_assert!(registry.needles.values().any(|(_, value)| *value.bytes() == *text.as_bytes()));
        }
    }
}
