//! Lines of the Kubernetes container runtime interface, as containerd, CRI-O and Podman write them.
//!
//! `2016-10-06T00:17:09.669794202Z stdout P log content`: a stamp, the stream, tags (`P`: a part of a line that goes on, `F`: its
//! end), the line (Kubernetes design "CRI: Dockershim Log Format"). In a file they are a text log, a line a record.

use std::ops::Range;

use super::content;
use crate::record::{Fragment, More};

/// Bytes in which the stamp's end is looked for.
const STAMP: usize = 40;

/// What `record` holds of a container's line, if it is one of the interface's.
pub(crate) fn fragment(record: &[u8]) -> Option<Fragment> {
    let line = content(record);
    let stamp = memchr::memchr(b' ', line.get(..line.len().min(STAMP)).unwrap_or_default())?;
    let rest = line.get(stamp + 1..)?;
    let name = [&b"stdout "[..], b"stderr "].into_iter().find(|name| rest.starts_with(name))?;
    if !is_stamp(line.get(..stamp)?) {
        return None;
    }
    let tags = stamp + 1 + name.len();
    let rest = line.get(tags..)?;
    let end = memchr::memchr(b' ', rest).unwrap_or(rest.len());
    let more = match rest.get(..end)?.split(|b| *b == b':').next()? {
        b"P" => More::Yes,
        b"F" => More::No,
        _ => return None,
    };
    let span = (tags + end + 1).min(line.len())..line.len();
    // Lines that continue the record by the policy's word are no part of the container's line.
    let one = memchr::memchr(b'\n', line).is_none();
    one.then(|| Fragment { stream: u64::from(name.starts_with(b"stde")), more, span, json: false })
}

/// Whether `line` is one of the interface's.
pub(crate) fn is_line(line: &[u8]) -> bool {
    fragment(line).is_some()
}

/// RFC 3339 with nanoseconds or without.
fn is_stamp(word: &[u8]) -> bool {
    let fits = |range: Range<usize>, shape: &[u8]| {
        let part = word.get(range).unwrap_or_default();
        part.len() == shape.len()
            && part.iter().zip(shape).all(|(b, s)| if *s == b'0' { b.is_ascii_digit() } else { b == s })
    };
    fits(0..19, b"0000-00-00T00:00:00") && word.len() > 19
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_interface() {
        for (line, want) in [
            ("2016-10-06T00:17:09.669794202Z stdout P log content 1\n", Some((0, More::Yes, "log content 1"))),
            ("2016-10-06T00:17:09.669794202Z stderr F  x \r\n", Some((1, More::No, " x "))),
            ("2016-10-06T00:17:09Z stdout P:a:b x", Some((0, More::Yes, "x"))),
            ("2016-10-06T00:17:09.1+02:00 stdout F", Some((0, More::No, ""))),
            ("2016-10-06T00:17:09.1+02:00 stdout F \n", Some((0, More::No, ""))),
            ("2016-10-06T00:17:09Z stdout X x", None),
            ("2016-10-06T00:17:09Z stdin F x", None),
            ("2016-10-06 00:17:09Z stdout F x", None),
            ("word stdout F x", None),
            ("2016-10-06T00:17:09Z stdout F x\n more\n", None),
            ("", None),
        ] {
            let got = fragment(line.as_bytes());
            let got = got.map(|f| (f.stream, f.more, &line[f.span]));
            assert_eq!(got, want, "{line}");
        }
    }
}
