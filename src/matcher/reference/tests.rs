use std::borrow::Cow;
use std::sync::Arc;

use super::*;
use crate::matcher::{Needles, Type, Value};
use crate::policy::Fields;
use crate::record::Field;

mod fields;
mod properties;
mod spellings;

use Type::{Email, Ip, Literal, Phone, Token, UserId, Username, Uuid};

/// An engine for values as a registry writes them.
fn engine(values: &[(Type, &str)]) -> Reference {
    let values = values.iter().map(|&(kind, written)| Value {
        kind,
        bytes: canonical(kind, written).into(),
        written: Box::default(),
    });
    let values: Vec<Value> = values.collect();
    let needles = Needles::of_values(&values).unwrap();
    Reference::new(&Plan { needles: Arc::new(needles), fields: Arc::new(Fields::default()) })
}

fn canonical(kind: Type, written: &str) -> Vec<u8> {
    match kind {
        Email | Username => written.to_ascii_lowercase().into_bytes(),
        Uuid => written.replace('-', "").to_ascii_lowercase().into_bytes(),
        Phone => written.bytes().filter(u8::is_ascii_digit).collect(),
        Ip => match written.parse().unwrap() {
            std::net::IpAddr::V4(v4) => v4.to_ipv6_mapped().octets().to_vec(),
            std::net::IpAddr::V6(v6) => v6.octets().to_vec(),
        },
        Token | UserId | Literal => written.as_bytes().to_vec(),
    }
}

fn text_hits(engine: &Reference, text: &[u8]) -> Vec<Hit> {
    let mut hits = Vec::new();
    engine.hits(&Unit { text, fields: &[], table: None }, &mut hits);
    hits
}

/// `text` with the expected hits marked as `«…»`; each row: type, registry value, marked text.
fn check(rows: &[(Type, &str, &str)]) {
    for (kind, value, marked) in rows {
        let (mut text, mut want, mut start) = (String::new(), Vec::new(), 0);
        for c in marked.chars() {
            match c {
                '«' => start = text.len(),
                '»' => want.push(start..text.len()),
                c => text.push(c),
            }
        }
        let hits = text_hits(&engine(&[(*kind, value)]), text.as_bytes());
        let got: Vec<_> = hits.into_iter().map(|hit| hit.span).collect();
        assert_eq!(got, want, "{kind:?} {value:?} in {marked:?}");
    }
}

const ALICE: &str = "alice@example.com";

#[test]
fn email() {
    let rows = [
        "«alice@example.com»",
        "<«alice@example.com»>",
        "\"«Alice@Example.COM»\",",
        "mail to «alice@example.com».",
        "mail to «alice@example.com». Then",
        "«alice@example.com»:443/«alice@example.com»/x",
        "mailto:«alice@example.com»?subject=x",
        "«alice@example.com»..",
        "é«alice@example.com»é",
        "'«alice@example.com»'",
        "=«alice@example.com»!",
        "alice@example.com.au",
        "alice@example.com.1",
        "alice@example.com-x",
        "alice@example.com_x",
        "alice@example.comx",
        "alice@example.com2",
        "xalice@example.com",
        "0alice@example.com",
        ".alice@example.com",
        "_alice@example.com",
        "%alice@example.com",
        "+alice@example.com",
        "-alice@example.com",
        "alice@example.co",
        "alice@@example.com",
    ];
    check(&rows.map(|row| (Email, ALICE, row)));
    check(&[(Email, "No-At", "a «no-at» b no-at.b")]);
    check(&[(Email, "q", "a «q» b «Q»")]);
}

#[test]
fn uuid() {
    let rows = [
        "«123e4567-e89b-42d3-a456-426614174000»",
        "«123e4567e89b42d3a456426614174000»",
        "{«123E4567-E89B-42D3-A456-426614174000»}",
        "urn:uuid:«123e4567-e89b-42d3-a456-426614174000».",
        "_«123e4567e89b42d3a456426614174000»_",
        "-«123e4567-e89b-42d3-a456-426614174000»-",
        "x123e4567-e89b-42d3-a456-426614174000",
        "0123e4567-e89b-42d3-a456-426614174000",
        "123e4567-e89b-42d3-a456-4266141740000",
        "123e4567-e89b-42d3-a456-426614174000g",
        "123e4567e89b42d3a456426614174000Z",
        "123e4567-e89b42d3a456426614174000",
        "123e-4567e89b-42d3-a456-426614174000",
        "123e4567-e89b-42d3-a456-42661417400",
    ];
    check(&rows.map(|row| (Uuid, "123e4567-e89b-42d3-a456-426614174000", row)));
}

#[test]
fn ipv4() {
    let rows = [
        "«192.0.2.1»",
        "«192.0.2.1»:8080 [«192.0.2.1»]:80 «192.0.2.1»/24",
        "from «192.0.2.1». Then",
        "«192.0.2.1»..",
        "v«192.0.2.1»x",
        ".«192.0.2.1»-",
        "«192.000.002.001»",
        "«::ffff:192.0.2.1»",
        "[«::FFFF:192.0.2.1»]:443",
        "«::ffff:c000:201»",
        "«0:0:0:0:0:ffff:c000:0201»",
        "«0000:0000:0000:0000:0000:ffff:192.0.2.1»",
        "::«192.0.2.1»",
        "64:ff9b::«192.0.2.1»",
        "::ffff:«192.0.2.1»:80",
        "addr:«192.0.2.1»",
        "1192.0.2.1",
        "1.192.0.2.1",
        "192.0.2.10",
        "192.0.2.1.5",
        "192.0.2.0001",
        "192.0.2.1.443",
        "192.0.2",
        "192.0.2.257",
    ];
    check(&rows.map(|row| (Ip, "192.0.2.1", row)));
    check(&[(Ip, "::ffff:192.0.2.1", "«192.0.2.1»")]);
}

#[test]
fn ipv6() {
    let rows = [
        "«2001:db8::1»",
        "«2001:DB8::1»",
        "«2001:0db8:0000:0000:0000:0000:0000:0001»",
        "«2001:db8:0:0::0.0.0.1»",
        "[«2001:db8::1»]:443 «2001:db8::1»/64 «2001:db8::1»%eth0",
        "at «2001:db8::1». Then",
        "«2001:db8::1».log «2001:db8::1».csv",
        "«2001:db8::1».443 >",
        "(«2001:db8::1»)",
        "x«2001:db8::1»x",
        "2001:db8::1:",
        ":2001:db8::1",
        "a2001:db8::1",
        "2001:db8::1f",
        "2001:db8::10",
        "2001:db8::1:0",
        "1:2001:db8::1",
        "2001:db8::1::",
    ];
    check(&rows.map(|row| (Ip, "2001:db8::1", row)));
    check(&[
        (Ip, "::ffff:0.0.0.1", "::ffff:1"),
        (Ip, "::1", "::1.2.3.4 ::1.2.3.4:80 «::1»"),
        (Ip, "::", "a «::» b ::: c"),
    ]);
}

#[test]
fn phone() {
    let rows = [
        "«4915112345678»",
        "«+4915112345678»",
        "«004915112345678»",
        "«00 49 151 12345678»",
        "«+49 (151) 123-456.78»",
        "«49/151/12345678».",
        "tel:«+49 - 151 12345678»,",
        "«0049 - 151 12345678»",
        "a«4915112345678»b",
        "(«49) 151 12345678»",
        "00    «49 151 12345678»",
        "1«+4915112345678»",
        "100 «4915112345678»",
        "49151123456780",
        "14915112345678",
        "1004915112345678",
        "49    15112345678",
        "49_15112345678",
        "+49 (0)151 12345678",
        "4915112345679",
    ];
    check(&rows.map(|row| (Phone, "+49 151 12345678", row)));
    check(&[(Phone, "5551234", "«555-1234» 9 «5551234» 5 «5551234»")]);
}

#[test]
fn token_and_literal() {
    let rows = [
        "«usr_8f3a9c21»",
        "id=«usr_8f3a9c21»;",
        "/«usr_8f3a9c21».json",
        "é«usr_8f3a9c21»\n",
        "USR_8f3a9c21",
        "xusr_8f3a9c21",
        "1usr_8f3a9c21",
        "_usr_8f3a9c21",
        "-usr_8f3a9c21",
        "usr_8f3a9c21x",
        "usr_8f3a9c210",
        "usr_8f3a9c21_",
        "usr_8f3a9c21-",
    ];
    check(&rows.map(|row| (Token, "usr_8f3a9c21", row)));
    check(&[
        (Literal, "Élan 7", "x«Élan 7»y élan 7"),
        (Literal, "aaaa", "«aaaa»aa b «aaaa»«aaaa»"),
        (Literal, "", "anything"),
    ]);
}

#[test]
fn candidates_are_the_whole_window() {
    let (engine, mut found) = (engine(&[]), Vec::new());
    engine.candidates(b"", &mut found);
    engine.candidates(b"abc", &mut found);
    assert_eq!(found, std::iter::once(0..3).collect::<Vec<_>>());
    assert_eq!(text_hits(&engine, b"user_id=42 alice@example.com"), []);
}

/// `text` with everything but letters and digits spelled so.
fn spell(spelling: Spelling, text: &str) -> String {
    let escape = |c: char| match (c.is_ascii_alphanumeric(), spelling) {
        (true, _) => c.to_string(),
        (_, Spelling::Percent) => format!("%{:02x}", c as u32),
        (_, Spelling::Json) => format!("\\u{:04X}", c as u32),
        (_, Spelling::Html) => format!("&#{};", c as u32),
        (_, Spelling::Qp) => format!("={:02X}", c as u32),
        (_, Spelling::Utf16Le | Spelling::Utf16Be) => unreachable!("no escapes"),
    };
    text.chars().map(escape).collect()
}

fn field<'r>(path: &[&'r str], text: &'r str, span: Range<usize>, place: Place) -> Field<'r> {
    Field {
        path: path.iter().map(|part| Cow::Borrowed(part.as_bytes())).collect(),
        whole: span.clone(),
        span,
        text: Cow::Borrowed(text.as_bytes()),
        place,
    }
}
