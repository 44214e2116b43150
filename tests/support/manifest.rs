//! The check that every manifest line of every test passes: schema, chain and root, by code that is not the project's own.

use std::sync::LazyLock;

use serde_json::Value;
use sha2::{Digest, Sha256};

static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let schema: Value = serde_json::from_str(include_str!("../../docs/manifest.schema.json")).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
});

/// `sha256:` and hex.
pub fn sha256(bytes: &[u8]) -> String {
    let hex: Vec<String> = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256:{}", hex.concat())
}

/// Why `line` does not fit the schema.
pub fn misfit(line: &Value) -> Option<String> {
    SCHEMA.iter_errors(line).next().map(|error| format!("{error} at {}", error.instance_path()))
}

/// Checks a whole manifest and gives its lines. Panics with the line that is wrong.
pub fn check(text: &[u8]) -> Vec<Value> {
    let mut prev = format!("sha256:{}", "0".repeat(64));
    let mut lines = Vec::new();
    let mut artifacts: Vec<(String, String)> = Vec::new();
    assert!(text.is_empty() || text.ends_with(b"\n"), "the manifest ends in the midst of a line");
    for raw in text.split_inclusive(|b| *b == b'\n') {
        let raw = raw.strip_suffix(b"\n").unwrap();
        let line: Value = serde_json::from_slice(raw).unwrap();
        let shown = String::from_utf8_lossy(raw);
        assert_eq!(misfit(&line), None, "not by the schema: {shown}");
        assert_eq!(line["prev"], prev, "the chain is broken at {shown}");
        prev = sha256(raw);
        match line["kind"].as_str().unwrap() {
            "run" => artifacts.clear(),
            "artifact" => artifacts.push((line["uri"].as_str().unwrap().to_owned(), canonical(&line))),
            "summary" => {
                artifacts.sort();
                let all: Vec<String> = artifacts.iter().map(|(_, text)| format!("{text}\n")).collect();
                assert_eq!(line["root"], sha256(all.concat().as_bytes()), "not the root of its lines: {shown}");
                counts(&lines, &line);
            }
            _ => {}
        }
        lines.push(line);
    }
    lines
}

/// An artifact line as `jq -cS 'del(.prev,.duration_ms,.identity)'` prints it: `serde_json` sorts keys.
fn canonical(line: &Value) -> String {
    let mut line = line.clone();
    for key in ["prev", "duration_ms", "identity"] {
        line.as_object_mut().unwrap().remove(key);
    }
    serde_json::to_string(&line).unwrap()
}

/// The summary counts what the lines of its run say.
fn counts(lines: &[Value], summary: &Value) {
    let run = lines.iter().rposition(|line| line["kind"] == "run").unwrap();
    for (status, n) in summary["artifacts"].as_object().unwrap() {
        let found = lines[run..].iter().filter(|line| line["kind"] == "artifact" && line["status"] == **status).count();
        assert_eq!(n, found, "the summary counts {status} wrongly");
    }
}
