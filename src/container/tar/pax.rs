//! PAX extended headers: records `LENGTH KEY=VALUE\n` (POSIX.1-2001, pax "Extended Header").
//!
//! Cuts and writes records; what a key means is its callers' matter.

use std::ops::Range;

use crate::error::{Error, Result};

/// One record; ranges in the extended header's payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The record with its length and its line end.
    pub whole: Range<usize>,
    /// Before the first `=`; never empty.
    pub key: Range<usize>,
    /// After it.
    pub value: Range<usize>,
}

/// The records of `body`, one after another; ends after the last, or after one that is malformed ([`check`]).
pub struct Records<'b> {
    body: &'b [u8],
    at: usize,
}

/// The records of an extended header's payload.
pub fn records(body: &[u8]) -> Records<'_> {
    Records { body, at: 0 }
}

/// Whether `body` is records to its end (or to NULs that fill it up: GNU tar and Python read those). `at` is its offset in the archive.
pub fn check(body: &[u8], at: u64) -> Result<()> {
    let mut records = records(body);
    while records.next().is_some() {}
    let rest = body.get(records.at..).unwrap_or_default();
    if rest.iter().all(|b| *b == 0) {
        return Ok(());
    }
    Err(Error::damaged("tar", at + records.at as u64, "a malformed extended header"))
}

impl Iterator for Records<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        let rest = self.body.get(self.at..)?;
        // A length of more than seven digits is past the bound on a header.
        let digits = rest.iter().take(8).take_while(|b| b.is_ascii_digit()).count();
        let len = decimal(rest.get(..digits)?)? as usize;
        if rest.get(digits) != Some(&b' ') {
            return None;
        }
        let text = rest.get(digits + 1..len)?.strip_suffix(b"\n")?;
        let equals = memchr::memchr(b'=', text).filter(|at| *at > 0)?;
        let start = self.at + digits + 1;
        let record = Record {
            whole: self.at..self.at + len,
            key: start..start + equals,
            value: start + equals + 1..start + text.len(),
        };
        self.at += len;
        Some(record)
    }
}

/// Decimal digits alone, at least one.
pub fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |n, b| {
        let digit = b.is_ascii_digit().then(|| u64::from(b - b'0'))?;
        n.checked_mul(10)?.checked_add(digit)
    })
}

/// Appends a record; its length counts its own digits.
pub fn put(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut len = rest + 1;
    while rest + len.to_string().len() != len {
        len = rest + len.to_string().len();
    }
    out.extend_from_slice(len.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// `body` with its `size` records left out and, where `size` is given, one such record in place of the first of them, or
/// at the end.
pub fn with_size(body: &[u8], size: Option<u64>) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 24);
    let mut size = size.map(|size| size.to_string());
    for record in records(body) {
        if body.get(record.key.clone()) == Some(b"size") {
            if let Some(size) = size.take() {
                put(&mut out, b"size", size.as_bytes());
            }
        } else {
            out.extend_from_slice(body.get(record.whole).unwrap_or_default());
        }
    }
    if let Some(size) = size {
        put(&mut out, b"size", size.as_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn malformed_records_are_damaged() {
        for bad in [
            &b"x"[..],
            b"6 a=b",
            b"7 a=b\n",
            b"5 a=b\n",
            b"5 =b\n",
            b"6 abc\n",
            b"06a=bc\n",
            b"0 \n",
            b"6 a=b\nx",
            b"6 a=b\n\0x",
            b"99999999999999999999 a=b\n",
            b"-6 a=b\n",
            b" 6 a=b\n",
        ] {
            assert!(check(bad, 0).is_err(), "{:?}", String::from_utf8_lossy(bad));
        }
        check(b"", 0).unwrap();
        check(b"6 a=b\n\0\0", 0).unwrap();
        check(b"6 a=b\n6 a=\n\n", 0).unwrap();
    }

    #[test]
    fn a_size_keeps_its_place() {
        let body = b"12 path=abc\n13 size=1024\n8 c=def\n";
        assert!(check(body, 0).is_ok());
        assert_eq!(with_size(body, Some(9)), b"12 path=abc\n9 size=9\n8 c=def\n");
        assert_eq!(with_size(body, None), b"12 path=abc\n8 c=def\n");
        assert_eq!(with_size(b"8 c=def\n", Some(10_000)), b"8 c=def\n14 size=10000\n");
    }

    proptest! {
        #[test]
        fn what_is_put_is_read(records_in in prop::collection::vec(("[a-zA-Z.]{1,12}", prop::collection::vec(any::<u8>(), 0..120)), 0..9)) {
            let mut body = Vec::new();
            for (key, value) in &records_in {
                put(&mut body, key.as_bytes(), value);
            }
            check(&body, 0).unwrap();
            let got: Vec<(Vec<u8>, Vec<u8>)> = records(&body).map(|r| (body[r.key].to_vec(), body[r.value].to_vec())).collect();
            let want: Vec<(Vec<u8>, Vec<u8>)> = records_in.into_iter().map(|(k, v)| (k.into_bytes(), v)).collect();
            prop_assert_eq!(got, want);
        }

        #[test]
        fn any_bytes_do_no_harm(body in prop::collection::vec(prop_oneof![Just(b'1'), Just(b'2'), Just(b' '), Just(b'='), Just(b'\n'), any::<u8>()], 0..60)) {
            let _any_answer = check(&body, 0);
            let _any_answer = with_size(&body, Some(77));
        }
    }
}
