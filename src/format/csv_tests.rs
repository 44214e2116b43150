//! CSV against `csv-core`: same rows, same cells; and the rules for separators and headers.

use proptest::prelude::*;

use super::super::tests::{cut, cut_all, named, shown};
use super::*;
use crate::error::Kind;
use crate::policy::Rule;

/// Rows and cells as csv-core reads them.
fn oracle(bytes: &[u8], separator: u8) -> Vec<Vec<Vec<u8>>> {
    let mut reader = csv_core::ReaderBuilder::new().delimiter(separator).build();
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), Vec::new());
    let (mut rest, mut out) = (bytes, [0; 512]);
    loop {
        let (result, read, wrote) = reader.read_field(rest, &mut out);
        rest = &rest[read..];
        cell.extend_from_slice(&out[..wrote]);
        match result {
            csv_core::ReadFieldResult::InputEmpty | csv_core::ReadFieldResult::OutputFull => {}
            csv_core::ReadFieldResult::Field { record_end } => {
                row.push(std::mem::take(&mut cell));
                if record_end {
                    rows.push(std::mem::take(&mut row));
                }
            }
            csv_core::ReadFieldResult::End => return rows,
        }
    }
}

type Shown = Vec<(String, String, String, String, Place)>;

/// (column, text, span, whole, place) of each cell of the data rows.
fn cells(bytes: &[u8], hint: &Hint<'_>) -> Vec<Shown> {
    let mut cursor = Csv.open(bytes, true, hint).unwrap();
    let cuts = cut_all(&mut *cursor, bytes, &[7]).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut out = Vec::new();
    for (range, part) in cuts {
        if part == Part::Data {
            let record = &bytes[range];
            let mut row = Vec::new();
            cursor
                .fields(record, &mut |f| {
                    let (span, whole) = (text(&record[f.span.clone()]), text(&record[f.whole.clone()]));
                    row.push((text(&f.path[0]), text(&f.text), span, whole, f.place));
                })
                .unwrap();
            out.push(row);
        }
    }
    out
}

fn row(cells: &[(&str, &str, &str, &str, Place)]) -> Shown {
    let own =
        |c: &(&str, &str, &str, &str, Place)| (c.0.to_owned(), c.1.to_owned(), c.2.to_owned(), c.3.to_owned(), c.4);
    cells.iter().map(own).collect()
}

#[test]
fn rows_and_cells() {
    let text = b"\xef\xbb\xbfid, name ,note\r\n1,Ann,\"a, \"\"b\"\"\r\nc\"\r\n\r\n2,B\"x\",\"q\"z\n3,,x,extra";
    let cuts = cut(&Csv, text, &named("x.csv"), &[1]).unwrap();
    let want = [
        ('S', "\u{feff}"),
        ('S', "id, name ,note\r\n"),
        ('D', "1,Ann,\"a, \"\"b\"\"\r\nc\"\r\n"),
        ('S', "\r\n"),
        ('D', "2,B\"x\",\"q\"z\n"),
        ('D', "3,,x,extra"),
    ];
    assert_eq!(shown(&cuts, text), want.map(|(c, s)| (c, s.to_owned())));
    let want = vec![
        row(&[
            ("id", "1", "1", "1", Place::Cell),
            ("name", "Ann", "Ann", "Ann", Place::Cell),
            ("note", "a, \"b\"\r\nc", "a, \"\"b\"\"\r\nc", "\"a, \"\"b\"\"\r\nc\"", Place::QuotedCell),
        ]),
        row(&[
            ("id", "2", "2", "2", Place::Cell),
            ("name", "B\"x\"", "B\"x\"", "B\"x\"", Place::Cell),
            ("note", "qz", "\"q\"z", "\"q\"z", Place::QuotedCell),
        ]),
        row(&[
            ("id", "3", "3", "3", Place::Cell),
            ("name", "", "", "", Place::Cell),
            ("note", "x", "x", "x", Place::Cell),
            ("#4", "extra", "extra", "extra", Place::Cell),
        ]),
    ];
    assert_eq!(cells(text, &named("x.csv")), want);
}

#[test]
fn headers() {
    let header = |first: &str, rule: Header| {
        let rule = Rule { header: rule, ..Rule::default() };
        let text = format!("{first}\nx,y,z\n");
        let cuts = cut(&Csv, text.as_bytes(), &Hint { rule: Some(&rule), ..named("x.csv") }, &[2]).unwrap();
        cuts[0].1 == Part::Structure
    };
    assert!(header("id,e-mail,Full Name", Header::Auto));
    assert!(header("\"id\",\"#\",\"a@b\"", Header::Auto));
    for cell in [
        "",
        " ",
        "42",
        "-1.5e3",
        "\"1,234.50\"",
        "ann@example.com",
        "8f3a9c21-1b2c-4d5e-8f90-a1b2c3d4e5f6",
        "192.0.2.1",
        "2001:db8::1",
        "+49 (0)30 123456",
        "2025-03-11T08:00:00Z",
        "2025-03-11",
    ] {
        assert!(!header(&format!("id,name,{cell}"), Header::Auto), "{cell}");
    }
    assert!(header("1,2,3", Header::Yes));
    assert!(!header("id,name,note", Header::No));
    assert_eq!(cells(b"1,Ann,x\n", &named("x.csv"))[0][2].0, "#3");
}

#[test]
fn separators() {
    for (text, name, column) in [
        ("a;b;c\n1;2,5;3\n4;5;6\n", "x.csv", "b"),
        ("a\tb\tc\n1\t2\t3\n", "x", "b"),
        ("a,b\tc\n1\t2\t3\n", "x.tsv", "c"),
        ("sep=;\na;b\n1;2\n", "x.csv", "b"),
        ("a;b\n1;2\n", "x.csv", "b"),
        ("a,b,c\n1,2\n3,4,5\n", "x.csv", "b"),
    ] {
        assert_eq!(cells(text.as_bytes(), &named(name))[0][1].0, column, "{text}");
    }
}

#[test]
fn rows_by_content() {
    for text in ["a,b,c\n1,2,3\n", "a;b;c\n\"x;\ny\";2;3", "1\t2\t3\n1\t2\t3\n", "a,b,c\r1,2,3\r"] {
        assert!(shape(text.as_bytes(), true).is_some(), "{text}");
    }
    let browser = "192.0.2.1 - - [10/Oct/2000:13:55:36 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"X (Windows NT 10.0; Win64; x64)\"\n";
    for text in [
        "",
        "a,b,c\n",
        "a,b\n1,2\n",
        "a,b,c\n1,2\n",
        "a,b,c\n1,2,\"3\n",
        "2025-03-11 08:00:00,123 INFO a, b\n2025-03-11 08:00:01,123 INFO c, d\n",
        "Mar 11 08:00:00 h a, b, c\nMar 11 08:00:00 h a, b, c\n",
        "INFO a, b, c\nINFO a, b, c\n",
        "user=a, b=c, d=e\nuser=a, b=c, d=e\n",
        &browser.repeat(3),
    ] {
        assert_eq!(shape(text.as_bytes(), true), None, "{text}");
    }
    // What of the last row lies beyond the head does not count.
    assert_eq!(shape(b"a,b,c\n1,2,3\n4,\"5", false), Some(b','));
}

#[test]
fn a_quote_that_never_closes_is_damage() {
    let error = cut(&Csv, b"a,b,c\n1,\"2,3\n4,5,6\n", &named("x.csv"), &[1]).unwrap_err();
    assert_eq!(error.kind(), Kind::Damaged);
    assert_eq!(error.to_string(), "at byte 6: a quoted cell of this row does not end");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Same rows and cells as csv-core, whatever the windows; a quote that never closes is the one difference.
    #[test]
    fn same_cells_as_csv_core(bytes in prop::collection::vec(prop::sample::select(b"\"\",,\n\ra \x00\xe9;".to_vec()), 0..60),
                              sizes in prop::collection::vec(1usize..9, 1..5)) {
        prop_assume!(!bytes.starts_with(b"\0"));
        let rule = Rule { header: Header::No, ..Rule::default() };
        let mut cursor = Rows::new(b',', &Hint { rule: Some(&rule), ..named("x") });
        let once = cut_all(&mut cursor, &bytes, &[1000]);
        let mut again = Rows::new(b',', &Hint { rule: Some(&rule), ..named("x") });
        match (once, cut_all(&mut again, &bytes, &sizes)) {
            (Ok(cuts), Ok(same)) => {
                prop_assert_eq!(&cuts, &same);
                let mut rows = Vec::new();
                for (range, part) in cuts {
                    if part != Part::Data { continue; }
                    let record = &bytes[range];
                    let (mut row, mut end) = (Vec::new(), 0);
                    cursor.fields(record, &mut |f| {
                        assert!(f.whole.start >= end && f.whole.start <= f.span.start && f.span.end <= f.whole.end);
                        end = f.whole.end;
                        row.push(f.text.to_vec());
                    }).unwrap();
                    rows.push(row);
                }
                prop_assert_eq!(rows, oracle(&bytes, b','));
            }
            (Err(a), Err(b)) => {
                prop_assert_eq!(a.to_string(), b.to_string());
                // A separator at the end separates nothing: csv-core sees the open quote as well.
                let open = [&*bytes, b",Z"].concat();
                prop_assert!(oracle(&open, b',').last().unwrap().last().unwrap().ends_with(b",Z"));
            }
            _ => prop_assert!(false, "windows matter"),
        }
    }

    #[test]
    fn detection_does_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), whole in any::<bool>()) {
        let _any_answer = (shape(&bytes, whole), separator(&bytes, whole));
    }
}
