//! Names in, verdict out: over folders that are only a list of names.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;

use super::sums::{Entry, entries, entry, is_sums};
use super::*;
use proptest::prelude::*;

/// A store of names: folders end in `/`, files have bytes.
#[derive(Default)]
struct Names {
    all: BTreeMap<PathBuf, Option<Vec<u8>>>,
    listings: Cell<usize>,
}

impl Names {
    fn new(files: &[(&str, &str)]) -> Self {
        let mut names = Self::default();
        for (path, text) in files {
            let path = Path::new("/").join(path);
            for folder in path.ancestors().skip(1) {
                names.all.insert(folder.to_owned(), None);
            }
            names.all.insert(path, Some(text.as_bytes().to_vec()));
        }
        names
    }

    fn verdict(&self, path: &str, depth: usize) -> Option<&'static str> {
        Watch::new(self).judge(&Path::new("/").join(path), depth).unwrap().map(|beside| beside.reason())
    }
}

impl Folders for Names {
    fn real(&self, folder: &Path) -> PathBuf {
        folder.to_owned()
    }

    fn each(&self, folder: &Path, see: &mut dyn FnMut(&OsStr) -> bool) {
        self.listings.set(self.listings.get() + 1);
        let own = self.all.keys().filter(|path| path.parent() == Some(folder));
        for path in own {
            if !see(path.file_name().unwrap()) {
                return;
            }
        }
    }

    fn has(&self, folder: &Path, name: &OsStr, is_folder: bool) -> bool {
        self.all.get(&folder.join(name)).is_some_and(|file| file.is_none() == is_folder)
    }

    fn open(&self, file: &Path) -> Result<Box<dyn Blob>> {
        let text = self.all.get(file).cloned().flatten();
        Ok(Box::new(text.ok_or_else(|| crate::error::Error::new(crate::error::Kind::Io, "none"))?))
    }
}

#[test]
fn tables_repositories_and_databases() {
    let delta = ["t/_delta_log/00000.json", "t/part-0.parquet", "t/day=1/part-1.parquet", "t/day=1/x.log"];
    let iceberg = ["i/metadata/v1.metadata.json", "i/data/a/x.parquet", "i/data/x.log"];
    let hudi = ["h/.hoodie/hoodie.properties", "h/y/x.parquet"];
    let restic = ["r/config", "r/data/00/aa", "r/index/b", "r/keys/c", "r/snapshots/d"];
    let kopia = ["k/kopia.repository.f", "k/p00/123/x.f"];
    let rocks = ["db/CURRENT", "db/MANIFEST-000001", "db/000003.sst", "db/000004.log", "db/LOG"];
    let level = ["lv/CURRENT", "lv/MANIFEST-000002", "lv/000005.ldb"];
    let cassandra = ["c/nb-1-big-Data.db", "c/nb-1-big-TOC.txt", "c/nb-1-big-Digest.crc32", "c/oa-3gx_0-bti-Data.db"];
    let old = ["o/ks-cf-jb-1-Data.db", "o/ks-cf-jb-1-TOC.txt", "o/ks-cf-jb-1-Index.db"];
    let table: [(&[&str], &str); 9] = [
        (&delta, "delta table"),
        (&iceberg, "iceberg table"),
        (&hudi, "hudi table"),
        (&restic, "restic repository"),
        (&kopia, "kopia repository"),
        (&rocks, "sstable"),
        (&level, "sstable"),
        (&cassandra, "sstable"),
        (&old, "sstable"),
    ];
    for (files, want) in table {
        let names = Names::new(&files.iter().map(|name| (*name, "")).collect::<Vec<_>>());
        for file in files {
            // From any SOURCE: the folder above, the table itself, the file.
            for depth in 1..=file.split('/').count() {
                assert_eq!(names.verdict(file, depth), Some(want), "{file} {depth}");
            }
        }
        assert_eq!(names.verdict("beside.log", 1), None, "not what lies next to it: {want}");
    }
    let borg =
        Names::new(&[("b/README", "This is a Borg"), ("b/config", "[repository]\nversion = 1"), ("b/data/0/1", "")]);
    assert_eq!(borg.verdict("b/data/0/1", 4), Some("borg repository"));
    let git = Names::new(&[("g/config", "[core]\n"), ("g/data/x.log", ""), ("g/index", "")]);
    assert_eq!(git.verdict("g/data/x.log", 3), None);
    for (files, own) in [
        (&["m/metadata/notes.json", "m/x.log"][..], "m/x.log"),
        (&["n/CURRENT", "n/x.log"], "n/x.log"),
        (&["n/CURRENT", "n/MANIFEST-1"], "n/MANIFEST-1"),
        (&["n/MANIFEST-000001", "n/000003.sst"], "n/000003.sst"),
        (&["n/x-Data.db"], "n/x-Data.db"),
        (&["n/a-TOC.txt", "n/b-Data.db"], "n/a-TOC.txt"),
        (&["n/_delta_log", "n/x.log"], "n/x.log"),
    ] {
        let names = Names::new(&files.iter().map(|name| (*name, "")).collect::<Vec<_>>());
        assert_eq!(names.verdict(own, 2), None, "{own}");
    }
}

#[test]
fn checksums_beside() {
    let hex = "a".repeat(64);
    let names = Names::new(&[
        ("s/x.log", ""),
        ("s/x.log.sha256", ""),
        ("s/y.log", ""),
        ("s/z.log", ""),
        ("s/free.log", ""),
        ("s/SHA256SUMS", &format!("{hex}  ./y.log\n{hex} *sub/deep/z.log\n\\{hex}  a\\nb.log\n")),
        ("s/sub/deep/z.log", ""),
        ("s/sub/y.log", ""),
        ("s/a\nb.log", ""),
        ("s/release.sha256", &format!("SHA256 (z.log) = {hex}\n")),
    ]);
    for (file, want) in [
        ("s/x.log", Some("checksum beside it (.sha256)")),
        ("s/y.log", Some("checksum beside it (SHA256SUMS)")),
        ("s/z.log", Some("checksum beside it (.sha256)")),
        ("s/a\nb.log", Some("checksum beside it (SHA256SUMS)")),
        ("s/sub/deep/z.log", Some("checksum beside it (SHA256SUMS)")),
        ("s/free.log", None),
        ("s/sub/y.log", None),
        ("s/x.log.sha256", None),
        ("s/SHA256SUMS", None),
    ] {
        assert_eq!(names.verdict(file, file.split('/').count()), want, "{file}");
    }
    // A list above SOURCE is not looked for; a sidecar is seen from a file SOURCE.
    assert_eq!(names.verdict("s/sub/deep/z.log", 1), None);
    assert_eq!(names.verdict("s/x.log", 1), Some("checksum beside it (.sha256)"));
    let trail = Names::new(&[
        ("AWSLogs/1/CloudTrail/eu/x.json.gz", ""),
        ("AWSLogs/1/CloudTrail-Digest/eu/d.json.gz", ""),
        ("AWSLogs/1/elb/x.log.gz", ""),
        ("AWSLogs/2/CloudTrail/eu/x.json.gz", ""),
    ]);
    let signed = Some("checksum beside it (CloudTrail digest)");
    assert_eq!(trail.verdict("AWSLogs/1/CloudTrail/eu/x.json.gz", 2), signed);
    assert_eq!(trail.verdict("AWSLogs/1/CloudTrail-Digest/eu/d.json.gz", 2), signed);
    assert_eq!(trail.verdict("AWSLogs/1/elb/x.log.gz", 2), None);
    assert_eq!(trail.verdict("AWSLogs/2/CloudTrail/eu/x.json.gz", 2), None);
}

#[test]
fn each_folder_is_looked_at_once() {
    let files: Vec<String> = (0..300).map(|n| format!("s/{}/{}.log", n / 100, n % 100)).collect();
    let names = Names::new(&files.iter().map(|name| (name.as_str(), "")).collect::<Vec<_>>());
    let mut watch = Watch::new(&names);
    for file in &files {
        assert!(watch.judge(&Path::new("/").join(file), 2).unwrap().is_none());
    }
    assert_eq!(names.listings.get(), 4, "s and its three folders");
}

#[test]
fn names_of_checksum_files() {
    for name in [
        "x.sha256",
        "x.log.md5",
        "a.sha512sum",
        "SHA256SUMS",
        "sha256sum.txt",
        "MD5SUMS",
        "md5sum",
        "checksums.txt",
        "CHECKSUMS",
        "tool_1.0_checksums.txt",
        "manifest-sha256.txt",
        "tagmanifest-md5.txt",
    ] {
        assert!(is_sums(name.as_bytes()), "{name}");
    }
    for name in ["sha256", ".sha256", "x.log", "sums", "manifest.txt", "sha256sums.log", "mychecksums.txt"] {
        assert!(!is_sums(name.as_bytes()), "{name}");
    }
}

#[test]
fn lines_of_checksum_files() {
    let (md5, sha) = ("d41d8cd98f00b204e9800998ecf8427e", "E".repeat(64));
    let table = [
        (format!("{md5}  a b\n"), Some((0..32, Some("a b")))),
        (format!("{md5} *./a\r\n"), Some((0..32, Some("a")))),
        (format!("{md5} a"), Some((0..32, Some("a")))),
        (format!("{sha}\n"), Some((0..64, None))),
        (format!("{sha}  \n"), Some((0..64, None))),
        (format!("\u{feff}{md5}  a\n"), Some((3..35, Some("a")))),
        (format!("\\{md5}  a\\\\b\\n\n"), Some((1..33, Some("a\\b\n")))),
        (format!("MD5 (a (1).log) = {md5}\n"), Some((18..50, Some("a (1).log")))),
        (format!("{md5}x  a\n"), None),
        (format!("{}  a\n", &md5[1..]), None),
        ("# a comment\n".to_owned(), None),
        (String::new(), None),
    ];
    for (line, want) in table {
        let want = want.map(|(digest, name)| Entry { digest, name: name.map(|name| name.as_bytes().to_vec()) });
        assert_eq!(entry(line.as_bytes()), want, "{line:?}");
    }
    let text = format!("{md5}  a\n{sha}  b\n{md5}  ./a\n");
    assert_eq!(entries(text.as_bytes(), Some(b"a"), b"a").unwrap(), [0..32, 104..136]);
    assert!(entries(text.as_bytes(), Some(b"c"), b"c").is_err());
    assert_eq!(entries(text.as_bytes(), None, b"b").unwrap(), vec![Range { start: 36, end: 100 }]);
    assert_eq!(
        entries(format!("{md5}  /built/elsewhere\n").as_bytes(), None, b"b").unwrap(),
        vec![Range { start: 0, end: 32 }]
    );
    assert!(entries(b"nothing\n", None, b"b").is_err());
}

proptest! {
    /// What `sha256sum` writes for a name is read back, and no line is a fault.
    #[test]
    fn names_come_back(name in proptest::collection::vec(any::<u8>().prop_filter("no NUL", |b| *b != 0), 1..40), rest in any::<Vec<u8>>()) {
        let hex = "0123456789abcdef".repeat(4);
        let special = name.iter().any(|b| matches!(b, b'\\' | b'\n' | b'\r'));
        let mut line = if special { b"\\".to_vec() } else { Vec::new() };
        line.extend(hex.as_bytes());
        line.extend(b"  ");
        for byte in &name {
            match byte {
                b'\\' => line.extend(b"\\\\"),
                b'\n' => line.extend(b"\\n"),
                b'\r' => line.extend(b"\\r"),
                other => line.push(*other),
            }
        }
        line.push(b'\n');
        let mut want = &name[..];
        while let Some(rest) = want.strip_prefix(b"./") {
            want = rest;
        }
        let found = entry(&line).unwrap();
        prop_assert_eq!(&line[found.digest], hex.as_bytes());
        // A name of nothing but white space is taken for none: the line then speaks of any file.
        if name.trim_ascii().is_empty() {
            prop_assert!(found.name.is_none() || found.name.as_deref() == Some(want));
        } else {
            prop_assert_eq!(found.name.as_deref(), Some(want));
        }
        let _any_answer = entry(&rest);
        let _any_answer = entries(&rest, None, &name);
    }
}

/// Rows with their definitions beside them; each folder is read once.
#[test]
fn tables_beside_their_rows() {
    let create = |table: &str| {
        format!(
            "/*!40101 SET NAMES utf8mb4 */;\nCREATE TABLE `{table}` (`id` int, `of` int REFERENCES `users` (`id`));\n"
        )
    };
    let (users, orders, other) = (create("users"), create("The Orders"), create("x"));
    let dump = format!("{users}INSERT INTO `dump` VALUES (1,1);\n");
    let names = Names::new(&[
        ("tab/users.sql", &users),
        ("tab/users.txt", ""),
        ("tab/The@0020Orders.sql", &orders),
        ("tab/The@0020Orders.txt.gz", ""),
        ("tab/dump.sql", &dump),
        ("tab/dump.txt", ""),
        ("tab/y.sql", &other),
        ("tab/y.txt", ""),
        ("tab/none.txt", ""),
        ("tab/users.csv", ""),
        ("cut/users.sql", &users[..users.len() - 3]),
        ("cut/users.txt", ""),
    ]);
    let tabs = tab::Tabs::default();
    let of = |path: &str| tabs.of(&names, &Path::new("/").join(path)).unwrap();
    let count = |path: &str| of(path).map(|ddl| ddl.schema(ddl.kind()).tables.len());
    assert_eq!(count("tab/users.txt"), Some(2));
    #[cfg(feature = "gzip")]
    assert_eq!(count("tab/The@0020Orders.txt.gz"), Some(2));
    for none in ["tab/dump.txt", "tab/y.txt", "tab/none.txt", "tab/users.csv", "tab/users.sql"] {
        assert_eq!(count(none), None, "{none}");
    }
    assert_eq!(names.listings.get(), 1);
    // One that is cut is nobody else's: its rows are refused, and not read as some other text.
    assert_eq!(count("cut/users.txt"), Some(0));
}
