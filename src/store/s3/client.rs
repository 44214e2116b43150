//! The blocking front of the store.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinSet;

use super::core::{self, Core};
use super::fault::Fault;
use super::list::{self, Entries};
use super::read::{self, Soon};
use super::tuning::Tuning;
use super::write::{ObjectDraft, Origin, Target, changed};
use super::{
    Entry, Lent, Names, Opened, Options, Place, Preconditions, Purged, Swept, Text, kept, probe, small, uploads,
    versions,
};
use crate::blob::Spool;
use crate::error::{Error, Kind, Result};
use crate::store::{Draft, Original, Purpose};

/// How often a wait looks whether the run was interrupted.
const LOOK: Duration = Duration::from_millis(100);

/// The store: a handle that is cheap to clone, and blocks. `Send + Sync`. It may not be used on a thread of an async runtime.
#[derive(Clone)]
pub struct S3 {
    pub(super) core: Arc<Core>,
    runtime: Handle,
    /// Tasks never hold it: the last handle goes on a thread of ours.
    _ending: Arc<Ending>,
    pub(super) lent: Lent,
    pub(super) soon: Arc<Soon>,
}

/// Ends the runtime without waiting: a look-up of a name may hang.
struct Ending(Option<Runtime>);

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3").finish_non_exhaustive()
    }
}

impl S3 {
    /// A store with these options. No request is made yet. Usage errors: a customer's key that is none.
    pub fn connect(options: &Options, lent: Lent) -> Result<Self> {
        Self::tuned(options, lent, Tuning::default())
    }

    /// As [`Self::connect`], with other sizes and times.
    pub fn tuned(options: &Options, lent: Lent, tuning: Tuning) -> Result<Self> {
        let runtime = core::runtime()?;
        let core = Arc::new(runtime.block_on(Core::load(options, tuning))?);
        let handle = runtime.handle().clone();
        Ok(Self { core, runtime: handle, _ending: Arc::new(Ending(Some(runtime))), lent, soon: Arc::default() })
    }

    /// `--allow-unconditional-writes`.
    pub fn takes_unconditional(&self) -> bool {
        self.core.unconditional
    }

    /// What is listed below `prefix` (its `key` is a prefix of keys, not a folder), in the order of the service, page by page;
    /// `all_versions`: also noncurrent versions and delete markers. Ends after the first error. Memory: three pages.
    pub fn list(&self, prefix: &Place, all_versions: bool) -> Result<Entries> {
        self.core.remember(prefix);
        Ok(list::entries(self, prefix, all_versions))
    }

    /// The names directly in `folder` (its `key` is empty or ends in `/`): one page of a listing with the delimiter `/`, the
    /// first, or the one behind the last name of the page before (`after`: it, and whether it is a folder). `None`: the credentials
    /// may not list it.
    pub fn names(&self, folder: &Place, after: Option<(&str, bool)>) -> Result<Option<Names>> {
        self.wait(async {
            match list::names(&self.core, folder, after).await {
                Ok(names) => Ok(Some(names)),
                Err(fault) if fault.status() == 403 => Ok(None),
                Err(fault) => Err(fault),
            }
        })
    }

    /// What the current version of an object is; `None`: there is none.
    pub fn look(&self, place: &Place) -> Result<Option<Entry>> {
        self.core.remember(place);
        let found = self.wait(async {
            match kept::look_at(&self.core, place, None).await {
                Ok(head) => Ok(Ok(head)),
                Err(fault) => Ok(Err(fault)),
            }
        })?;
        match found {
            Ok(head) => Ok(Some(head.entry)),
            Err(fault) if fault.is_gone() => Ok(None),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Opens one version of an object: the one of `entry.version`, else the current one if its `ETag` is still `entry.etag`. No
    /// request is made before the first byte is read. Errors: skipped (`vanished`, `changed`), pending (`archived`); also later, by
    /// [`Original::check`].
    pub fn open(&self, entry: &Entry, _: Purpose) -> Result<Opened> {
        if entry.archived {
            return Err(Error::new(Kind::Pending, "archived"));
        }
        if entry.etag.is_empty() && entry.size > 0 {
            // A service whose listings do not tell it.
            let found = self.wait(kept::look_at(&self.core, &entry.place, entry.version.as_deref()))?.entry;
            return if found.size == entry.size { Ok(Opened::new(self, &found)) } else { Err(changed()) };
        }
        Ok(Opened::new(self, entry))
    }

    /// `entry` will be opened soon: if it is small it is fetched already, while others are worked on.
    pub fn soon(&self, entry: &Entry) {
        read::soon(self, entry);
    }

    /// A draft of `len` bytes at `target`, over an original of another store, with no metadata of its own. `overwrite`: also over an
    /// object with other bytes.
    pub fn draft<'o>(
        &self,
        original: &'o dyn Original,
        target: &Place,
        overwrite: bool,
        len: u64,
    ) -> Result<Box<dyn Draft + 'o>> {
        let target = Target::Mirror { place: target.clone(), overwrite };
        Ok(Box::new(ObjectDraft::create(self, Origin::Other(original), target, len)?))
    }

    /// A small object, whole. Errors: a limit where it has more than `max` bytes; `Usage` where there is none.
    pub fn get_small(&self, place: &Place, max: u64) -> Result<(Vec<u8>, Entry)> {
        small::get(self, place, max)
    }

    /// An object of any size.
    pub fn download(&self, place: &Place, spool: &mut Spool) -> Result<Entry> {
        small::download(self, place, spool)
    }

    /// A text to be continued at `place`, or begun.
    pub fn text(&self, place: &Place) -> Result<Text> {
        Text::open(self, place)
    }

    /// Whether the bucket of `place`, where this run writes, enforces preconditions; asked once a run. Leaves nothing there.
    pub fn probe(&self, place: &Place) -> Result<Preconditions> {
        self.core.writes_at(place);
        self.wait(async { Ok(probe::preconditions(&self.core, &place.bucket).await) })
    }

    /// Noncurrent versions of this very key (delete markers not counted); 0 where the bucket has no versions.
    pub fn old_versions(&self, place: &Place) -> Result<u64> {
        self.wait(versions::count(&self.core, place))
    }

    /// Deletes noncurrent versions and delete markers of this very key, but never its current version. Can be repeated. What broke off
    /// says what was deleted before, and why; an error only if that is nothing.
    pub fn purge(&self, place: &Place) -> Result<Purged> {
        let mut purged = Purged::default();
        match self.wait(versions::purge(&self.core, place, &mut purged)) {
            Ok(()) => Ok(purged),
            Err(error) if purged.deleted == 0 => Err(error),
            Err(error) => Ok(Purged { left: None, reason: Some(error.reason()), ..purged }),
        }
    }

    /// Asks for the restore of an archived object, if [`Options::restore_days`] says so; `false`: it was not asked for. `entry` need
    /// not know that it is archived: listings do not tell of the tiers of Intelligent-Tiering.
    pub fn restore(&self, entry: &Entry) -> Result<bool> {
        let Some(days) = self.core.restore_days else { return Ok(false) };
        self.wait(async {
            if entry.archived {
                return versions::restore(&self.core, entry, days).await;
            }
            let looked = kept::look_at(&self.core, &entry.place, entry.version.as_deref()).await?;
            versions::restore(&self.core, &looked.entry, days).await
        })?;
        Ok(true)
    }

    /// Aborts unfinished uploads of earlier runs of ours below `prefix`, and counts those of others.
    pub fn abort_left_uploads(&self, prefix: &Place) -> Result<Swept> {
        self.wait(uploads::sweep(&self.core, prefix))
    }

    /// Waits for `work`, or for a signal: then with an error of kind `Interrupted`.
    pub(super) fn wait<T>(&self, work: impl Future<Output = std::result::Result<T, Fault>>) -> Result<T> {
        let mut work = std::pin::pin!(work);
        self.runtime.block_on(async {
            loop {
                if let Ok(done) = tokio::time::timeout(LOOK, &mut work).await {
                    return done.map_err(Error::from);
                }
                if self.is_interrupted() {
                    return Err(Error::new(Kind::Interrupted, "interrupted"));
                }
            }
        })
    }

    /// Waits for `work` to its end, whatever signals come: a write that was begun is known to be done, or not.
    pub(super) fn finish<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
        self.runtime.spawn(work)
    }

    /// Begins `work` beside what flies already.
    pub(super) fn fly<T: Send + 'static>(
        &self,
        flying: &mut JoinSet<T>,
        work: impl Future<Output = T> + Send + 'static,
    ) {
        // The handle is the set's own.
        let _ = flying.spawn_on(work, &self.runtime);
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.lent.interrupted.load(Ordering::Relaxed)
    }
}
