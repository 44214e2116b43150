//! How entries are cut, their fields, and lengths that are made anew.

use proptest::prelude::*;

use super::super::tests::{cut, named, shown};
use super::*;
use crate::error::Kind;

/// A field whose value is counted.
fn counted(name: &str, value: &[u8]) -> Vec<u8> {
    [name.as_bytes(), b"\n", &(value.len() as u64).to_le_bytes(), value, b"\n"].concat()
}

#[test]
fn an_entry_a_record() {
    let one = [b"__CURSOR=s=1\nA=\n".to_vec(), counted("MESSAGE", b"two\n\nlines=\n"), b"\n".to_vec()].concat();
    let text = [&one[..], b"\n", b"A=1\n\n", b"B=2\nC=cut"].concat();
    let cuts = cut(&Journal, &text, &named("x"), &[1]).unwrap();
    let (one, text) = (String::from_utf8(one).unwrap(), &text);
    let want = [('D', &one[..]), ('S', "\n"), ('D', "A=1\n\n"), ('D', "B=2\nC=cut")];
    assert_eq!(shown(&cuts, text), want.map(|(c, s)| (c, s.to_owned())));
}

#[test]
fn what_is_no_field_is_damaged() {
    let short = &counted("M", b"abc")[..12];
    let long = [b"M\n\xff\xff\xff\xff\xff\xff\xff\xff".as_slice(), b"abc\n\n"].concat();
    let wrong = counted("M", b"abc").iter().map(|b| if *b == b'\n' { b'x' } else { *b }).collect::<Vec<_>>();
    for text in [short, &long, &wrong, b"=x\n\n", b"a b=x\n\n", b"M", b"M\nabc", &[b'A'; 300]] {
        let error = cut(&Journal, text, &named("x"), &[1]).unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged, "{text:?}");
    }
}

#[test]
fn detection() {
    assert!(is_export(b"__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795255200001000\nMESSAGE=x\n\n"));
    assert!(is_export(&[counted("M", b"\n"), b"__REALTIME_TIMESTAMP=1\n".to_vec()].concat()));
    for text in ["", "A=1\n\n__REALTIME_TIMESTAMP=1\n", "__REALTIME_TIMESTAMP=x\n", "# x\n__REALTIME_TIMESTAMP=1\n"] {
        assert!(!is_export(text.as_bytes()), "{text}");
    }
}

fn fields(record: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut out = Vec::new();
    let visit = &mut |field: Field<'_>| {
        assert_eq!(&record[field.span.clone()], &*field.text);
        out.push((String::from_utf8_lossy(&field.path[0]).into_owned(), field.text.to_vec()));
    };
    Entries::default().fields(record, visit).unwrap();
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn edits_of_values_give_entries_with_these_values(
        values in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..30), any::<bool>()), 1..6),
        seeds in prop::collection::vec((0usize..40, 0usize..20, prop::collection::vec(b'a'..=b'z', 0..12)), 0..6),
        sizes in prop::collection::vec(1usize..9, 1..4),
    ) {
        let mut record = Vec::new();
        for (i, (value, count)) in values.iter().enumerate() {
            if *count || value.contains(&b'\n') {
                record.extend_from_slice(&counted(&format!("F{i}"), value));
            } else {
                record.extend_from_slice(&[format!("F{i}=").as_bytes(), value, b"\n"].concat());
            }
        }
        record.push(b'\n');
        let was = fields(&record);
        prop_assert_eq!(was.iter().map(|(_, value)| value).collect::<Vec<_>>(), values.iter().map(|(value, _)| value).collect::<Vec<_>>());
        // Edits in values, as the judge makes them, and what comes of the values.
        let (mut edits, mut want, mut spans) = (Vec::new(), Vec::new(), Vec::new());
        each(&record, &mut |_, value, _| spans.push(value));
        for (i, span) in spans.into_iter().enumerate() {
            let mut value = record[span.clone()].to_vec();
            if let Some((gap, len, new)) = seeds.get(i) {
                let start = (*gap).min(value.len());
                let end = (start + len).min(value.len());
                value.splice(start..end, new.iter().copied());
                edits.push((span.start + start..span.start + end, new.clone()));
            }
            want.push(value);
        }
        Entries::default().mend(&record, &mut edits);
        let (mut new, mut at) = (Vec::new(), 0);
        for (range, payload) in edits {
            prop_assert!(at <= range.start);
            new.extend_from_slice(&record[at..range.start]);
            new.extend_from_slice(&payload);
            at = range.end;
        }
        new.extend_from_slice(&record[at..]);
        prop_assert_eq!(fields(&new).into_iter().map(|(_, value)| value).collect::<Vec<_>>(), want);
        let stream = [new.clone(), new].concat();
        prop_assert_eq!(cut(&Journal, &stream, &named("x"), &sizes).unwrap().len(), 2);
    }

    #[test]
    fn windows_do_not_matter(text in prop::collection::vec(prop::sample::select(b"A=\n\x00\x01\x02x ".to_vec()), 0..60),
                             sizes in prop::collection::vec(1usize..9, 1..5)) {
        // Of any bytes: no panic, whatever they say.
        let _ = cut(&Journal, &text, &named("x"), &sizes);
        let _ = is_export(&text);
        let _ = fields(&text);
        let mut edits = vec![(0..text.len(), b"x".to_vec())];
        Entries::default().mend(&text, &mut edits);
    }
}
