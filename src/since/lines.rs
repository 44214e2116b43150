//! Manifests, a line at a time: which version of a file is vouched for by which run.

use std::io::{BufReader, Read};
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Base, Entry, Key, MAX_KNOWN, Mask, Since};
use crate::error::{Error, Kind, Result};
use crate::manifest::reader::Reader;
use crate::manifest::{Artifact, Identity, Line, Run, SinceLine, Status, VERSIONS, VERSIONS_UNKNOWN};
use crate::store;

/// Keys of a run line on which no search depends. Any other key must be the same, those of later versions too.
const NO_MATTER: [&str; 10] =
    ["run_id", "started_at", "as_of", "mode", "verify", "registry", "policy", "key", "since", "preconditions"];

/// Reads one manifest into `since`.
pub(super) fn read(
    path: &Path,
    text: Box<dyn Read>,
    today: &Run,
    since: &mut Since,
    mask: &Mask<'_>,
) -> Result<SinceLine> {
    let mut reader = Reader::new(BufReader::with_capacity(1 << 16, text));
    // The run that is read, if it can be relied on.
    let mut base = None;
    while let Some(read) = reader.next()? {
        match read.line {
            Line::Run(run) => {
                base = if is_same(&run, today, since.by_path, mask) { remember(&run, since)? } else { None };
            }
            Line::Artifact(artifact) => {
                if let Some(base) = base {
                    take(&artifact, base, since, mask);
                }
            }
            _ => {}
        }
    }
    let uri = store::masked_uri(path.as_os_str().as_encoded_bytes(), mask);
    Ok(SinceLine { uri, lines: reader.number, last: reader.prev().to_owned() })
}

/// Whether `run` searched as `today` does.
fn is_same(run: &Run, today: &Run, by_path: bool, mask: &Mask<'_>) -> bool {
    // What was typed freely in a policy is masked by each day's registry: the digest of its bytes tells.
    let policy = |run: &Run| [run.policy.get("sha256").cloned(), run.policy.get("variants").cloned()];
    let places = |run: &Run| -> Vec<Vec<u8>> {
        let plain = |uri: &String| mask(&store::shown_of(uri).unwrap_or_default());
        run.sources.iter().map(plain).collect()
    };
    let rest = |run: &Run| {
        let mut line = serde_json::to_value(run).unwrap_or_default();
        if let Value::Object(map) = &mut line {
            map.retain(|key, _| key != "sources" && !NO_MATTER.contains(&key.as_str()));
        }
        line
    };
    policy(run) == policy(today)
        && run.registry.kind == today.registry.kind
        && rest(run) == rest(today)
        && (!by_path || places(run) == places(today))
}

fn remember(run: &Run, since: &mut Since) -> Result<Option<u16>> {
    let as_of = run.as_of.parse().map_err(|_| Error::new(Kind::Verify, "the run's time cannot be read"))?;
    let Ok(at) = u16::try_from(since.bases.len()) else { return Ok(None) };
    since.bases.push(Base {
        run_id: run.run_id.clone(),
        as_of,
        seq: run.registry.seq,
        sha256: run.registry.sha256.clone(),
        fresh: None,
    });
    Ok(Some(at))
}

/// Notes what a line says of one version of a file, unless a newer run has said something.
pub(super) fn take(line: &Artifact, base: u16, since: &mut Since, mask: &Mask<'_>) {
    let place = line.output.as_ref().unwrap_or(&line.uri);
    let Some(key) = line.identity.as_ref().and_then(|identity| key(identity, place, since.by_path, mask)) else {
        return;
    };
    let as_of = |at: u16| since.bases.get(usize::from(at)).map(|base| base.as_of);
    if since.known.get(&key).is_some_and(|entry| as_of(entry.base) > as_of(base)) {
        return;
    }
    if !is_good(line) {
        since.known.remove(&key);
        return;
    }
    if since.known.len() >= MAX_KNOWN && !since.known.contains_key(&key) {
        return;
    }
    let digest = match line.status {
        Status::Rewritten | Status::Copied => line.after.as_ref(),
        _ => line.before.as_ref(),
    };
    since.known.insert(key, Entry { base, sha256: digest.and_then(|digest| unhex(&digest.sha256)) });
}

/// Whether nobody who was in force or held then is in the artifact that `line` names.
fn is_good(line: &Artifact) -> bool {
    let searched = match line.status {
        Status::Clean | Status::Copied | Status::Unchanged => true,
        // A result that was not searched again may hold what a slip of the rewriter left.
        Status::Rewritten => matches!(line.verified.as_deref(), Some("full" | "paranoid")),
        _ => false,
    };
    // Another name of a file was not read as what its name says.
    // Old versions are not the artifact.
    let nothing_left = line.left.keys().all(|word| matches!(word.as_str(), VERSIONS | VERSIONS_UNKNOWN));
    searched && nothing_left && line.reason.is_none() && line.same_file.is_none()
}

/// The digest of a version and of what of its place decides how it is read; `None` if that cannot be told. Both days' places
/// are masked by today's registry, so that a mask that grew does not make them differ. Of an object the whole key counts: it
/// has nothing like an inode.
pub(super) fn key(identity: &Identity, uri: &str, by_path: bool, mask: &Mask<'_>) -> Option<Key> {
    let shown = store::shown_of(uri)?;
    let whole = by_path || matches!(identity, Identity::Object(_));
    let place = if whole { &shown } else { shown.rsplit(|b| *b == b'/').next()? };
    let place = mask(place);
    if whole && place.contains(&b'*') {
        return None;
    }
    let mut hash = Sha256::new();
    let mut parts = |numbers: &[u64], texts: &[&[u8]]| {
        for number in numbers {
            hash.update(number.to_le_bytes());
        }
        for part in texts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    };
    match identity {
        Identity::File(id) => {
            let (size, mtime) = (id.size?, id.mtime.as_ref()?);
            parts(&[id.dev, id.inode, size], &[id.ctime.as_bytes(), mtime.as_bytes(), &place]);
        }
        // A listing tells no version id: ETag, length and time are what both days know.
        Identity::Object(id) if id.etag.contains('*') => return None,
        Identity::Object(id) => parts(&[id.size], &[b"s3", id.etag.as_bytes(), id.mtime.as_bytes(), &place]),
    }
    let digest: [u8; 32] = hash.finalize().into();
    digest.first_chunk().copied()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| pair.get(at).and_then(|b| char::from(*b).to_digit(16));
        *byte = (digit(0)? * 16 + digit(1)?) as u8;
    }
    Some(out)
}
