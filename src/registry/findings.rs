//! What is allowed in a registry and looks like a slip, for `registry check`.
//!
//! An event of somebody who was never erased, an e-mail address that will never be found or is a whole department's: warnings,
//! never errors, and told by number and line. Nothing of a value is in a [`Finding`] (P4).

use std::net::Ipv6Addr;

use super::ledger::{Draft, Ledger};
use crate::matcher::Type;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Slip {
    /// A cancel, hold or release of a subject without any erase: a reference mistyped?
    NeverErased,
    /// A subject claims an identifier twice, with the same terms.
    Twice,
    /// An identifier of several subjects.
    Shared,
    /// An e-mail address whose domain has no dot, or two in a row.
    MailDomain,
    /// An e-mail address with a percent sign, an apostrophe around it or a byte that is not ASCII: an escape left over?
    MailSpelling,
    /// An e-mail address with an ending that does not exist and is one key away from one that does.
    MailEnding,
    /// An e-mail address of a role (`info@`, `support@`): many people's records hold it.
    MailRole,
    /// A private, loopback or unspecified IP address: many machines have it.
    IpShared,
    /// A word that programs write where there is no value (`null`, `unknown`), or `0`.
    Placeholder,
}

impl Slip {
    const ALL: [Slip; 9] = [
        Slip::NeverErased,
        Slip::Twice,
        Slip::Shared,
        Slip::MailDomain,
        Slip::MailSpelling,
        Slip::MailEnding,
        Slip::MailRole,
        Slip::IpShared,
        Slip::Placeholder,
    ];

    /// What it is and why it matters, for people; a count stands before it.
    pub fn text(self) -> &'static str {
        match self {
            Slip::NeverErased => "cancelled, held or released, but never erased (is the reference right?)",
            Slip::Twice => "claimed twice by the same subject",
            Slip::Shared => "claimed by several subjects",
            Slip::MailDomain => "an e-mail address whose domain is not one of the Internet",
            Slip::MailSpelling => "an e-mail address with an escape, a quote or a letter that is not ASCII",
            Slip::MailEnding => "an e-mail address with a mistyped ending",
            Slip::MailRole => "an e-mail address of a role: records of many people hold it",
            Slip::IpShared => "an IP address that many machines have (private, loopback or unspecified)",
            Slip::Placeholder => "a word that stands for no value: records of many people hold it",
        }
    }
}

/// One kind of slip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub slip: Slip,
    /// How many subjects (of [`Slip::NeverErased`]), else identifiers.
    pub count: u64,
    /// The first line of the first such subject.
    pub line: u64,
}

/// Looks at all that the events came to. Cancelled identifiers are gone.
pub(super) fn of(ledger: &Ledger<'_>) -> Vec<Finding> {
    let mut found = [(0u64, 0u64); Slip::ALL.len()];
    let mut note = |slip: Slip, line: u64| {
        if let Some((count, first)) = found.get_mut(slip as usize) {
            *first = if *count == 0 { line } else { *first };
            *count += 1;
        }
    };
    // For each value: 0 = not seen, u32::MAX = counted as shared, else the number of its subject, from 1.
    let mut owner = vec![0u32; ledger.values.values().len()];
    let mut all: Vec<Draft<'_>> = Vec::new();
    for (track, number) in ledger.tracks().zip(1u32..) {
        let line = track.line();
        if !track.erased() && !track.later() {
            note(Slip::NeverErased, line);
        }
        all.clear();
        all.extend(track.drafts());
        all.sort_unstable();
        for _ in 0..all.windows(2).filter(|pair| pair.first() == pair.last()).count() {
            note(Slip::Twice, line);
        }
        for id in track.drafts().flat_map(|draft| draft.ids) {
            let (Some(owner), Some(value)) = (owner.get_mut(*id as usize), ledger.values.get(*id)) else { continue };
            if *owner == 0 {
                *owner = number;
                if let Some(slip) = look(value.kind, &value.bytes()) {
                    note(slip, line);
                }
            } else if *owner != number && *owner != u32::MAX {
                *owner = u32::MAX;
                note(Slip::Shared, line);
            }
        }
    }
    let found = Slip::ALL.into_iter().zip(found).filter(|(_, (count, _))| *count > 0);
    found.map(|(slip, (count, line))| Finding { slip, count, line }).collect()
}

/// What the look of a value tells.
fn look(kind: Type, bytes: &[u8]) -> Option<Slip> {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    match kind {
        Type::Email => mail(text),
        Type::Ip => address(bytes),
        Type::UserId | Type::Username | Type::Token | Type::Literal => placeholder(text),
        Type::Uuid => text.bytes().all(|b| b == b'0' || b == b'f').then_some(Slip::Placeholder),
        Type::Phone => text.bytes().all(|b| text.as_bytes().first() == Some(&b)).then_some(Slip::Placeholder),
    }
}

fn mail(text: &str) -> Option<Slip> {
    const ENDINGS: [&str; 10] = ["con", "cmo", "ocm", "vom", "xom", "comm", "cpm", "nett", "ogr", "invalid"];
    const ROLES: [&str; 20] = [
        "abuse",
        "admin",
        "billing",
        "contact",
        "help",
        "hello",
        "hostmaster",
        "info",
        "mail",
        "mailer-daemon",
        "no-reply",
        "noreply",
        "office",
        "postmaster",
        "root",
        "sales",
        "security",
        "service",
        "support",
        "webmaster",
    ];
    let (local, domain) = text.split_once('@')?;
    if !domain.contains('.') || domain.contains("..") {
        return Some(Slip::MailDomain);
    }
    let quoted = |c: char| c == '\'' || c == '`';
    let odd = |b: u8| matches!(b, b'%' | b'&' | b'=') || !b.is_ascii();
    if text.bytes().any(odd) || local.starts_with(quoted) || domain.ends_with(quoted) {
        return Some(Slip::MailSpelling);
    }
    if domain.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.contains(&ending)) {
        return Some(Slip::MailEnding);
    }
    ROLES.contains(&local).then_some(Slip::MailRole)
}

fn address(bytes: &[u8]) -> Option<Slip> {
    let address = Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?);
    let shared = match address.to_ipv4_mapped() {
        Some(v4) => {
            v4.is_private() || v4.is_loopback() || v4.is_unspecified() || v4.is_link_local() || v4.is_broadcast()
        }
        None => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local()
        }
    };
    shared.then_some(Slip::IpShared)
}

fn placeholder(text: &str) -> Option<Slip> {
    const WORDS: [&str; 20] = [
        "",
        "-",
        "-1",
        "0",
        "1",
        "admin",
        "anonymous",
        "deleted",
        "erased",
        "false",
        "guest",
        "n/a",
        "nil",
        "none",
        "null",
        "root",
        "true",
        "undefined",
        "unknown",
        "user",
    ];
    WORDS.iter().any(|word| word.eq_ignore_ascii_case(text)).then_some(Slip::Placeholder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::value;

    #[test]
    fn looks() {
        let table = [
            (Type::Email, "alice@example.com", None),
            (Type::Email, "alice.o'neil@example.com", None),
            (Type::Email, "alice@localhost", Some(Slip::MailDomain)),
            (Type::Email, "alice@example..com", Some(Slip::MailDomain)),
            (Type::Email, "alice%40home@example.com", Some(Slip::MailSpelling)),
            (Type::Email, "'alice@example.com'", Some(Slip::MailSpelling)),
            (Type::Email, "alice@example.con", Some(Slip::MailEnding)),
            (Type::Email, "Support@example.com", Some(Slip::MailRole)),
            (Type::Ip, "203.0.113.7", None),
            (Type::Ip, "10.0.0.1", Some(Slip::IpShared)),
            (Type::Ip, "::1", Some(Slip::IpShared)),
            (Type::Ip, "2001:db8::1", None),
            (Type::UserId, "48213", None),
            (Type::UserId, "0", Some(Slip::Placeholder)),
            (Type::Username, "Anonymous", Some(Slip::Placeholder)),
            (Type::Token, "undefined", Some(Slip::Placeholder)),
            (Type::Uuid, "00000000-0000-0000-0000-000000000000", Some(Slip::Placeholder)),
            (Type::Phone, "+0000000", Some(Slip::Placeholder)),
            (Type::Phone, "+1 415 555 0132", None),
        ];
        for (kind, text, want) in table {
            assert_eq!(look(kind, &value::parse(kind, text, true).unwrap().bytes), want, "{text}");
        }
    }
}
