//! The rights that docs/s3.md asks for are those of the operations that the sources call, and the example policy grants them and no more.

use std::collections::BTreeSet;
use std::path::Path;

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every operation of the service that a client could want for objects (Amazon S3 API Reference, "Actions"), as the SDK's methods are named.
const OPERATIONS: &[&str] = &[
    "abort_multipart_upload",
    "complete_multipart_upload",
    "copy_object",
    "create_bucket",
    "create_multipart_upload",
    "create_session",
    "delete_bucket",
    "delete_object",
    "delete_object_tagging",
    "delete_objects",
    "get_bucket_accelerate_configuration",
    "get_bucket_acl",
    "get_bucket_encryption",
    "get_bucket_lifecycle_configuration",
    "get_bucket_location",
    "get_bucket_logging",
    "get_bucket_notification_configuration",
    "get_bucket_ownership_controls",
    "get_bucket_policy",
    "get_bucket_policy_status",
    "get_bucket_replication",
    "get_bucket_request_payment",
    "get_bucket_tagging",
    "get_bucket_versioning",
    "get_bucket_website",
    "get_object",
    "get_object_acl",
    "get_object_attributes",
    "get_object_legal_hold",
    "get_object_lock_configuration",
    "get_object_retention",
    "get_object_tagging",
    "get_object_torrent",
    "get_public_access_block",
    "head_bucket",
    "head_object",
    "list_buckets",
    "list_multipart_uploads",
    "list_object_versions",
    "list_objects",
    "list_objects_v2",
    "list_parts",
    "put_bucket_versioning",
    "put_object",
    "put_object_acl",
    "put_object_legal_hold",
    "put_object_lock_configuration",
    "put_object_retention",
    "put_object_tagging",
    "rename_object",
    "restore_object",
    "select_object_content",
    "upload_part",
    "upload_part_copy",
];

/// `list_objects_v2` as `ListObjectsV2`.
fn operation(method: &str) -> String {
    let word = |word: &str| word.get(..1).unwrap_or_default().to_uppercase() + word.get(1..).unwrap_or_default();
    method.split('_').map(word).collect()
}

/// Sources of the store, less what is there for tests alone.
fn sources(folder: &Path, texts: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "tests" && name != "testing" {
            sources(&path, texts);
        } else if path.extension().is_some_and(|ext| ext == "rs") && name != "tests.rs" && name != "testing.rs" {
            let text = std::fs::read_to_string(&path).unwrap();
            texts.push_str(text.split("#[cfg(test)]\nmod tests {").next().unwrap());
        }
    }
}

fn called() -> BTreeSet<String> {
    let mut texts = String::new();
    sources(&home().join("src/store/s3"), &mut texts);
    let calls = OPERATIONS.iter().filter(|method| texts.contains(&format!(".{method}()")));
    calls.map(|method| operation(method)).collect()
}

/// Rows of the table of operations: name, actions.
pub fn documented() -> Vec<(String, BTreeSet<String>)> {
    let text = std::fs::read_to_string(home().join("docs/s3.md")).unwrap();
    let (_, table) = text.split_once("<!-- operations -->\n").unwrap();
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|line| {
        let cells: Vec<_> = line.split('|').map(quoted).collect();
        let more = cells[3].iter().filter(|word| word.starts_with("s3:"));
        (cells[1][0].clone(), cells[2].iter().chain(more).cloned().collect())
    })
    .collect()
}

/// What the example policy grants, and on what.
fn policy() -> Vec<(String, Vec<String>)> {
    let text = std::fs::read_to_string(home().join("docs/examples/s3-policy.json")).unwrap();
    let policy: serde_json::Value = serde_json::from_str(&text).unwrap();
    let words = |value: &serde_json::Value| match value.as_array() {
        Some(all) => all.iter().map(|word| word.as_str().unwrap().to_owned()).collect(),
        None => vec![value.as_str().unwrap().to_owned()],
    };
    let statements = policy["Statement"].as_array().unwrap().iter();
    statements
        .flat_map(|statement| {
            words(&statement["Action"]).into_iter().map(|action| (action, words(&statement["Resource"])))
        })
        .collect()
}

/// Actions that the example grants on manifests: on their keys, and on the bucket.
pub fn granted_on_manifests() -> BTreeSet<String> {
    let is = |resource: &String| resource.contains("/manifests/") || !resource.ends_with('*');
    policy().into_iter().filter(|(_, resources)| resources.iter().any(is)).map(|(action, _)| action).collect()
}

#[test]
fn the_table_has_the_operations_that_are_called() {
    // A row `…Version` is the same operation with a version id.
    let plain = |name: String| name.strip_suffix("Version").unwrap_or(&name).to_owned();
    let named: BTreeSet<_> = documented().into_iter().map(|(name, _)| plain(name)).collect();
    let called = called();
    assert!(called.len() > 8, "the sources call {called:?}: this test does not see them");
    assert_eq!(named, called);
}

#[test]
fn the_example_policy_grants_what_the_table_asks_for() {
    let mut granted = BTreeSet::new();
    for (action, resources) in policy() {
        // Actions on the bucket itself have its bare ARN, those on objects have a key behind it (Service Authorization Reference).
        for resource in resources {
            assert_eq!(action.contains("Bucket"), !resource.ends_with('*'), "{action} on {resource}");
        }
        assert!(granted.insert(action.clone()), "{action} twice");
    }
    let wanted: BTreeSet<_> = documented().into_iter().flat_map(|(_, actions)| actions).collect();
    assert_eq!(granted, wanted);
}
