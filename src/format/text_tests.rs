//! Text and logs: which lines belong together, and that windows do not matter.

use proptest::prelude::*;

use super::super::tests::{cut, cut_all, named, shown};
use super::*;
use crate::policy::Rule;

fn records(text: &str) -> Vec<String> {
    let cuts = cut(&Log, text.as_bytes(), &named("x"), &[1]).unwrap();
    shown(&cuts, text.as_bytes()).into_iter().map(|(_, text)| text).collect()
}

#[test]
fn lines_without_a_stamp_continue() {
    let text = "begin\nx\n2025-03-11 08:00:00,000 a\nb\r\n\njava.lang.X: y\n\tat z\n[2025-03-11T08:00:01Z] c\r\nlast";
    let want = [
        "begin\nx\n",
        "2025-03-11 08:00:00,000 a\nb\r\n\njava.lang.X: y\n\tat z\n",
        "[2025-03-11T08:00:01Z] c\r\nlast",
    ];
    assert_eq!(records(text), want);
}

#[test]
fn lines_that_look_so_continue() {
    let text = concat!(
        "  indented first\nERROR a\n  b\n\tc\nCaused by: x\n... 12 more\nTraceback (most recent call last):\n",
        "java.lang.IllegalStateException: y\nValueError: z\nDeprecationWarning\nmy.Error.Inner\n",
        "Error: alone\nErrors\nValueErrors: no\nmy Error\n... more\n\nx\n"
    );
    let want = [
        "  indented first\n",
        concat!(
            "ERROR a\n  b\n\tc\nCaused by: x\n... 12 more\nTraceback (most recent call last):\n",
            "java.lang.IllegalStateException: y\nValueError: z\nDeprecationWarning\nmy.Error.Inner\n"
        ),
        "Error: alone\n",
        "Errors\n",
        "ValueErrors: no\n",
        "my Error\n",
        "... more\n",
        "\n",
        "x\n",
    ];
    assert_eq!(records(text), want);
}

#[test]
fn one_stamp_is_no_rule_and_the_51st_line_is_too_late() {
    assert_eq!(records("2025-03-11T08:00:00Z a\nb\nc\n").len(), 3);
    let late = format!("{}2025-03-11T08:00:00Z a\n2025-03-11T08:00:00Z b\nc\n", "x\n".repeat(49));
    assert_eq!(records(&late).len(), 52);
    let early = format!("{}2025-03-11T08:00:00Z a\n2025-03-11T08:00:00Z b\nc\n", "x\n".repeat(48));
    assert_eq!(records(&early), [&*"x\n".repeat(48), "2025-03-11T08:00:00Z a\n", "2025-03-11T08:00:00Z b\nc\n"]);
}

#[test]
fn the_policy_decides() {
    let text = b"2025-03-11T08:00:00Z a\nb\n+ c\n2025-03-11T08:00:00Z d\n";
    let with = |continuation| {
        let rule = Rule { continuation, ..Rule::default() };
        let hint = Hint { rule: Some(&rule), ..named("x") };
        cut(&Log, text, &hint, &[3]).unwrap().len()
    };
    assert_eq!(with(Continuation::Auto), 2);
    assert_eq!(with(Continuation::None), 4);
    let regex = |pattern| Continuation::Regex(Box::new(Regex::new(pattern).unwrap()));
    assert_eq!(with(regex(r"^\+")), 3);
    assert_eq!(with(regex("b$")), 3);
}

#[test]
fn other_text_is_lines_of_prose() {
    let prose = b"a\n  b\r\n\rc";
    let cuts = cut(&Text, prose, &named("x"), &[1]).unwrap();
    let want = [('P', "a\n"), ('P', "  b\r\n"), ('P', "\rc")];
    assert_eq!(shown(&cuts, prose), want.map(|(c, s)| (c, s.to_owned())));
}

#[test]
fn continuation_is_bounded() {
    let log = |lines: usize| format!("x\n{}y\n", " z\n".repeat(lines)).into_bytes();
    let sizes = [1 << 16];
    assert_eq!(cut(&Log, &log(MAX_CONTINUATION_LINES), &named("x"), &sizes).unwrap().len(), 2);
    let error = cut(&Log, &log(MAX_CONTINUATION_LINES + 1), &named("x"), &sizes).unwrap_err();
    assert_eq!(error.kind(), crate::error::Kind::Limit);
    assert!(error.reason().starts_with("limit: continuation lines"), "{error}");

    let wide = |bytes: usize| [b"x\n ", &*vec![b'z'; bytes - 2], b"\ny"].concat();
    let sizes = [1 << 20];
    assert_eq!(cut(&Log, &wide(MAX_CONTINUATION_BYTES), &named("x"), &sizes).unwrap().len(), 2);
    assert!(cut(&Log, &wide(MAX_CONTINUATION_BYTES + 1), &named("x"), &sizes).is_err());
    // A first line is no continuation, however long.
    let first = [&*vec![b'z'; MAX_CONTINUATION_BYTES + 9], b"\n y\n"].concat();
    assert_eq!(cut(&Log, &first, &named("x"), &sizes).unwrap().len(), 1);
}

/// The rule by look as the SPEC writes it.
fn model(line: &[u8]) -> bool {
    let syntax = regex_automata::util::syntax::Config::new().utf8(false).unicode(false);
    let pattern = r"^(?:[ \t\x0b\x0c]|Caused by:|\.\.\. [0-9]+ more|Traceback|[\w.$]+(?:Error|Exception|Warning)\b)";
    Regex::builder().syntax(syntax).build(pattern).unwrap().is_match(line)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn looks_as_the_expression(parts in prop::collection::vec(prop::sample::select(vec![
        "Error", "Exception", "Warning", "a.", "$", "_", " ", "Caused by:", "... ", "12", " more", "Traceback", ":", "x", "é", "\t"]), 0..6)) {
        let line = parts.concat();
        prop_assert_eq!(looks_continued(line.as_bytes()), model(line.as_bytes()), "{}", line);
    }

    /// Windows do not matter, whichever rule holds; every record but the first starts with a line that continues nothing.
    #[test]
    fn windows_do_not_matter(parts in prop::collection::vec(prop::sample::select(vec![
            "2025-03-11T08:00:00Z a", "Mar 11 08:00:00 h", " b", "c", "\n", "\n", "\r\n", "\r", "Caused by: d", "XError", "\0", "\u{feff}", "é"]), 0..40),
        sizes in prop::collection::vec(1usize..9, 1..5), text in any::<bool>()) {
        let bytes = parts.concat().into_bytes();
        let records: &dyn Records = if text { &Text } else { &Log };
        let cuts = cut(records, &bytes, &named("x"), &sizes).unwrap();
        let joins = if text { Joins::None } else { Joins::choose(&bytes, &named("x")) };
        let data: Vec<_> = cuts.iter().filter(|(_, part)| *part != Part::Structure).collect();
        for (i, (range, _)) in data.iter().enumerate() {
            let mut lines = lines(&bytes[range.clone()]);
            let first = content(lines.next().unwrap());
            prop_assert!(i == 0 || !joins.continues(first));
            prop_assert!(lines.all(|line| joins.continues(content(line))));
        }
    }

    #[test]
    fn no_panic_on_noise(bytes in prop::collection::vec(any::<u8>(), 0..200), size in 1usize..50) {
        let mut cursor = Log.open(&bytes, true, &named("x")).unwrap();
        let cuts = cut_all(&mut *cursor, &bytes, &[size]).unwrap();
        prop_assert_eq!(cuts.iter().map(|(r, _)| r.len()).sum::<usize>(), bytes.len());
    }
}
