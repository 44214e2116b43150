//! Old versions: counted, deleted, locked.

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
    assert_eq!(purged, Purged { deleted: 6, left: 0, reason: None });
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
    assert_eq!(purged, Purged { deleted: 2, left: 1, reason: Some("locked until 2100-01-01T00:00:00Z".to_owned()) });
    rig.memory.bucket(BUCKET, |bucket| bucket.keys.get_mut("k").unwrap()[0].legal_hold = true);
    let purged = rig.store.purge(&place("k")).unwrap();
    assert_eq!(purged, Purged { deleted: 0, left: 1, reason: Some("legal hold".to_owned()) });
}

#[test]
fn a_deleted_object_is_not_purged() {
    let rig = versioned("k", 3);
    rig.memory.bucket(BUCKET, |bucket| {
        let marker = memory::Version { id: "marker".to_owned(), is_marker: true, ..memory::Version::default() };
        bucket.keys.get_mut("k").unwrap().push(marker);
    });
    let purged = rig.store.purge(&place("k")).unwrap();
    assert_eq!((purged.deleted, purged.left), (0, 3));
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
