//! A folder in which the binary runs, with a registry beside the data, and what a run came to.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::manifest;

/// The registry's name in a world; the data is in `src/`, the manifest is `m.jsonl`.
pub const REGISTRY: &str = "erased.jsonl";

/// A folder of its own, gone when dropped.
pub struct World {
    dir: TempDir,
}

/// What a run came to.
pub struct Ran {
    /// Exit code; a signal's number plus 128.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// Lines of the newest run, from `m.jsonl` or from `--json`.
    pub lines: Vec<Value>,
}

impl World {
    /// A world with this registry (JSON Lines).
    pub fn new(registry: &str) -> Self {
        let world = Self { dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir(world.path("src")).unwrap();
        world.put(REGISTRY, registry);
        world
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A path in it.
    pub fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.dir.path().join(Path::new(name.as_ref()))
    }

    /// Writes a file, and the folders above it.
    pub fn put(&self, name: impl AsRef<OsStr>, data: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, data).unwrap();
        path
    }

    /// Reads a file.
    pub fn get(&self, name: impl AsRef<OsStr>) -> Vec<u8> {
        let path = self.path(name);
        std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// Every file below `src` (or another folder) and its bytes, sorted by path.
    pub fn tree(&self, folder: &str) -> Vec<(OsString, Vec<u8>)> {
        let mut files = Vec::new();
        let mut folders = vec![self.path(folder)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let kind = entry.file_type().unwrap();
                if kind.is_dir() {
                    folders.push(entry.path());
                } else if kind.is_file() {
                    files.push((entry.path().into_os_string(), std::fs::read(entry.path()).unwrap()));
                }
            }
        }
        files.sort();
        files
    }

    /// The binary, ready to run here: no variables of ours, no input.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("unwrite"));
        command.current_dir(self.dir()).args(arguments).stdin(Stdio::null()).env("NO_COLOR", "1");
        for (name, _) in std::env::vars_os() {
            if name.as_bytes().starts_with(b"UNWRITE_") {
                command.env_remove(name);
            }
        }
        command
    }

    /// Runs it, and checks every manifest line that came of it.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.ran(&self.command(arguments).output().unwrap(), arguments)
    }

    /// As [`Self::run`], with variables.
    pub fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
        self.ran(&self.command(arguments).envs(variables.iter().copied()).output().unwrap(), arguments)
    }

    /// What a finished process came to; checks the manifest.
    pub fn ran(&self, output: &Output, arguments: &[&str]) -> Ran {
        use std::os::unix::process::ExitStatusExt;
        let code = output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap());
        let scrubs = matches!(arguments.first(), Some(&("scan" | "scrub")));
        let mut lines = Vec::new();
        if scrubs
            && arguments.contains(&"--manifest")
            && let Ok(text) = std::fs::read(self.path("m.jsonl"))
        {
            lines = manifest::check(&text);
        } else if scrubs && arguments.contains(&"--json") && code != 2 {
            lines = manifest::check(&output.stdout);
        }
        let newest = lines.iter().rposition(|line| line["kind"] == "run").unwrap_or(0);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran { code, out: text(&output.stdout), err: text(&output.stderr), lines: lines.split_off(newest) }
    }

    /// `scan src --json`.
    pub fn scan(&self, more: &[&str]) -> Ran {
        self.run(&[&["scan", "src", "--registry", REGISTRY, "--json"], more].concat())
    }

    /// `scrub src --in-place --manifest m.jsonl`.
    pub fn scrub(&self, more: &[&str]) -> Ran {
        self.run(&[&["scrub", "src", "--registry", REGISTRY, "--in-place", "--manifest", "m.jsonl"], more].concat())
    }

    /// `scrub src --output DEST --manifest m.jsonl`.
    pub fn mirror(&self, dest: &str, more: &[&str]) -> Ran {
        self.run(&[&["scrub", "src", "--registry", REGISTRY, "--output", dest, "--manifest", "m.jsonl"], more].concat())
    }

    /// `verify m.jsonl --registry`.
    pub fn verify(&self, more: &[&str]) -> Ran {
        self.run(&[&["verify", "m.jsonl", "--registry", REGISTRY], more].concat())
    }

    /// Scrubs one file in place by its own world and gives what it came to be; panics unless the exit code is `code`.
    pub fn scrubbed(registry: &str, policy: &str, name: &str, data: &[u8], code: i32) -> (Vec<u8>, Ran) {
        let world = Self::new(registry);
        let name = format!("src/{name}");
        world.put(&name, data);
        world.put("policy.toml", policy);
        world.put("key", "sixteen bytes and more of key");
        let mut more = vec!["--policy", "policy.toml"];
        if policy.contains("pseudonym") {
            more.extend(["--key-file", "key"]);
        }
        let ran = world.scrub(&more);
        assert_eq!(ran.code, code, "{name}: {}\n{}\n{:?}", ran.err, ran.out, ran.lines.get(1));
        let result = world.get(&name);
        if code == 0 {
            // P6: twice is once; P2: nothing is left.
            let again = world.scrub(&more);
            assert_eq!(again.code, 0, "second run: {}", again.err);
            assert_eq!(world.get(&name), result, "a second run changes {name}");
            assert!(again.of("rewritten").is_empty(), "a second run rewrites {name}");
        }
        (result, ran)
    }
}

impl Ran {
    /// The artifact line whose URI ends with `name`.
    pub fn artifact(&self, name: &str) -> &Value {
        let is = |line: &&Value| line["kind"] == "artifact" && line["uri"].as_str().unwrap().ends_with(name);
        self.lines.iter().find(is).unwrap_or_else(|| panic!("no line of {name}: {}\n{:#?}", self.err, self.lines))
    }

    /// Its status, or `status: reason`.
    pub fn status(&self, name: &str) -> String {
        let line = self.artifact(name);
        let status = line["status"].as_str().unwrap();
        line["reason"].as_str().map_or_else(|| status.to_owned(), |reason| format!("{status}: {reason}"))
    }

    /// URIs of the artifacts of that status.
    pub fn of(&self, status: &str) -> Vec<&str> {
        let is = |line: &&Value| line["kind"] == "artifact" && line["status"] == status;
        self.lines.iter().filter(is).map(|line| line["uri"].as_str().unwrap()).collect()
    }

    /// Panics unless this is the exit code; shows what was said.
    pub fn expect(&self, code: i32) -> &Self {
        let lines: Vec<String> = self.lines.iter().map(Value::to_string).collect();
        assert_eq!(self.code, code, "stderr: {}\nstdout: {}\nlines: {}", self.err, self.out, lines.join("\n"));
        self
    }
}
