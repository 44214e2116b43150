//! From what a registry writes to a canonical [`Value`], type by type.
//!
//! Everything that can be wrong with an identifier's text is found here, so that an engine never sees a value that it could
//! not search for: an address without `@`, a UUID one digit short, a value too short to be safe. Canonical forms stand
//! at [`Value`]; both engines and the registry's own look-ups rest on them. No error holds a byte of the value.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::error::{Error, Result};
use crate::matcher::{Type, Value};

/// Fewest digits of a phone number that is taken without `--allow-short` (SPEC "The deletion registry").
pub const PHONE_DIGITS: usize = 7;
/// Fewest bytes of a token.
pub const TOKEN_BYTES: usize = 6;
/// Fewest bytes of a literal.
pub const LITERAL_BYTES: usize = 4;

/// The value of type `kind` that `text` writes.
///
/// White space around it is no part of it (of a literal it is). Usage errors: the text is not of that type, it is empty
/// (for `user_id` and `username` an empty string is a value like any other), or it is too short to be safe and
/// `allow_short` is not given.
pub fn parse(kind: Type, text: &str, allow_short: bool) -> Result<Value> {
    let mut bytes = Vec::with_capacity(text.len());
    let written = write(kind, text, allow_short, &mut bytes)?;
    Ok(Value { kind, bytes: bytes.into(), written: written.as_bytes().into() })
}

/// As [`parse`], with the canonical bytes added to `out`. Gives the text without white space around it if it differs from them,
/// else the empty string. After an error nothing is added.
pub(super) fn write<'t>(kind: Type, text: &'t str, allow_short: bool, out: &mut Vec<u8>) -> Result<&'t str> {
    let text = trim(kind, text);
    let start = out.len();
    if !canon(kind, text, out) {
        out.truncate(start);
        return Err(refusal(kind));
    }
    let bytes = out.get(start..).unwrap_or_default();
    let (found, least, short) = match kind {
        Type::Phone => (bytes.len(), PHONE_DIGITS, "a phone number of fewer than 7 digits is too short to be safe"),
        Type::Token => (bytes.len(), TOKEN_BYTES, "a token of fewer than 6 bytes is too short to be safe"),
        Type::Literal => (bytes.len(), LITERAL_BYTES, "a literal of fewer than 4 bytes is too short to be safe"),
        _ => (0, 0, ""),
    };
    if found < least && !allow_short {
        out.truncate(start);
        return Err(Error::usage(short).help("--allow-short takes it all the same"));
    }
    Ok(if bytes == text.as_bytes() { "" } else { text })
}

/// The type of a bare value: `@` = e-mail, a UUID, an IP, `+digits` = phone, digits = user id, anything else a token.
pub fn guess(text: &str) -> Type {
    let text = text.trim();
    let mut scratch = Vec::new();
    if text.contains('@') {
        Type::Email
    } else if uuid(text, &mut scratch) {
        Type::Uuid
    } else if ip(text).is_some() {
        Type::Ip
    } else if text.starts_with('+') && canonical(Type::Phone, text).is_some() {
        Type::Phone
    } else if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        Type::UserId
    } else {
        Type::Token
    }
}

/// The canonical bytes of `text` (trimmed already), or `None` if it is not of that type.
pub(super) fn canonical(kind: Type, text: &str) -> Option<Box<[u8]>> {
    let mut bytes = Vec::new();
    canon(kind, text, &mut bytes).then(|| bytes.into())
}

/// Adds the canonical bytes of `text` (trimmed already) to `out`; `false` (and whatever was added) if it is not of that type.
fn canon(kind: Type, text: &str, out: &mut Vec<u8>) -> bool {
    match kind {
        Type::Email => email(text, out),
        Type::Uuid => uuid(text, out),
        Type::Ip => ip(text).inspect(|octets| out.extend_from_slice(octets)).is_some(),
        Type::Phone => phone(text, out),
        Type::Token | Type::Literal => {
            out.extend_from_slice(text.as_bytes());
            !text.is_empty()
        }
        Type::UserId => {
            out.extend_from_slice(text.as_bytes());
            true
        }
        Type::Username => {
            lower(text, out);
            true
        }
    }
}

fn lower(text: &str, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(text.as_bytes());
    out.get_mut(start..).unwrap_or_default().make_ascii_lowercase();
}

/// `text` without the white space (Unicode's) around it; a literal is taken as it stands.
pub(super) fn trim(kind: Type, text: &str) -> &str {
    if kind == Type::Literal { text } else { text.trim() }
}

fn refusal(kind: Type) -> Error {
    match kind {
        Type::Email => {
            Error::usage("the value is not an e-mail address").help("one bare address, without a name or `mailto:`")
        }
        Type::Uuid => Error::usage("the value is not a UUID").help("32 hex digits, with dashes or without"),
        Type::Ip => Error::usage("the value is not an IP address (prefixes, ports and zones are not taken)"),
        Type::Phone => Error::usage("the value is not a phone number")
            .help("digits, with a leading `+` and any of ` -.()/` between"),
        Type::Token | Type::Literal | Type::UserId | Type::Username => Error::usage("the value is empty"),
    }
}

/// Lower case in ASCII. Strict enough that a display name, a `mailto:` or a list of addresses is refused: they would be
/// taken for one long address and never be found.
fn email(text: &str, out: &mut Vec<u8>) -> bool {
    let at = memchr::memchr(b'@', text.as_bytes());
    let Some((local, domain)) = at.and_then(|at| text.split_at_checked(at)) else { return false };
    let domain = domain.strip_prefix('@').unwrap_or(domain);
    let bad = |c: char| c.is_whitespace() || c.is_control() || "@<>()[]{},;:\"\\|".contains(c);
    let fit = |part: &str| {
        let plain = part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'+'));
        !part.is_empty() && (plain || !part.contains(bad))
    };
    lower(text, out);
    fit(local) && fit(domain) && !domain.starts_with('.') && !domain.ends_with('.')
}

/// 32 lower-case hex digits, from the forms of RFC 9562 §4 with or without dashes, `{…}` or `urn:uuid:`.
fn uuid(text: &str, out: &mut Vec<u8>) -> bool {
    const URN: &str = "urn:uuid:";
    let braced = text.strip_prefix('{').and_then(|t| t.strip_suffix('}'));
    let bare = braced.unwrap_or_else(|| match text.get(..URN.len()) {
        Some(head) if head.eq_ignore_ascii_case(URN) => text.get(URN.len()..).unwrap_or_default(),
        _ => text,
    });
    let dashed = bare.len() == 36;
    if !dashed && bare.len() != 32 {
        return false;
    }
    bare.bytes().enumerate().all(|(at, byte)| {
        if dashed && matches!(at, 8 | 13 | 18 | 23) {
            return byte == b'-';
        }
        out.push(byte.to_ascii_lowercase());
        byte.is_ascii_hexdigit()
    })
}

/// The 16 bytes of the IPv6 form; IPv4 as `::ffff:a.b.c.d`. Square brackets may stand around IPv6.
fn ip(text: &str) -> Option<[u8; 16]> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    let address = match bare.parse::<Ipv6Addr>() {
        Ok(address) => address,
        Err(_) => text.parse::<Ipv4Addr>().ok()?.to_ipv6_mapped(),
    };
    Some(address.octets())
}

/// The digits, without a leading `+` or `00`; ` -.()/` may stand among them.
fn phone(text: &str, out: &mut Vec<u8>) -> bool {
    let separator = |b: u8| b" -.()/".contains(&b);
    let plus = text.starts_with('+');
    let start = out.len();
    for byte in text.strip_prefix('+').unwrap_or(text).bytes() {
        if byte.is_ascii_digit() {
            out.push(byte);
        } else if !separator(byte) {
            return false;
        }
    }
    if !plus && out.get(start..).is_some_and(|digits| digits.starts_with(b"00")) {
        out.drain(start..start + 2);
    }
    out.len() > start
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canon(kind: Type, text: &str) -> Option<Vec<u8>> {
        parse(kind, text, true).ok().map(|v| v.bytes.to_vec())
    }

    #[test]
    fn canonical_forms() {
        let table: &[(Type, &str, &[u8])] = &[
            (Type::Email, " Alice.B+x@Example.COM\t", b"alice.b+x@example.com"),
            (Type::Email, "\u{a0}j\u{fc}rgen@ex\u{e4}mple.example\u{2003}", "jürgen@exämple.example".as_bytes()),
            (Type::Email, "root@localhost", b"root@localhost"),
            (Type::Uuid, "{6F9619FF-8B86-D011-B42D-00CF4FC964FF}", b"6f9619ff8b86d011b42d00cf4fc964ff"),
            (Type::Uuid, "URN:UUID:6f9619ff-8b86-d011-b42d-00cf4fc964ff", b"6f9619ff8b86d011b42d00cf4fc964ff"),
            (Type::Uuid, "6F9619FF8B86D011B42D00CF4FC964FF", b"6f9619ff8b86d011b42d00cf4fc964ff"),
            (Type::Uuid, "6f9619ff-8b86-d011-b42d-00cf4fc964ff ", b"6f9619ff8b86d011b42d00cf4fc964ff"),
            (Type::Ip, "192.0.2.7", b"\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x07"),
            (Type::Ip, "::ffff:192.0.2.7", b"\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x07"),
            (Type::Ip, "::FFFF:c000:207", b"\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x07"),
            (Type::Ip, "[2001:DB8:0:0::1]", b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"),
            (Type::Ip, "::", b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
            (Type::Phone, "+49 (151) 23-45", b"491512345"),
            (Type::Phone, "0049 151/23.45", b"491512345"),
            (Type::Phone, "(0151) 2345", b"01512345"),
            (Type::Phone, "+0012345678", b"0012345678"),
            (Type::Token, "  usr_8F3a ", b"usr_8F3a"),
            (Type::UserId, " 0042 ", b"0042"),
            (Type::UserId, "", b""),
            (Type::Username, " Ali.CE ", b"ali.ce"),
            (Type::Literal, " Al X ", b" Al X "),
        ];
        for (kind, text, want) in table {
            assert_eq!(canon(*kind, text).as_deref(), Some(*want), "{} {text:?}", kind.name());
        }
    }

    #[test]
    fn what_is_not_of_the_type() {
        let table: &[(Type, &[&str])] = &[
            (
                Type::Email,
                &[
                    "",
                    "@",
                    "a@",
                    "@example.com",
                    "alice",
                    "a@b@example.com",
                    "Alice <a@example.com>",
                    "mailto:a@example.com",
                    "a@example.com,b@example.com",
                    "a b@example.com",
                    "a@example.com.",
                    "a@.example.com",
                    "a\u{0}b@example.com",
                ],
            ),
            (
                Type::Uuid,
                &[
                    "",
                    "6f9619ff-8b86-d011-b42d-00cf4fc964f",
                    "6f9619ff8-b86-d011-b42d-00cf4fc964ff",
                    "6f9619ff-8b86-d011-b42d-00cf4fc964fg",
                    "{6f9619ff-8b86-d011-b42d-00cf4fc964ff",
                    "urn:uuid:",
                    "6f9619ff-8b86-d011b42d-00cf4fc964ff",
                ],
            ),
            (
                Type::Ip,
                &[
                    "",
                    "1.2.3",
                    "1.2.3.4.5",
                    "256.1.1.1",
                    "192.0.2.0/24",
                    "192.0.2.1:80",
                    "[192.0.2.1]",
                    "fe80::1%eth0",
                    "010.1.1.1",
                    "[::1]:80",
                    "::1::2",
                ],
            ),
            (Type::Phone, &["", "+", "00", "+49a151", "ext 12", "++49", "1;2", "()"]),
            (Type::Token, &["", "  "]),
            (Type::Literal, &[""]),
        ];
        for (kind, texts) in table {
            for text in *texts {
                let error = parse(*kind, text, true).unwrap_err();
                assert_eq!(error.kind(), crate::error::Kind::Usage, "{} {text:?}", kind.name());
            }
        }
    }

    #[test]
    fn short_values_need_leave() {
        let pairs = [
            (Type::Phone, "+12 34 56", "+12 34 567"),
            (Type::Token, "abcde", "abcdef"),
            (Type::Literal, "abc", "abcd"),
        ];
        for (kind, short, enough) in pairs {
            assert!(parse(kind, short, false).is_err());
            assert!(parse(kind, short, true).is_ok());
            assert!(parse(kind, enough, false).is_ok());
        }
        for (kind, text) in [(Type::UserId, "0"), (Type::UserId, ""), (Type::Username, "x"), (Type::Email, "a@b")] {
            assert!(parse(kind, text, false).is_ok());
        }
    }

    #[test]
    fn written_is_kept_only_where_it_differs() {
        assert_eq!(parse(Type::Email, " A@Example.com ", false).unwrap().written.as_ref(), b"A@Example.com");
        assert!(parse(Type::Email, "a@example.com", false).unwrap().written.is_empty());
        assert_eq!(parse(Type::Ip, "192.0.2.7", false).unwrap().written.as_ref(), b"192.0.2.7");
    }

    #[test]
    fn guesses() {
        let table = [
            ("alice@example.com", Type::Email),
            ("6f9619ff-8b86-d011-b42d-00cf4fc964ff", Type::Uuid),
            ("{6f9619ff-8b86-d011-b42d-00cf4fc964ff}", Type::Uuid),
            ("urn:uuid:6f9619ff-8b86-d011-b42d-00cf4fc964ff", Type::Uuid),
            ("192.0.2.7", Type::Ip),
            ("2001:db8::1", Type::Ip),
            ("+49 (151) 23-45", Type::Phone),
            ("+4915123", Type::Phone),
            ("48213", Type::UserId),
            ("12345678901234567890123456789012", Type::Uuid),
            ("usr_8f3a9c21", Type::Token),
            ("+abc", Type::Token),
            ("0151-2345", Type::Token),
            ("192.0.2", Type::Token),
        ];
        for (text, want) in table {
            assert_eq!(guess(text), want, "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// Whatever is taken can be searched for, and what it canonically is does not depend on how it was written.
        #[test]
        fn canonical_is_stable(text in "[ -~\u{e4}\u{2003}]{0,40}", kind in 0usize..8) {
            let kind = Type::ALL[kind];
            if let Ok(value) = parse(kind, &text, true) {
                prop_assert_eq!(value.kind, kind);
                if kind != Type::Ip && !(kind == Type::Phone && value.bytes.starts_with(b"00")) {
                    let again = std::str::from_utf8(&value.bytes).unwrap();
                    prop_assert_eq!(canon(kind, again), Some(value.bytes.to_vec()));
                }
            }
        }

        #[test]
        fn phones_by_their_digits(digits in "[1-9][0-9]{6,14}", cuts in proptest::collection::vec(0usize..6, 16)) {
            let spaced: String = digits.chars().zip(cuts.iter().cycle())
                .flat_map(|(digit, cut)| [Some(digit), " -.()/".chars().nth(*cut)].into_iter().flatten()).collect();
            for text in [digits.clone(), format!("+{digits}"), format!("00{digits}"), format!("+{spaced}"), spaced] {
                prop_assert_eq!(canon(Type::Phone, &text), Some(digits.clone().into_bytes()));
            }
        }

        #[test]
        fn addresses_by_their_bytes(octets in any::<[u8; 4]>()) {
            let v4 = Ipv4Addr::from(octets);
            let mapped = v4.to_ipv6_mapped();
            let mut want = vec![0; 10];
            want.extend([0xff, 0xff]);
            want.extend(octets);
            for text in [v4.to_string(), mapped.to_string(), mapped.to_string().to_uppercase(), format!("[{mapped}]")] {
                prop_assert_eq!(canon(Type::Ip, &text), Some(want.clone()));
            }
        }
    }
}
