//! Archives of others' tools, and their tools as judges.

use std::path::Path;
use std::process::Command;

use super::{find_by, scrub};
use crate::container::tests::{ALICE, run};

/// Makes archives from `dir` with Python: seekable, streamed, with zip64 forced.
const PYTHON: &str = r"
import zipfile, io, sys
a, b = open('a.log','rb').read(), open('b.log','rb').read()
class Out(io.RawIOBase):
    def __init__(self, f): self.f = f
    def writable(self): return True
    def write(self, b): return self.f.write(b)
def fill(z, **more):
    for name, data, method in (('d/a.log', a, 8), ('b.log', b, 8), ('stored.log', a, 0), ('empty', b'', 8)):
        i = zipfile.ZipInfo(name, (2026, 1, 2, 3, 4, 6)); i.compress_type = method; i.comment = b'a comment'
        with z.open(i, 'w', **more) as f: f.write(data)
    z.writestr(zipfile.ZipInfo('folder/'), b''); z.comment = b'for alice@example.com'
with zipfile.ZipFile('python.zip', 'w') as z: fill(z)
with open('python-stream.zip', 'wb') as f, zipfile.ZipFile(Out(f), 'w') as z: fill(z)
with open('python-stream64.zip', 'wb') as f, zipfile.ZipFile(Out(f), 'w') as z: fill(z, force_zip64=True)
with zipfile.ZipFile('python64.zip', 'w') as z: fill(z, force_zip64=True)
";

/// Java's streaming writer: descriptors, and one member stored.
const JAVA: &str = r#"
import java.io.*; import java.nio.file.*; import java.util.zip.*;
public class Make { public static void main(String[] a) throws Exception {
  try (ZipOutputStream z = new ZipOutputStream(new FileOutputStream("java.zip"))) {
    byte[] log = Files.readAllBytes(Path.of("a.log"));
    z.setComment("for alice@example.com");
    z.putNextEntry(new ZipEntry("a.log")); z.write(log); z.closeEntry();
    ZipEntry s = new ZipEntry("stored.log"); s.setMethod(ZipEntry.STORED); s.setSize(log.length); s.setCompressedSize(log.length);
    CRC32 crc = new CRC32(); crc.update(log); s.setCrc(crc.getValue());
    z.putNextEntry(s); z.write(log); z.closeEntry();
    z.putNextEntry(new ZipEntry("folder/")); z.closeEntry();
  } } }
"#;

/// The tools with which archives are made, and the archive that each makes; `sh` runs them.
const MAKERS: &[(&str, &str)] = &[
    ("python3", "python3 make.py"),
    ("zip", "zip -q info.zip a.log b.log && printf 'for alice@example.com' | zip -q -z info.zip >/dev/null"),
    ("zip", "zip -q -fd info-fd.zip a.log b.log"),
    ("zip", "zip -q -fz info-fz.zip a.log b.log"),
    ("zip", "zip -q - a.log b.log | cat > info-stream.zip"),
    ("zip", "cat a.log | zip -q info-stdin.zip -"),
    ("zip", "ln -s a.log link && zip -q -y -0 info-links.zip a.log link && rm link"),
    ("bsdtar", "bsdtar -a -cf bsd.zip a.log b.log"),
    ("bsdtar", "bsdtar -c --format zip a.log b.log | cat > bsd-stream.zip"),
    ("bsdtar", "bsdtar -c --format zip --options zip:compression=store a.log b.log | cat > bsd-stored.zip"),
    ("jar", "jar -c -f tool.jar a.log b.log"),
    ("7z", "7z a -bd -y 7z.zip a.log b.log >/dev/null"),
    ("java", "java Make.java"),
];

fn has(tool: &str) -> bool {
    let found =
        Command::new("sh").args(["-c", &format!("command -v {tool}")]).output().is_ok_and(|out| out.status.success());
    if !found {
        eprintln!("skipped: {tool} is not installed");
    }
    found
}

/// unzip, 7z, bsdtar and Python find nothing wrong with `archive`.
pub fn accepted(archive: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.zip"), archive).unwrap();
    judge(dir.path());
}

fn judge(dir: &Path) {
    run(dir, "unzip", &["-tqq", "a.zip"]);
    run(dir, "7z", &["t", "-bd", "a.zip"]);
    run(dir, "bsdtar", &["-xOf", "a.zip"]);
    run(dir, "python3", &["-c", "import zipfile\nassert zipfile.ZipFile('a.zip').testzip() is None"]);
}

/// Name, time, mode and bytes of each member as Python reads them.
fn listed(dir: &Path) -> Option<String> {
    const LIST: &str = "import zipfile\nz=zipfile.ZipFile('a.zip')\nprint(z.comment)\nfor i in z.infolist(): print(i.filename, i.date_time, i.external_attr, i.compress_type, i.comment, z.read(i))\n";
    Some(String::from_utf8(run(dir, "python3", &["-c", LIST])?).unwrap())
}

#[test]
fn archives_of_every_tool() {
    let dir = tempfile::tempdir().unwrap();
    let lines = |n: usize| {
        let lines: Vec<_> = (0..n).map(|i| format!("2026-01-02T03:04:05Z {i} nobody{}\n", i * 7919 % 1000)).collect();
        lines.concat()
    };
    let hers = "2026-01-02T03:04:05Z alice@example.com is here\n";
    let a = format!("{}{hers}{}{hers}", lines(300), lines(50));
    for (name, text) in
        [("a.log", &a), ("b.log", &lines(40)), ("make.py", &PYTHON.to_owned()), ("Make.java", &JAVA.to_owned())]
    {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    for (tool, made) in MAKERS {
        if has(tool) {
            let out = Command::new("sh").args(["-c", made]).current_dir(dir.path()).output().unwrap();
            assert!(out.status.success(), "{made}: {}", String::from_utf8_lossy(&out.stderr));
        }
    }
    let (scrubbed, mut count) = (a.replace(hers, ""), 0);
    for path in std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()) {
        if path.extension().is_none_or(|extension| extension != "zip" && extension != "jar") {
            continue;
        }
        count += 1;
        let old = std::fs::read(&path).unwrap();
        let (outcome, new) = scrub(&old);
        assert!(
            !outcome.found.is_empty() && outcome.tally.members.is_empty(),
            "{}: {:?}",
            path.display(),
            outcome.tally
        );
        assert!(memchr::memmem::find(&new, ALICE).is_none());
        let inside = tempfile::tempdir().unwrap();
        let look = |bytes: &[u8]| {
            std::fs::write(inside.path().join("a.zip"), bytes).unwrap();
            listed(inside.path())
        };
        let (before, after) = (look(&old), look(&new));
        let text = |text: &str| format!("b{text:?}").replace('"', "'");
        if let (Some(before), Some(after)) = (before, after) {
            let want = before.replace(&text(&a), &text(&scrubbed)).replace("alice@example.com", "*****************");
            assert_eq!(after, want, "{}", path.display());
        }
        // 7-Zip has something to say of some that others stream; then of both.
        let judged = std::panic::catch_unwind(|| accepted(&old)).is_ok();
        if judged {
            accepted(&new);
        }
        assert!(judged || path.ends_with("bsd-stream.zip") || path.ends_with("bsd-stored.zip"), "{}", path.display());
        for size in [1, 1024] {
            assert_eq!(find_by(&new, size).unwrap().foretold, outcome.foretold);
        }
    }
    assert!(count >= 4, "only {count} archives");
}
