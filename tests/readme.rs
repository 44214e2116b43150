//! Every command, table and example of the README, and the policy examples of the manual, run as they stand.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const BIN: &str = env!("CARGO_BIN_EXE_unwrite");

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    std::fs::read_to_string(home().join("README.md")).unwrap()
}

/// The body of the fenced block after the line `<!-- mark -->`.
fn block(mark: &str) -> String {
    let text = readme();
    let (_, after) = text.split_once(&format!("<!-- {mark} -->\n")).unwrap_or_else(|| panic!("no block {mark}"));
    let (_, body) = after.split_once('\n').unwrap();
    body.split_once("\n```").unwrap().0.to_owned() + "\n"
}

/// With `UPDATE` set: writes `new` in the place of `old`.
fn updated(old: &str, new: &str) -> bool {
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    if std::env::var_os("UPDATE").is_none() {
        return false;
    }
    let _one = ONE.lock().unwrap();
    std::fs::write(home().join("README.md"), readme().replacen(old, new, 1)).unwrap();
    true
}

/// The bodies of all blocks of `language` in `text`.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("\n```{language}\n");
    let pieces = text.split(fence.as_str()).skip(1);
    pieces.map(|piece| piece.split_once("```").unwrap().0.to_owned()).collect()
}

/// A folder with a copy of the fixtures.
fn world() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&home().join("fixtures"), &folder.path().join("fixtures"));
    folder
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let name = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &name);
        } else {
            std::fs::copy(entry.path(), name).unwrap();
        }
    }
}

/// Runs a line of shell in `folder`, with this build's `unwrite` on the path.
fn bash(folder: &Path, command: &str) -> Output {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = Path::new(BIN).parent().unwrap().to_owned();
    let path = std::env::join_paths([own].into_iter().chain(std::env::split_paths(&path))).unwrap();
    let mut bash = Command::new("bash");
    bash.args(["-o", "pipefail", "-c", command]).current_dir(folder).env("PATH", path).env("LC_ALL", "C");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("UNWRITE_")) {
        bash.env_remove(name);
    }
    bash.output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8([&output.stdout[..], &output.stderr[..]].concat()).unwrap()
}

fn installed(tool: &str) -> bool {
    let there = Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(there || std::env::var_os("CI").is_none(), "{tool} is not installed");
    there
}

#[test]
fn it_is_short_and_its_links_lead_somewhere() {
    let text = readme();
    assert!(text.lines().count() <= 200);
    for link in text.split("](").skip(1).map(|rest| rest.split_once(')').unwrap().0) {
        assert!(link.starts_with("http") || home().join(link).exists(), "{link}");
    }
}

#[test]
fn the_first_command_scrubs_the_fixtures() {
    let folder = world();
    let command = block("run").replace("/tmp/unwrite-demo", "demo");
    let unwrite = command.strip_prefix("cargo run --release -- ").unwrap();
    let output = bash(folder.path(), &format!("unwrite {unwrite}"));
    assert!(output.status.success(), "{}", text(&output));
    let wanted = home().join("fixtures/expected/logs");
    let mut names: Vec<_> = std::fs::read_dir(&wanted).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    for name in names {
        let got = folder.path().join("demo").join(&name);
        let tools = [("", "cat"), (".gz", "gzip -dc"), (".zst", "zstd -dcq")];
        let (path, tool) = tools
            .iter()
            .map(|(extension, tool)| (PathBuf::from(format!("{}{extension}", got.display())), tool))
            .find(|(path, _)| path.exists())
            .unwrap();
        if installed(tool.split(' ').next().unwrap()) {
            let output = bash(folder.path(), &format!("{tool} < '{}'", path.display()));
            assert!(output.stdout == std::fs::read(wanted.join(&name)).unwrap(), "{}", path.display());
        }
    }
}

#[test]
fn the_test_command_is_this() {
    assert_eq!(block("test"), "cargo test\n");
}

/// Commands of a session with their output; `$?` is the exit code of the command before.
fn replay(folder: &Path, session: &str) -> String {
    let (mut out, mut last) = (String::new(), 0);
    for command in session.lines().filter_map(|line| line.strip_prefix("$ ")) {
        let output = bash(folder, &command.replace("$?", &last.to_string()));
        last = output.status.code().unwrap();
        write!(out, "$ {command}\n{}", text(&output)).unwrap();
    }
    out
}

#[test]
fn the_session_goes_as_it_says() {
    if !(installed("jq") && installed("tar") && installed("gzip")) {
        return;
    }
    let folder = world();
    let (said, goes) = (block("session"), replay(folder.path(), &block("session")));
    if !updated(&said, &goes) {
        assert_eq!(said, goes, "UPDATE=1 cargo test readme writes it anew");
    }
}

#[test]
fn a_manifest_is_checked_by_hand() {
    if !installed("jq") {
        return;
    }
    let folder = world();
    replay(folder.path(), &block("session"));
    let check = |why: &str| {
        let output = bash(folder.path(), &block("check"));
        let out = text(&output);
        let lines: Vec<_> =
            out.lines().map(|line| line.trim_start_matches("sha256:").trim_end_matches("  -").to_owned()).collect();
        let good = output.status.success() && lines.len() == 2 && lines[0] == lines[1];
        assert_eq!(good, why.is_empty(), "{why}: {out}");
    };
    check("");
    let (manifest, log) = (folder.path().join("m.jsonl"), folder.path().join("clean/logs/app.log"));
    let (lines, bytes) = (std::fs::read_to_string(&manifest).unwrap(), std::fs::read(&log).unwrap());
    std::fs::write(&log, [&bytes[..], b"x"].concat()).unwrap();
    check("a changed artifact");
    std::fs::write(&log, &bytes).unwrap();
    std::fs::write(&manifest, lines.replacen("\"sub_01\":4", "\"sub_01\":3", 1)).unwrap();
    check("a changed line");
    let cut: Vec<_> = lines.lines().filter(|line| !line.contains("app.log")).collect();
    std::fs::write(&manifest, cut.join("\n") + "\n").unwrap();
    check("a line that is gone");
}

/// The table of formats as the registration table has it. `UPDATE=1 cargo test readme` writes it.
#[test]
fn the_formats_are_those_of_this_build() {
    if cfg!(not(all(feature = "gzip", feature = "zstd", feature = "tar"))) {
        return;
    }
    let mut table =
        String::from("| layer | read and rewritten | known, reported as `unsupported` |\n| --- | --- | --- |\n");
    let mut kinds: Vec<(&str, BTreeMap<bool, Vec<String>>)> = Vec::new();
    for row in unwrite::detect::names() {
        let read = row.state == unwrite::detect::State::Read;
        let extensions = row.extensions.iter().fold(String::new(), |all, extension| all + " `" + extension + "`");
        let entry = if read { format!("**{}**{extensions}: {}", row.name, row.what) } else { row.name.to_owned() };
        let at = kinds.iter().position(|(kind, _)| *kind == row.kind).unwrap_or_else(|| {
            kinds.push((row.kind, BTreeMap::new()));
            kinds.len() - 1
        });
        kinds[at].1.entry(read).or_default().push(entry);
    }
    for (kind, by_state) in kinds {
        let cell =
            |read, between: &str| by_state.get(&read).map_or_else(|| "–".to_owned(), |entries| entries.join(between));
        writeln!(table, "| {kind} | {} | {} |", cell(true, "<br>"), cell(false, ", ")).unwrap();
    }
    let text = readme();
    let (_, rest) = text.split_once("<!-- formats -->").unwrap();
    let (now, _) = rest.split_once("<!-- /formats -->").unwrap();
    if !updated(&format!("<!-- formats -->{now}"), &format!("<!-- formats -->\n{table}")) {
        assert_eq!(now.trim_start(), table, "UPDATE=1 cargo test readme writes it anew");
    }
}

/// Examples of policies are read; what stands as an example of a registry is sound.
#[test]
fn examples_of_the_manual_are_read() {
    let mut policies = vec![block("policy")];
    let mut registries = Vec::new();
    for entry in std::fs::read_dir(home().join("docs")).unwrap().map(Result::unwrap) {
        if entry.path().extension().is_some_and(|extension| extension == "md") {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            policies.extend(blocks(&text, "toml"));
            for form in ["jsonl", "csv", "txt"] {
                registries.extend(blocks(&text, form).into_iter().map(|body| (form, body)));
            }
        }
    }
    assert!(policies.len() > 3 && registries.len() >= 3, "the manual has examples");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "0123456789abcdef").unwrap();
    std::fs::write(folder.path().join("x.log"), "2026-11-01T10:00:00Z nobody\n").unwrap();
    std::fs::write(folder.path().join("r.txt"), "alice@example.com\n").unwrap();
    for policy in policies {
        std::fs::write(folder.path().join("p.toml"), &policy).unwrap();
        let output = bash(folder.path(), "unwrite scan x.log --registry r.txt --config p.toml --key-file key");
        assert!(output.status.success(), "{policy}\n{}", text(&output));
    }
    for (form, body) in registries {
        std::fs::write(folder.path().join(format!("r.{form}")), &body).unwrap();
        let output = bash(folder.path(), &format!("unwrite registry check r.{form}"));
        assert!(output.status.success(), "{body}\n{}", text(&output));
    }
}
