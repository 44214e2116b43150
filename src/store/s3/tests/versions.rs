//! Old versions: counted, deleted, locked.

use super::server::Fault;
use super::*;

fn versioned(key: &str, n: usize) -> Rig {
    let rig = rig();
    rig.memory.bucket(BUCKET, |bucket| bucket.versioned = true);
    for len in 1..=n {
        rig.memory.put(BUCKET, key, &bytes(len));
        // Keys that begin with it.
        rig.memory.put(BUCKET, &format!("{key}2"), &bytes(len));
    }
    rig
}

fn ids(rig: &Rig, key: &str) -> Vec<String> {
    rig.memory.bucket(BUCKET, |bucket| bucket.keys[key].iter().map(|version| version.id.clone()).collect())
}

#[test]
fn a_purge_leaves_the_current_version_alone() {
    let rig = versioned("k", 7);
    let last = ids(&rig, "k").pop().unwrap();
    assert_eq!(rig.store.old_versions(&place("k")).unwrap(), 6);
    let purged = rig.store.purge(&place("k")).unwrap();
    assert_eq!(purged, Purged { deleted: 6, left: Some(0), reason: None });
    assert_eq!(ids(&rig, "k"), [last]);
    assert_eq!(ids(&rig, "k2").len(), 7, "another key");
    assert_eq!(rig.store.purge(&place("k")).unwrap(), Purged::default(), "twice is once");
    assert_eq!(rig.store.old_versions(&place("k")).unwrap(), 0);
}

#[test]
fn a_scrub_of_a_versioned_object_tells_its_version() {
    let rig = versioned("k", 2);
    let committed = rig.scrub("k", &[(0, 1, b"")]).unwrap();
    let crate::store::Identity::Object(id) = committed.identity else { panic!("an object") };
    assert_eq!(id.version, ids(&rig, "k").pop());
    assert_eq!(rig.store.purge(&place("k")).unwrap().deleted, 2);
}

#[test]
fn delete_markers_go_and_locks_are_told() {
    let rig = versioned("k", 3);
    rig.memory.bucket(BUCKET, |bucket| {
        let all = bucket.keys.get_mut("k").unwrap();
        all[0].locked_until = Some(std::time::UNIX_EPOCH + Duration::from_hours(1_139_568));
        let marker = memory::Version { id: "marker".to_owned(), is_marker: true, ..memory::Version::default() };
        all.insert(1, marker);
    });
    let purged = rig.store.purge(&place("k")).unwrap();
    assert_eq!(
        purged,
        Purged { deleted: 2, left: Some(1), reason: Some("locked until 2100-01-01T00:00:00Z".to_owned()) }
    );
    rig.memory.bucket(BUCKET, |bucket| bucket.keys.get_mut("k").unwrap()[0].legal_hold = true);
    let purged = rig.store.purge(&place("k")).unwrap();
    assert_eq!(purged, Purged { deleted: 0, left: Some(1), reason: Some("legal hold".to_owned()) });
}

#[test]
fn a_deleted_object_is_not_purged() {
    let rig = versioned("k", 3);
    rig.memory.bucket(BUCKET, |bucket| {
        let marker = memory::Version { id: "marker".to_owned(), is_marker: true, ..memory::Version::default() };
        bucket.keys.get_mut("k").unwrap().push(marker);
    });
    let purged = rig.store.purge(&place("k")).unwrap();
    assert_eq!((purged.deleted, purged.left), (0, Some(3)));
    assert!(rig.store.look(&place("k")).unwrap().is_none());
}

#[test]
fn buckets_without_versions_have_none() {
    let rig = rig();
    rig.memory.put(BUCKET, "k", b"x");
    assert_eq!(rig.store.old_versions(&place("k")).unwrap(), 0);
    assert_eq!(rig.store.purge(&place("k")).unwrap(), Purged::default());
    assert!(rig.memory.get(BUCKET, "k").is_some());
}

/// A service that does not say which version is the current one, or says it wrongly: nothing is deleted.
#[test]
fn nothing_is_deleted_where_the_current_version_is_not_known() {
    const LATEST: &str = "<IsLatest>true</IsLatest>";
    const OLD: &str = "<IsLatest>false</IsLatest>";
    for fault in [Fault::Edit(LATEST, ""), Fault::Edit(LATEST, OLD), Fault::Edit(OLD, LATEST), Fault::Edit(OLD, "")] {
        let rig = versioned("k", 3);
        let all = ids(&rig, "k");
        rig.server.plan(move |asked| if asked.operation() == "ListObjectVersions" { fault } else { Fault::None });
        // Where all are the current one none is old.
        match rig.store.purge(&place("k")) {
            Ok(purged) => assert_eq!((fault, purged.deleted), (Fault::Edit(OLD, LATEST), 0)),
            Err(error) => assert!(error.to_string().contains("current one"), "{error}"),
        }
        assert_eq!(ids(&rig, "k"), all);
    }
    // Another one than a look finds.
    let rig = versioned("k", 3);
    let all = ids(&rig, "k");
    let memory = rig.memory.clone();
    rig.server.plan(move |asked| {
        if asked.operation() == "HeadObject" {
            memory.put(BUCKET, "k", b"newer");
        }
        Fault::None
    });
    assert!(rig.store.purge(&place("k")).unwrap_err().to_string().contains("current one"));
    assert_eq!(ids(&rig, "k")[..3], all);
}

/// A listing that does not say how it goes on is not at its end.
#[test]
fn a_listing_without_a_way_on_is_an_error() {
    let rig = versioned("k", 12);
    let edit = |fault| {
        rig.server.plan(move |asked| if asked.operation() == "ListObjectVersions" { fault } else { Fault::None });
        rig.store.purge(&place("k")).map(|purged| (purged.deleted, purged.left)).map_err(|error| error.to_string())
    };
    assert!(edit(Fault::Edit("NextKeyMarker", "Nothing")).unwrap_err().contains("a listing that cannot be read"));
    assert_eq!(ids(&rig, "k").len(), 12);
    // What says where it goes on goes on.
    assert_eq!(edit(Fault::Edit("<IsTruncated>true</IsTruncated>", "")), Ok((11, Some(0))));
}

#[test]
fn a_purge_says_what_it_deleted_before_it_broke_off() {
    let rig = versioned("k", 5);
    let deletions = std::sync::atomic::AtomicUsize::new(0);
    rig.server.plan(move |asked| {
        let is_third =
            asked.operation() == "DeleteObject" && deletions.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 2;
        if is_third { Fault::Status(400) } else { Fault::None }
    });
    let purged = rig.store.purge(&place("k")).unwrap();
    assert_eq!((purged.deleted, purged.left), (2, None));
    assert!(purged.reason.unwrap().starts_with("DeleteObject: HTTP 400"));
    assert_eq!(ids(&rig, "k").len(), 3);
}

#[test]
fn a_deletion_that_is_none_is_not_asked_for_for_ever() {
    let rig = versioned("k", 3);
    rig.server.plan(|asked| if asked.operation() == "DeleteObject" { Fault::Empty(204) } else { Fault::None });
    let purged = rig.store.purge(&place("k")).unwrap();
    assert_eq!((purged.deleted, purged.left), (2, None));
    assert!(purged.reason.unwrap().contains("still listed"));
}
