//! Versions of an object besides its current one: how many there are, their deletion, and the restore of what is archived.

use std::collections::HashSet;
use std::num::NonZeroU32;

use aws_sdk_s3::types::{GlacierJobParameters, MfaDeleteStatus, ObjectLockLegalHoldStatus, RestoreRequest, Tier};

use super::core::Core;
use super::fault::{Fault, Op};
use super::kept::{self, Head};
use super::list::{is_archive, onward, versions_of, versions_page};
use super::{Entry, Place, Purged};

/// Versions that are deleted before the listing is read again.
const BATCH: usize = 10_000;

/// A page of the versions of one key.
struct Page {
    entries: Vec<Entry>,
    next: Option<(Option<String>, Option<String>)>,
}

/// The versions of this very key, newest first, from `from` on; other keys begin with it too.
async fn page(core: &Core, place: &Place, from: (Option<String>, Option<String>)) -> Result<Page, Fault> {
    let told = versions_page(core, place, from.clone()).await?;
    let unsaid = told.versions().iter().any(|version| version.is_latest().is_none())
        || told.delete_markers().iter().any(|marker| marker.is_latest().is_none());
    if unsaid {
        return Err(Fault::odd(Op::ListVersions, "a listing that does not say which version is the current one"));
    }
    let odd = |_| Fault::odd(Op::ListVersions, "a listing that cannot be read");
    let page = versions_of(core, &place.bucket, &told).map_err(odd)?;
    let next = onward(&from, page.next, Op::ListVersions)?;
    // Keys come in order, and the shortest is the first.
    let next = next.filter(|(key, _)| key.as_deref().is_some_and(|key| key <= place.key.as_str()));
    let entries = page.entries.into_iter().filter(|entry| entry.place.key == place.key).collect();
    Ok(Page { entries, next })
}

/// Noncurrent versions that are no delete markers; 0 where the service has no versions.
pub(super) async fn count(core: &Core, place: &Place) -> Result<u64, Fault> {
    let (mut from, mut count) = ((None, None), 0);
    loop {
        let page = match page(core, place, from).await {
            Ok(page) => page,
            Err(fault) if fault.is_unknown_there() => return Ok(0),
            Err(fault) => return Err(fault),
        };
        count += page.entries.iter().filter(|entry| !entry.is_latest && !entry.is_delete_marker).count() as u64;
        match page.next {
            Some(next) => from = next,
            None => return Ok(count),
        }
    }
}

/// Deletes noncurrent versions and delete markers of this very key. If its current version is itself a delete marker nothing is
/// deleted: then the clean version is a noncurrent one. What was deleted stands in `purged` also where it fails. Which version is the
/// current one is told by the listing and by a look at the object: where they do not agree nothing is deleted. Memory: [`BATCH`]
/// versions, their ids, and the ids of those that may not be deleted.
pub(super) async fn purge(core: &Core, place: &Place, purged: &mut Purged) -> Result<(), Fault> {
    let (mut why, mut refused, mut gone) = (Why::default(), HashSet::new(), HashSet::new());
    let mut left = 0;
    loop {
        // From the start again: how a listing goes on behind a version that is deleted is not said.
        let old = match old(core, place, &refused).await {
            Ok(old) => old,
            Err(fault) if fault.is_unknown_there() => return Ok(()),
            Err(fault) => return Err(fault),
        };
        if old.is_deleted {
            left = count(core, place).await?;
            purged.left = Some(left);
            purged.reason = (left > 0).then(|| "its current version is a delete marker".to_owned());
            return Ok(());
        }
        if old.entries.is_empty() {
            purged.left = Some(left);
            purged.reason = (left > 0).then(|| why.text());
            return Ok(());
        }
        old.agrees(core, place).await?;
        let before = std::mem::take(&mut gone);
        for entry in old.entries {
            if entry.version.as_ref().is_some_and(|id| before.contains(id)) {
                return Err(Fault::odd(Op::Delete, "a version that was deleted is still listed"));
            }
            match delete(core, &entry).await {
                Ok(()) => {
                    purged.deleted += 1;
                    gone.extend(entry.version);
                }
                Err(fault) if fault.status() == 403 || fault.is_unknown_there() => {
                    left += u64::from(!entry.is_delete_marker);
                    why.learn(core, &entry).await;
                    refused.extend(entry.version);
                }
                Err(fault) => return Err(fault),
            }
        }
    }
}

/// Versions to be deleted.
struct Old {
    entries: Vec<Entry>,
    /// The current version is a delete marker.
    is_deleted: bool,
    /// Those that are said to be the current one; `None`: without an id.
    current: Vec<Option<String>>,
}

impl Old {
    /// Fails unless one version is said to be the current one, and it is the one that a look finds.
    async fn agrees(&self, core: &Core, place: &Place) -> Result<(), Fault> {
        let odd = || Fault::odd(Op::ListVersions, "versions of which not one is known to be the current one");
        let [Some(current)] = self.current.as_slice() else { return Err(odd()) };
        if self.entries.iter().any(|entry| entry.version.as_ref().is_none_or(|id| id == current)) {
            return Err(odd());
        }
        let head = kept::look_at(core, place, None).await?;
        if head.entry.version.is_none_or(|id| id == *current) { Ok(()) } else { Err(odd()) }
    }
}

/// The first [`BATCH`] noncurrent versions that are not among the `refused`.
async fn old(core: &Core, place: &Place, refused: &HashSet<String>) -> Result<Old, Fault> {
    let (mut from, mut old) = ((None, None), Old { entries: Vec::new(), is_deleted: false, current: Vec::new() });
    loop {
        let page = page(core, place, from).await?;
        old.is_deleted |= page.entries.iter().any(|entry| entry.is_latest && entry.is_delete_marker);
        old.current.extend(page.entries.iter().filter(|entry| entry.is_latest).map(|entry| entry.version.clone()));
        let is_refused = |entry: &Entry| entry.version.as_ref().is_some_and(|id| refused.contains(id));
        old.entries.extend(page.entries.into_iter().filter(|entry| !entry.is_latest && !is_refused(entry)));
        match page.next {
            Some(next) if old.entries.len() < BATCH => from = next,
            _ => return Ok(old),
        }
    }
}

async fn delete(core: &Core, entry: &Entry) -> Result<(), Fault> {
    let client = core.client(&entry.place.bucket).await;
    // Without a version it would be a deletion of the object.
    let version = entry.version.as_deref().ok_or(Fault::odd(Op::ListVersions, "a version without an id"))?;
    let request = client
        .delete_object()
        .bucket(&entry.place.bucket)
        .key(&entry.place.key)
        .version_id(version)
        .set_request_payer(core.payer.clone());
    match core.ask(Op::Delete, request.send()).await {
        Ok(_) => Ok(()),
        // Another run was faster.
        Err(fault) if fault.is_gone() => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// Why versions cannot be deleted.
#[derive(Default)]
struct Why {
    /// Seconds since the epoch until which the longest is locked.
    until: Option<i64>,
    legal_hold: bool,
    mfa: Option<bool>,
    denied: bool,
}

impl Why {
    async fn learn(&mut self, core: &Core, entry: &Entry) {
        let head = kept::look_at(core, &entry.place, entry.version.as_deref()).await;
        let is_locked = match &head {
            Ok(head) => self.lock_of(head),
            Err(_) => false,
        };
        if is_locked {
            return;
        }
        if self.mfa.is_none() {
            let client = core.client(&entry.place.bucket).await;
            let request = client.get_bucket_versioning().bucket(&entry.place.bucket);
            let found = core.ask(Op::Versioning, request.send()).await;
            self.mfa = Some(found.is_ok_and(|found| found.mfa_delete() == Some(&MfaDeleteStatus::Enabled)));
        }
        self.denied |= self.mfa != Some(true);
    }

    /// Takes note of a lock; `false` if there is none.
    fn lock_of(&mut self, head: &Head) -> bool {
        let until = head.output.object_lock_retain_until_date().map(aws_sdk_s3::primitives::DateTime::secs);
        let hold = head.output.object_lock_legal_hold_status() == Some(&ObjectLockLegalHoldStatus::On);
        self.until = self.until.max(until);
        self.legal_hold |= hold;
        until.is_some() || hold
    }

    /// The manifest's words; a legal hold has no end, and is told first.
    fn text(&self) -> String {
        let until = self.until.and_then(|until| jiff::Timestamp::from_second(until).ok());
        match (self.legal_hold, until, self.mfa, self.denied) {
            (true, ..) => "legal hold".to_owned(),
            (_, Some(until), ..) => format!("locked until {until}"),
            (.., Some(true), false) => "MFA delete".to_owned(),
            _ => "access denied".to_owned(),
        }
    }
}

/// Asks for the restore of an archived version for so many days; one that is under way is as good.
pub(super) async fn restore(core: &Core, entry: &Entry, days: NonZeroU32) -> Result<(), Fault> {
    let client = core.client(&entry.place.bucket).await;
    let mut wanted = RestoreRequest::builder();
    // In Intelligent-Tiering a restored object stays (API reference, "RestoreObject").
    if is_archive(entry.class.as_deref()) {
        let tier = GlacierJobParameters::builder().tier(Tier::Standard).build();
        let tier = tier.map_err(|_| Fault::odd(Op::Restore, "a request that cannot be made"))?;
        wanted = wanted.days(i32::try_from(days.get()).unwrap_or(i32::MAX)).glacier_job_parameters(tier);
    }
    let request = client
        .restore_object()
        .bucket(&entry.place.bucket)
        .key(&entry.place.key)
        .set_version_id(entry.version.clone())
        .restore_request(wanted.build())
        .set_request_payer(core.payer.clone());
    match Box::pin(core.ask(Op::Restore, request.send())).await {
        Ok(_) => Ok(()),
        Err(fault) if fault.is("RestoreAlreadyInProgress") || fault.is("ObjectAlreadyInActiveTierError") => Ok(()),
        Err(fault) => Err(fault),
    }
}
