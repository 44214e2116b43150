//! Large directories, and those that are not in order.

use super::find_by;
use super::make::{archive, member};
use crate::blob::Blob;
use crate::container::tests::with_search;
use crate::container::zip::directory::Walk;
use crate::container::zip::end;
use crate::layer::Cx;
use crate::limits::Limits;

/// A directory of `count` entries that all claim the same or rising places; nothing else is there.
struct Claims {
    count: u64,
    step: u64,
}

const ENTRY: u64 = 46;

impl Claims {
    fn start(&self) -> u64 {
        self.count * 30
    }
}

impl Blob for Claims {
    fn len(&self) -> u64 {
        self.start() + self.count * ENTRY + 98
    }
    fn read_at(&self, at: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        let (start, end) = (self.start(), self.start() + self.count * ENTRY);
        if at < start {
            let n = buf.len().min((start - at) as usize);
            buf[..n].fill(0);
            return Ok(n);
        }
        if at < end {
            let mut done = 0;
            while done < buf.len() && at + (done as u64) < end {
                let here = at + done as u64 - start;
                let (n, from) = (here / ENTRY, (here % ENTRY) as usize);
                let mut entry = [0; ENTRY as usize];
                entry[..4].copy_from_slice(b"PK\x01\x02");
                let place = if self.step == 0 { self.count - n - 1 } else { n * self.step };
                entry[42..46].copy_from_slice(&((place * 30) as u32).to_le_bytes());
                let n = (buf.len() - done).min(entry.len() - from);
                buf[done..done + n].copy_from_slice(&entry[from..from + n]);
                done += n;
            }
            return Ok(done);
        }
        let mut tail = Vec::new();
        tail.extend_from_slice(b"PK\x06\x06");
        tail.extend_from_slice(&44u64.to_le_bytes());
        tail.extend_from_slice(&[45, 3, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for number in [self.count, self.count, end - start, start] {
            tail.extend_from_slice(&number.to_le_bytes());
        }
        tail.extend_from_slice(b"PK\x06\x07\0\0\0\0");
        tail.extend_from_slice(&end.to_le_bytes());
        tail.extend_from_slice(&1u32.to_le_bytes());
        tail.extend_from_slice(b"PK\x05\x06\0\0\0\0");
        tail.extend_from_slice(&[0xff; 12]);
        tail.extend_from_slice(&[0, 0]);
        tail.as_slice().read_at(at - end, buf)
    }
}

#[test]
fn entries_in_order_take_no_memory_and_too_many_others_are_a_limit() {
    let walk = |claims: &Claims| {
        with_search(&Limits::default(), false, |search| {
            let end = end::locate(claims)?;
            let mut walk = Walk::new(claims, &end, &Cx::new(search, b"x.zip", None))?;
            Ok::<_, crate::error::Error>((walk.next()?.unwrap().0, walk.next()?.unwrap().0))
        })
    };
    assert_eq!(walk(&Claims { count: 200_000, step: 1 }).unwrap(), (0, 30));
    assert_eq!(walk(&Claims { count: 1000, step: 0 }).unwrap(), (0, 30));
    let error = walk(&Claims { count: (1 << 20) + 1, step: 0 }).err().unwrap();
    assert!(error.reason().starts_with("limit: zip: entries of a zip that are not in order"), "{error}");
}

#[test]
fn members_in_any_order_are_found_in_order_of_place() {
    let mut made = archive(&[member(b"a", b"1\n"), member(b"b", b"2\n"), member(b"c", b"3\n")]);
    made.backwards = true;
    let names: Vec<_> = find_by(&made.build(), 64).unwrap().seen.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "b", "c"]);
}
