//! The summary's `root`: SHA-256 over the artifact lines sorted by URI, as `jq -cS` prints them.
//!
//! Each line goes in without `prev`, `duration_ms` and `identity`, keys sorted, compact, with a line feed after it, so that the
//! root does not depend on timing or on the order of completion. Memory: runs of at most [`RUN_BYTES`] are sorted and
//! spooled, then merged; a manifest of any length costs that much and one line a run.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Artifact;
use crate::blob::{Blob, Spool, TempSpace};
use crate::error::{Error, Kind, Result};
use crate::judge::pseudonym::hex;

/// Bytes of lines sorted in memory at one time.
pub const RUN_BYTES: usize = 8 << 20;

/// Fields that are no part of the root.
const LEFT_OUT: [&str; 3] = ["prev", "duration_ms", "identity"];

/// Collects artifact lines in any order and makes their root.
pub struct Root {
    space: Arc<TempSpace>,
    lines: Vec<(String, String)>,
    bytes: usize,
    runs: Vec<Spool>,
    run_bytes: usize,
}

impl Root {
    /// Sorted runs beyond memory go to `space`.
    pub fn new(space: &Arc<TempSpace>) -> Self {
        Self { space: Arc::clone(space), lines: Vec::new(), bytes: 0, runs: Vec::new(), run_bytes: RUN_BYTES }
    }

    /// Adds the line of `artifact`.
    pub fn add(&mut self, artifact: &Artifact) -> Result<()> {
        let value = serde_json::to_value(super::Line::Artifact(Box::new(artifact.clone())))
            .map_err(|_| Error::new(Kind::Io, "an artifact line cannot be written as JSON"))?;
        self.add_value(&value)
    }

    /// Adds an artifact line as it was read from a manifest.
    pub fn add_value(&mut self, line: &Value) -> Result<()> {
        let uri = line.get("uri").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut text = String::new();
        canonical(line, true, &mut text);
        self.bytes += uri.len() + text.len() + 64;
        self.lines.push((uri, text));
        if self.bytes > self.run_bytes {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> Result<()> {
        self.lines.sort_unstable();
        let mut spool = Spool::new(&self.space);
        for (uri, text) in self.lines.drain(..) {
            for part in [&uri, &text] {
                spool.append(&(part.len() as u32).to_le_bytes())?;
                spool.append(part.as_bytes())?;
            }
        }
        self.bytes = 0;
        self.runs.push(spool);
        Ok(())
    }

    /// `sha256:` and the digest in hex.
    pub fn finish(mut self) -> Result<String> {
        let mut digest = Sha256::new();
        if self.runs.is_empty() {
            self.lines.sort_unstable();
            for (_, text) in &self.lines {
                digest.update(text.as_bytes());
                digest.update(b"\n");
            }
        } else {
            self.spill()?;
            let mut readers: Vec<RunReader<'_>> = self.runs.iter().map(|spool| RunReader { spool, at: 0 }).collect();
            let mut heap = BinaryHeap::new();
            for (i, reader) in readers.iter_mut().enumerate() {
                if let Some(line) = reader.next()? {
                    heap.push(Reverse((line, i)));
                }
            }
            while let Some(Reverse(((_, text), i))) = heap.pop() {
                digest.update(&text);
                digest.update(b"\n");
                if let Some(line) = readers.get_mut(i).map(RunReader::next).transpose()?.flatten() {
                    heap.push(Reverse((line, i)));
                }
            }
        }
        Ok(format!("sha256:{}", hex(&digest.finalize())))
    }
}

struct RunReader<'s> {
    spool: &'s Spool,
    at: u64,
}

impl RunReader<'_> {
    fn next(&mut self) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
        if self.at >= self.spool.len() {
            return Ok(None);
        }
        Ok(Some((self.part()?, self.part()?)))
    }

    fn part(&mut self) -> Result<Vec<u8>> {
        let mut len = [0; 4];
        self.fill(&mut len)?;
        let mut part = vec![0; u32::from_le_bytes(len) as usize];
        self.fill(&mut part)?;
        Ok(part)
    }

    fn fill(&mut self, mut buf: &mut [u8]) -> Result<()> {
        while !buf.is_empty() {
            let n = self.spool.read_at(self.at, buf).map_err(|e| Error::io("reading a temporary file", &e))?;
            if n == 0 {
                return Err(Error::new(Kind::Io, "a temporary file ended early"));
            }
            self.at += n as u64;
            buf = buf.get_mut(n..).unwrap_or_default();
        }
        Ok(())
    }
}

/// Writes `value` as `jq -cS` does: keys sorted, compact. `top`: leaves out what is no part of the root.
fn canonical(value: &Value, top: bool, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().filter(|key| !(top && LEFT_OUT.contains(&key.as_str()))).collect();
            keys.sort_unstable();
            out.push('{');
            for (i, key) in keys.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                string(key, out);
                out.push(':');
                canonical(map.get(key).unwrap_or(&Value::Null), false, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                canonical(item, false, out);
            }
            out.push(']');
        }
        Value::String(text) => string(text, out),
        other => out.push_str(&other.to_string()),
    }
}

/// A JSON string as jq writes it: as `serde_json`, and DEL escaped.
fn string(text: &str, out: &mut String) {
    let quoted = Value::from(text).to_string();
    if quoted.contains('\u{7f}') {
        out.push_str(&quoted.replace('\u{7f}', "\\u007f"));
    } else {
        out.push_str(&quoted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Status;

    fn artifacts() -> Vec<Artifact> {
        (0..200u64)
            .map(|i| {
                let mut a = Artifact::new(format!("file:logs/{}.log", i * 7919 % 211), Status::Rewritten, None);
                a.subjects.insert(format!("sub é \u{7f} \"{i}\" \u{1}"), i);
                a.duration_ms = i;
                a
            })
            .collect()
    }

    #[test]
    fn order_and_spilling_do_not_matter() {
        let space = TempSpace::new(std::env::temp_dir(), 1 << 30);
        let mut roots = Vec::new();
        for (run_bytes, reverse) in [(RUN_BYTES, false), (1000, false), (1000, true)] {
            let mut root = Root::new(&space);
            root.run_bytes = run_bytes;
            let mut all = artifacts();
            if reverse {
                all.reverse();
            }
            for a in &all {
                root.add(a).unwrap();
            }
            roots.push(root.finish().unwrap());
        }
        assert_eq!(roots[0], roots[1]);
        assert_eq!(roots[0], roots[2]);
    }

    /// The oracle: jq itself.
    #[test]
    fn jq_makes_the_same_root() {
        use std::io::Write;
        use std::process::{Command, Stdio};
        let mut lines = String::new();
        let space = TempSpace::new(std::env::temp_dir(), 1 << 30);
        let mut root = Root::new(&space);
        for a in artifacts() {
            root.add(&a).unwrap();
            lines += &serde_json::to_string(&super::super::Line::Artifact(Box::new(a))).unwrap();
            lines.push('\n');
        }
        let filter = "map(select(.kind==\"artifact\") | del(.prev,.duration_ms,.identity)) | sort_by(.uri)[]";
        let Ok(mut jq) =
            Command::new("jq").args(["-cS", "-s", filter]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
        else {
            assert!(std::env::var_os("CI").is_none(), "jq is not there");
            return;
        };
        jq.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        let printed = jq.wait_with_output().unwrap().stdout;
        assert_eq!(root.finish().unwrap(), format!("sha256:{}", hex(&Sha256::digest(&printed))));
    }
}
