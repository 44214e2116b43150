//! What the `verify` verb, and the settling of intents, see of a bucket.
//!
//! A masked name is looked for among the keys that begin as it does before its first mask, at most [`MAX_LIKE`] of them.

use std::path::PathBuf;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::audit::{Audit, DRY, Mask, Wrong, fits, relative, survivors};
use super::{Seen, read};
use crate::blob::Blob;
use crate::detect::told;
use crate::error::{Error, Kind, Result};
use crate::judge::pseudonym::hex;
use crate::layer::Search;
use crate::manifest::settle::{self, Stands};
use crate::manifest::{Artifact, Digest, Identity, Intent, Run};
use crate::store;
use crate::store::s3::{Entry, Opened, Place, S3};
use crate::store::{Original, Purpose};
use crate::stores::{Definitions, Stores};

/// Objects that one masked name may mean; with more it cannot be told.
const MAX_LIKE: usize = 1000;

/// The line that closes `intent`. Of a result that stands there the run that was interrupted did not say what it replaced.
pub(super) fn settled(intent: &Intent, uri: &str, mask: &Mask<'_>, stores: &Stores) -> Option<Artifact> {
    let s3 = stores.s3().ok()?;
    let mut result = None;
    let mut line = settle::close(intent, stands(intent, uri, mask, s3, &mut result))?;
    if let Some(place) = result {
        line.versions(s3.old_versions(&place));
    }
    Some(line)
}

/// What stands where `intent` said that its result would be; if it is that, `result` is its place.
fn stands(intent: &Intent, uri: &str, mask: &Mask<'_>, s3: &S3, result: &mut Option<Place>) -> Stands {
    let Ok((entries, masked)) = like(uri, mask, s3) else { return Stands::Unclear };
    let mut other = false;
    for entry in &entries {
        // Nothing that has this version's marks is anything else.
        let untouched = intent.output.is_none() && is_version(entry, intent.identity.as_ref(), mask);
        match if untouched { Ok(intent.before.clone()) } else { digest(entry, s3) } {
            Ok(digest) if digest == intent.after => {
                *result = Some(entry.place.clone());
                return Stands::New;
            }
            Ok(digest) if intent.output.is_none() && digest == intent.before => return Stands::Old,
            Ok(_) => other = true,
            Err(_) => return Stands::Unclear,
        }
    }
    match (masked, other) {
        (true, true) => Stands::Unclear,
        (_, false) => Stands::Nothing,
        (false, true) => Stands::Other,
    }
}

/// Compares one object with its line; with a search, searches it in the same reading.
pub(super) fn judge(
    run: &Run,
    line: &Artifact,
    said: Option<&Digest>,
    search: Option<&Search<'_>>,
    mask: &Mask<'_>,
    audit: &mut Audit,
) -> Result<()> {
    let uri = line.output.as_deref().unwrap_or(&line.uri);
    let stores = audit.stores.clone();
    let entry = match stores.as_ref().map(|stores| stores.s3().and_then(|s3| mine(run, line, said, mask, s3, audit))) {
        Some(Ok(entry)) => entry,
        Some(Err(error)) if error.kind() == Kind::Interrupted => return Err(error),
        Some(Err(error)) => {
            audit.complain(Wrong::Unreadable, uri, error.to_string());
            return Ok(());
        }
        None => {
            audit.complain(Wrong::Unreadable, uri, "no store for it");
            return Ok(());
        }
    };
    let (Some(entry), Some(Ok(s3))) = (entry, stores.as_ref().map(Stores::s3)) else {
        audit.complain(Wrong::Changed, uri, "there is no such object");
        return Ok(());
    };
    // A dry run changed nothing: what it found is still there, and no survivor.
    let dry = line.status == crate::manifest::Status::WouldRewrite || DRY.contains(&run.mode.as_str());
    let search = search.filter(|_| !dry);
    let tables = stores.as_ref().map(|stores| Definitions::new(stores).of(&store::Place::S3(entry.place.clone())));
    let tables = tables.transpose().map(Option::flatten);
    let looked = tables.and_then(|tables| {
        let blob = open(&entry, s3)?;
        let looked = match search {
            None => digest_of(&blob).map(|digest| (digest, None)),
            Some(search) => told::with(search, tables.as_deref(), |search| look(&blob, &entry, run, line, search)),
        };
        // Why it could not be read; and of a search that ended early, whether the object is to blame.
        blob.check().and(looked)
    });
    let (found, seen) = match looked {
        Ok(looked) => looked,
        Err(error) if error.kind() == Kind::Interrupted => return Err(error),
        Err(error) if error.kind() == Kind::Skipped => {
            audit.complain(Wrong::Changed, uri, format!("{error} while it was verified"));
            return Ok(());
        }
        Err(error) => {
            audit.complain(Wrong::Unreadable, uri, error.to_string());
            return Ok(());
        }
    };
    if let Some(said) = said {
        audit.compared += 1;
        if found != *said {
            audit.complain(Wrong::Changed, uri, "its bytes are not what the manifest says");
            return Ok(());
        }
    }
    let Some(seen) = seen else { return Ok(()) };
    audit.searched += 1;
    survivors(seen, uri, audit)
}

/// The digest of an object, and what a search finds in it, in one reading where it can be read to its end.
fn look(
    blob: &dyn Blob,
    entry: &Entry,
    run: &Run,
    line: &Artifact,
    search: &Search<'_>,
) -> Result<(Digest, Option<Result<Seen>>)> {
    let (mut sha, mut bytes) = (Sha256::new(), 0);
    let path = PathBuf::from(format!("/{}", entry.place.key));
    let modified = Timestamp::from_nanosecond(entry.modified).ok();
    let seen = read(blob, search, &relative(run, &line.uri, &path), modified, &mut |piece| {
        sha.update(piece);
        bytes += piece.len() as u64;
    });
    let found = if bytes == blob.len() { Digest { bytes, sha256: hex(&sha.finalize()) } } else { digest_of(blob)? };
    Ok((found, Some(seen)))
}

/// The object that `line` is about. Of several that a masked URI may mean: the one with its version, else with its digest; and each
/// for one line of a run only.
fn mine(
    run: &Run,
    line: &Artifact,
    said: Option<&Digest>,
    mask: &Mask<'_>,
    s3: &S3,
    audit: &mut Audit,
) -> Result<Option<Entry>> {
    let (mut entries, masked) = like(line.output.as_ref().unwrap_or(&line.uri), mask, s3)?;
    if !masked {
        return Ok(entries.pop());
    }
    if audit.taken.0 != run.run_id {
        audit.taken = (run.run_id.clone(), std::collections::HashSet::new());
    }
    let name = |entry: &Entry| PathBuf::from(entry.place.shown());
    entries.retain(|entry| !audit.taken.1.contains(&name(entry)));
    let same = entries.iter().position(|entry| is_version(entry, line.identity.as_ref(), mask));
    let fits = |entry: &Entry| said.is_some_and(|said| digest(entry, s3).is_ok_and(|found| found == *said));
    let at = same.or_else(|| entries.iter().position(fits)).or(if said.is_none() { Some(0) } else { None });
    let found = at.filter(|at| *at < entries.len()).map(|at| entries.swap_remove(at));
    audit.taken.1.extend(found.as_ref().map(name));
    Ok(found)
}

/// The objects that a URI may mean, and whether parts of it are masked.
fn like(uri: &str, mask: &Mask<'_>, s3: &S3) -> Result<(Vec<Entry>, bool)> {
    let nothing = || Error::new(Kind::Io, "an old version, or no URI of an object");
    let shown = store::shown_of(uri).ok_or_else(nothing)?;
    let place = Place::parse(&shown).ok_or_else(nothing)??;
    if place.bucket.contains('*') {
        return Err(Error::new(Kind::Io, "the name of its bucket is masked"));
    }
    let Some(at) = place.key.find('*') else {
        return Ok((s3.look(&place)?.into_iter().collect(), false));
    };
    let prefix = Place { key: place.key.get(..at).unwrap_or_default().to_owned(), ..place.clone() };
    let mut entries = Vec::new();
    for entry in s3.list(&prefix, false)? {
        let entry = entry?;
        if !fits(entry.place.key.as_bytes(), place.key.as_bytes()) {
            continue;
        }
        if entries.len() >= MAX_LIKE {
            return Err(Error::limit("too many objects have names like its masked one"));
        }
        entries.push(entry);
    }
    entries.sort_by_key(|entry| mask(entry.place.key.as_bytes()) != place.key.as_bytes());
    Ok((entries, true))
}

/// Whether an object is the version that the manifest names.
fn is_version(entry: &Entry, identity: Option<&Identity>, mask: &Mask<'_>) -> bool {
    let Some(Identity::Object(id)) = identity else { return false };
    let same = |told: Option<&String>, here: Option<&String>| {
        told.zip(here).is_none_or(|(told, here)| mask(here.as_bytes()) == told.as_bytes())
    };
    mask(entry.etag.as_bytes()) == id.etag.as_bytes()
        && entry.size == id.size
        && same(id.version.as_ref(), entry.version.as_ref())
}

fn open(entry: &Entry, s3: &S3) -> Result<Opened> {
    s3.open(entry, Purpose::Read)
}

fn digest(entry: &Entry, s3: &S3) -> Result<Digest> {
    digest_of(&open(entry, s3)?)
}

fn digest_of(blob: &dyn Blob) -> Result<Digest> {
    Ok(Digest { bytes: blob.len(), sha256: hex(&store::digest(blob)?) })
}
