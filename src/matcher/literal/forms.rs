//! Where the bytes of a value stand, whether they would count there or not: for masking names (SPEC P4).
//!
//! Names are short, so that the tables of the search serve: every stretch of a name that has the look of a table's keys is looked
//! up. Work is by the squares of a name's runs of letters and digits, whatever the size of the registry.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::super::boundary::{in_local, in_word};
use super::super::names::name_byte;
use super::super::{Needles, Type, ValueRef};
use super::Literal;
use super::table::{KEY_MAX, Table};
use crate::error::Result;

/// Longest text of an address (RFC 4291 §2.2: eight groups, the last two as IPv4).
const ADDRESS_MAX: usize = 45;

/// Whether a value is written in a way that none of its other forms is.
fn is_apart(value: &ValueRef<'_>) -> bool {
    // Those of UUIDs and addresses are read whatever their form.
    !matches!(value.kind, Type::Uuid | Type::Ip)
        && value.is_written_apart()
        && !value.written().eq_ignore_ascii_case(&value.bytes())
}

/// Values by what the registry wrote, where that is not what the search looks for.
pub(super) fn written(needles: &Needles) -> Result<Table> {
    let apart = needles.values().filter(|(_, value)| is_apart(value));
    Table::new(apart.map(|(id, value)| (value.written(), id)))
}

impl Literal {
    /// Calls `found` with every stretch of `text` that is a value's bytes in some form, in any case; more than once at times.
    pub(in super::super) fn each_form(&self, text: &[u8], found: &mut dyn FnMut(Range<usize>)) {
        let inner = &*self.0;
        let finder = &inner.finder;
        let mut look = |table: &Table, key: &[u8], span: Range<usize>| {
            let mut known = false;
            table.probe(key, |id| {
                let same = |value: ValueRef<'_>| {
                    value.bytes().eq_ignore_ascii_case(key) || value.written().eq_ignore_ascii_case(key)
                };
                known |= inner.needles.value(id).is_some_and(same);
            });
            if known {
                found(span);
            }
        };
        let digit = |b: u8| b.is_ascii_digit();
        stretches(&finder.numbers, text, &digit, &mut look);
        stretches(&finder.phones, text, &digit, &mut look);
        stretches(&finder.words, text, &in_word, &mut look);
        stretches(&finder.dotted, text, &name_byte, &mut look);
        stretches(&inner.written, text, &|_| true, &mut look);
        mails(&finder.mails, text, &mut look);
        uuids(&finder.uuids, text, &mut look);
        addresses(&finder.ips, text, &mut look);
        finder.bytes(text, &mut |id, span| {
            if inner.needles.value(id).is_some() {
                found(span);
            }
        });
    }
}

type Look<'l> = &'l mut dyn FnMut(&Table, &[u8], Range<usize>);

/// All stretches of one class of bytes that are as long as keys are.
fn stretches(table: &Table, text: &[u8], class: &dyn Fn(u8) -> bool, look: Look<'_>) {
    if table.is_empty() {
        return;
    }
    let (min, max) = table.lengths();
    for start in 0..text.len() {
        let rest = text.get(start..).unwrap_or_default();
        let run = rest.iter().take(max).take_while(|b| class(**b)).count();
        for len in min.max(1)..=run {
            look(table, rest.get(..len).unwrap_or_default(), start..start + len);
        }
    }
}

/// All stretches around an `@` that look like an address.
fn mails(table: &Table, text: &[u8], look: Look<'_>) {
    if table.is_empty() {
        return;
    }
    let (min, max) = table.lengths();
    let max = max.min(KEY_MAX);
    for at in memchr::memchr_iter(b'@', text) {
        let before = text.get(..at).unwrap_or_default();
        let after = text.get(at + 1..).unwrap_or_default();
        let local = before.iter().rev().take(max).take_while(|b| in_local(**b)).count();
        let domain = after.iter().take(max).take_while(|b| in_word(**b) || **b == b'.').count();
        for start in at - local..at {
            for end in (start + min).max(at + 2)..=(at + 1 + domain).min(start + max) {
                look(table, text.get(start..end).unwrap_or_default(), start..end);
            }
        }
    }
}

/// All stretches of 32 hex digits, or of 36 with dashes in their places.
fn uuids(table: &Table, text: &[u8], look: Look<'_>) {
    if table.is_empty() {
        return;
    }
    for (start, window) in text.windows(32).enumerate() {
        if window.iter().all(u8::is_ascii_hexdigit) {
            look(table, window, start..start + 32);
        }
    }
    for (start, window) in text.windows(36).enumerate() {
        let dash = |i: usize| matches!(i, 8 | 13 | 18 | 23);
        let fits = |(i, b): (usize, &u8)| if dash(i) { *b == b'-' } else { b.is_ascii_hexdigit() };
        if window.iter().enumerate().all(fits) {
            let digits: Vec<u8> = window.iter().copied().filter(|b| *b != b'-').collect();
            look(table, &digits, start..start + 36);
        }
    }
}

/// All stretches that are an address in some spelling of it.
fn addresses(table: &Table, text: &[u8], look: Look<'_>) {
    if table.is_empty() {
        return;
    }
    let class = |b: u8| b.is_ascii_hexdigit() || b == b':' || b == b'.';
    for start in 0..text.len() {
        let rest = text.get(start..).unwrap_or_default();
        let run = rest.iter().take(ADDRESS_MAX).take_while(|b| class(**b)).count();
        for len in 2..=run {
            let Some(text) = rest.get(..len).and_then(|text| std::str::from_utf8(text).ok()) else { continue };
            let v4 = || text.parse().ok().map(|v4: Ipv4Addr| v4.to_ipv6_mapped());
            if let Some(address) = text.parse().ok().or_else(v4).map(|v6: Ipv6Addr| v6.octets()) {
                look(table, &address, start..start + len);
            }
        }
    }
}
