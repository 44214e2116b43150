//! What people write by hand: registries and policies.

use std::io::BufReader;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::config::policy_file;
use crate::detect::beside::sums;
use crate::engine::Threads;
use crate::error::{Error, Kind};
use crate::judge::pseudonym::hex;
use crate::matcher::Needles;
use crate::registry::{self, Form, Listing, Options, Registry};

/// A registry in JSON Lines.
pub fn registry_jsonl(data: &[u8]) {
    registry(data, Form::Jsonl);
}

/// A registry as a table with commas or tabs, or as a plain list.
pub fn registry_csv(data: &[u8]) {
    let (first, rest) = super::choice(data);
    let forms = [Form::Csv, Form::Tsv, Form::Txt];
    registry(rest, forms[usize::from(first) % forms.len()]);
}

fn registry(data: &[u8], form: Form) {
    let now: Timestamp = Timestamp::from_second(1_795_219_200).unwrap_or_default();
    let options =
        |listing, allow_short| Options { listing, allow_short, allow_empty: allow_short, ..Options::new(now) };
    let read = |options: &Options| registry::read(data, form, now, options);
    // Several blocks by several threads, from an input that gives little at a time.
    let parted = |options: &Options| {
        let input = BufReader::with_capacity(3, data);
        registry::read_in(1 + data.len() / 5, &Threads(3), input, form, now, options)
    };
    match (read(&options(Listing::None, false)), parted(&options(Listing::None, false))) {
        (Ok(one), Ok(other)) => {
            sound(&one, data);
            assert!(one.needles == other.needles, "blocks matter");
        }
        (Err(one), Err(other)) => {
            assert_eq!(one.to_string(), other.to_string(), "blocks matter");
            secret(&one);
        }
        _ => panic!("blocks decide whether a registry is sound"),
    }
    if let Ok(registry) = read(&options(Listing::Reveal, true)) {
        sound(&registry, data);
    }
}

fn sound(registry: &Registry, data: &[u8]) {
    assert_eq!(registry.sha256, hex(&Sha256::digest(data)));
    consistent(&registry.needles);
    let (held, others): (Vec<_>, Vec<_>) = registry.needles.subjects().partition(|(_, subject)| subject.held);
    assert!(held.len() as u64 <= registry.held && others.len() as u64 <= registry.in_force);
}

/// Subjects, claims and values lead to each other.
fn consistent(needles: &Needles) {
    let mut links = 0;
    for (at, claim) in needles.claims() {
        assert!(needles.subject(claim.subject).is_some() && claim.values().len() > 0);
        for value in claim.values() {
            links += 1;
            assert!(needles.value(value).is_some() && needles.claims_of(value).any(|known| known == at));
        }
    }
    assert_eq!(links, needles.values().map(|(id, _)| needles.claims_of(id).count()).sum::<usize>());
}

/// A usage error made of constants and numbers: short, and of printable ASCII.
fn secret(error: &Error) {
    assert!(matches!(error.kind(), Kind::Usage | Kind::Limit), "{error}");
    let text = error.to_string();
    assert!(text.len() < 400 && text.bytes().all(|b| (b' '..0x7f).contains(&b)), "an error that shows its input");
}

/// A policy file.
pub fn policy(data: &[u8]) {
    match policy_file::parse(data) {
        Err(error) => secret(&error),
        Ok(file) => {
            let again = policy_file::of_run_line(&file.policy.shown);
            let again = again.unwrap_or_else(|error| panic!("the run line's policy cannot be read again: {error}"));
            assert_eq!(again.fields, file.policy.fields);
            assert_eq!(again.rules.len(), file.policy.rules.len());
            for (one, other) in again.rules.iter().zip(&file.policy.rules) {
                assert_eq!(
                    (one.action, &one.erase_fields, &one.time_field),
                    (other.action, &other.erase_fields, &other.time_field)
                );
                assert_eq!((one.shared_redact, one.header), (other.shared_redact, other.header));
            }
        }
    }
}

/// Checksum files: places of digests, for a list's name and for a sidecar's.
pub fn checksums(data: &[u8]) {
    let text: Vec<u8> = data
        .iter()
        .flat_map(|byte| match byte {
            0xf0 => b"d41d8cd98f00b204e9800998ecf8427e".to_vec(),
            0xf1 => b"0123456789ABCDEF".repeat(4),
            0xf2 => b"SHA256 (".to_vec(),
            0xf3 => b") = ".to_vec(),
            0xf4 => b"  ./a.log\n".to_vec(),
            other => vec![*other],
        })
        .collect();
    for listed in [Some(&b"a.log"[..]), None] {
        let Ok(places) = sums::entries(&text, listed, b"a.log") else { continue };
        let mut end = 0;
        for place in places {
            assert!(place.start >= end && place.end <= text.len(), "places are in order");
            assert!(text[place.clone()].iter().all(u8::is_ascii_hexdigit), "a place is a digest");
            end = place.end;
        }
    }
}
