//! Checksum files: which names are such, and the lines in them.
//!
//! A *sidecar* is named as one file with an extension more (`x.log.sha256`); a *list* has many files' checksums (`SHA256SUMS`).
//! Lines are those of coreutils (`<hex>  <name>`, with `*` before a binary's name, escaped names with `\` in front), of BSD
//! (`SHA256 (<name>) = <hex>`), and a bare digest; a line may end with a NUL (`sha256sum -z`). What a digest is of is told by its length and, as the file is rewritten, by
//! its value: it must be that of the file.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::ops::Range;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::Folders;
use crate::blob::Blob;
use crate::error::{Error, Kind, Result};

/// Names of one list that are remembered, 16 bytes each. A list with more stands beside everything at and below it.
pub const MAX_NAMES: usize = 1 << 22;
/// Most bytes of a list that are read for its names; a longer one may have any.
const MAX_LIST: u64 = 1 << 30;
/// Most lists of one folder; with more, the rest may have any name.
pub const MAX_LISTS: usize = 256;
/// Longest checksum file that is rewritten, bytes: it is read as a whole.
pub const MAX_BYTES: u64 = 64 << 20;
/// Longest line of a list: a name of 4 KiB, escaped, and a digest.
const MAX_LINE: u64 = 16 << 10;

/// A kind of sidecar.
#[derive(Debug)]
pub struct Sidecar {
    /// Its extensions, with their dot.
    pub spellings: &'static [&'static str],
    /// The manifest's reason.
    pub reason: &'static str,
}

macro_rules! sidecars {
    ($($shown:literal: $($spelling:literal)*;)*) => {
        /// Every kind.
        pub static SIDECARS: &[Sidecar] =
            &[$(Sidecar { spellings: &[$($spelling),*], reason: concat!("checksum beside it (", $shown, ")") }),*];
    };
}

sidecars! {
    ".sha256": ".sha256" ".sha256sum" ".SHA256";
    ".sha512": ".sha512" ".sha512sum" ".SHA512";
    ".sha1": ".sha1" ".sha1sum" ".SHA1" ".sha";
    ".md5": ".md5" ".md5sum" ".MD5";
    ".sha384": ".sha384" ".sha384sum";
    ".sha224": ".sha224" ".sha224sum";
    ".b2": ".b2" ".b2sum";
    ".b3": ".b3" ".b3sum";
}

/// The kind of sidecar that `name` is, and the name of the file that it would be about.
pub fn sidecar(name: &[u8]) -> Option<(&'static Sidecar, &[u8])> {
    SIDECARS.iter().find_map(|sidecar| {
        let stem = sidecar.spellings.iter().find_map(|end| name.strip_suffix(end.as_bytes()));
        stem.filter(|stem| !stem.is_empty()).map(|stem| (sidecar, stem))
    })
}

/// The reason, if `name` is that of a list: `SHA256SUMS`, `md5sum.txt`, `checksums.txt`, `tool_1.0_checksums.txt`, and
/// `manifest-sha256.txt` of a bag (RFC 8493).
pub fn list_named(name: &[u8]) -> Option<&'static str> {
    const ALGORITHMS: [(&str, &str); 8] = [
        ("sha256", "checksum beside it (SHA256SUMS)"),
        ("sha512", "checksum beside it (SHA512SUMS)"),
        ("sha1", "checksum beside it (SHA1SUMS)"),
        ("md5", "checksum beside it (MD5SUMS)"),
        ("sha384", "checksum beside it (SHA384SUMS)"),
        ("sha224", "checksum beside it (SHA224SUMS)"),
        ("b2", "checksum beside it (B2SUMS)"),
        ("b3", "checksum beside it (B3SUMS)"),
    ];
    let name = name.to_ascii_lowercase();
    let stem = name.strip_suffix(b".txt").unwrap_or(&name);
    for (algorithm, reason) in ALGORITHMS {
        let rest = stem.strip_prefix(algorithm.as_bytes());
        let bag = [&b"manifest-"[..], b"tagmanifest-"]
            .iter()
            .any(|start| stem.strip_prefix(*start) == Some(algorithm.as_bytes()));
        if matches!(rest, Some(b"sum" | b"sums")) || bag {
            return Some(reason);
        }
    }
    let plain = matches!(stem, b"checksum" | b"checksums");
    let after = [&b"_checksums"[..], b"-checksums", b".checksums"].iter().any(|end| stem.ends_with(end));
    (plain || after).then_some("checksum beside it (checksums.txt)")
}

/// Whether `name` is that of a checksum file of any kind. BLAKE's are known and not made anew: with `--break-checksums` their
/// files fail, since the digest is not the one of their length.
pub fn is_sums(name: &[u8]) -> bool {
    list_named(name).is_some() || sidecar(name).is_some()
}

/// A list of checksums: the names that it has.
pub struct List {
    pub(super) name: OsString,
    pub(super) reason: &'static str,
    /// `None`: too many, or it cannot be read; then it may have any.
    names: Option<HashSet<[u8; 16]>>,
}

impl List {
    /// Reads the names of a list in `folder`.
    pub(super) fn read(folders: &dyn Folders, folder: &Path, name: OsString, reason: &'static str) -> Self {
        let names = folders.open(&folder.join(&name)).ok().and_then(|blob| names(&*blob).ok()).flatten();
        Self { name, reason, names }
    }

    /// A list of which nothing is known.
    pub(super) fn any(name: OsString, reason: &'static str) -> Self {
        Self { name, reason, names: None }
    }

    /// Whether it has the file with this way from its folder.
    pub(super) fn has(&self, way: &[u8]) -> bool {
        use std::os::unix::ffi::OsStrExt;
        // A list that cannot be read does not stand beside itself.
        self.names.as_ref().map_or(way != self.name.as_bytes(), |names| names.contains(&key(way)))
    }
}

fn key(way: &[u8]) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::digest(way).into();
    digest.first_chunk().copied().unwrap_or_default()
}

fn names(blob: &dyn Blob) -> Result<Option<HashSet<[u8; 16]>>> {
    if blob.len() > MAX_LIST {
        return Ok(None);
    }
    let mut input = BufReader::with_capacity(1 << 16, Bytes { blob, at: 0 });
    let (mut names, mut line) = (HashSet::new(), Vec::new());
    loop {
        line.clear();
        let n = input
            .by_ref()
            .take(MAX_LINE)
            .read_until(b'\n', &mut line)
            .map_err(|e| Error::io("reading checksums", &e))?;
        if n == 0 {
            return Ok(Some(names));
        }
        // A list that ends its lines with NULs may be one long line.
        let cut = n as u64 == MAX_LINE && !line.ends_with(b"\n");
        for piece in line.split(|b| *b == 0) {
            if let Some(Entry { name: Some(name), .. }) = entry(piece) {
                names.insert(key(&name));
            }
        }
        if names.len() >= MAX_NAMES || cut {
            return Ok(None);
        }
    }
}

/// A blob as a stream.
struct Bytes<'b> {
    blob: &'b dyn Blob,
    at: u64,
}

impl Read for Bytes<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        if self.at >= self.blob.len() {
            return Ok(0);
        }
        let n = self.blob.read_at(self.at, buf)?;
        self.at += n as u64;
        Ok(n)
    }
}

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where in the line the digest's hex digits stand.
    pub digest: Range<usize>,
    /// The file's name without `./`, escapes undone; `None` for a bare digest.
    pub name: Option<Vec<u8>>,
}

/// What a line says, if it has a digest.
pub fn entry(line: &[u8]) -> Option<Entry> {
    let end = line.iter().rposition(|b| !matches!(b, b'\n' | b'\r' | 0)).map_or(0, |at| at + 1);
    let text = line.get(..end)?;
    // A byte order mark, as PowerShell writes it.
    let skip = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let escaped = text.get(skip) == Some(&b'\\');
    let start = skip + usize::from(escaped);
    let digits = text.get(start..)?.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let rest = text.get(start + digits..)?;
    if is_length(digits) && rest.first().is_none_or(u8::is_ascii_whitespace) {
        // `<hex>  <name>`, `<hex> *<name>`; some write one space or a tab.
        let name = rest.get(1..).unwrap_or_default();
        let name = name.strip_prefix(b" ").or_else(|| name.strip_prefix(b"*")).unwrap_or(name);
        let name = (!name.trim_ascii().is_empty()).then(|| plain(name, escaped));
        return Some(Entry { digest: start..start + digits, name });
    }
    // `SHA256 (<name>) = <hex>`.
    let open = text.iter().position(|b| *b == b'(')?;
    let close = text.windows(4).rposition(|window| window == b") = ")?;
    let digest = close + 4..text.len();
    let hex = text.get(digest.clone())?;
    let named = text.get(open + 1..close)?;
    (is_length(hex.len()) && hex.iter().all(u8::is_ascii_hexdigit))
        .then(|| Entry { digest, name: Some(plain(named, escaped)) })
}

/// Hex digits of MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512.
fn is_length(digits: usize) -> bool {
    matches!(digits, 32 | 40 | 56 | 64 | 96 | 128)
}

/// A name without `./` and escapes (coreutils: `\n`, `\r`, `\\`).
fn plain(name: &[u8], escaped: bool) -> Vec<u8> {
    let mut name = name;
    while let Some(rest) = name.strip_prefix(b"./") {
        name = rest;
    }
    if !escaped {
        return name.to_vec();
    }
    let (mut out, mut bytes) = (Vec::with_capacity(name.len()), name.iter());
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => out.extend(bytes.next().map(|next| match next {
                b'n' => b'\n',
                b'r' => b'\r',
                other => *other,
            })),
            other => out.push(*other),
        }
    }
    out
}

/// Places in a checksum file that hold the digest of one file.
pub fn entries(text: &[u8], listed: Option<&[u8]>, own: &[u8]) -> Result<Vec<Range<usize>>> {
    let (mut at, mut all) = (0, Vec::new());
    for line in text.split_inclusive(|b| matches!(b, b'\n' | 0)) {
        if let Some(entry) = entry(line) {
            all.push((entry.digest.start + at..entry.digest.end + at, entry.name));
        }
        at += line.len();
    }
    let one = all.len() == 1;
    let is_own = |name: &Option<Vec<u8>>| match (listed, name) {
        (Some(listed), name) => name.as_deref() == Some(listed),
        // A sidecar is about its file, wherever it was made.
        (None, None) => true,
        (None, Some(name)) => one || name.rsplit(|b| *b == b'/').next() == Some(own),
    };
    let found: Vec<_> = all.into_iter().filter(|(_, name)| is_own(name)).map(|(place, _)| place).collect();
    if found.is_empty() {
        return Err(Error::new(Kind::Damaged, "the checksum beside it cannot be read"));
    }
    Ok(found)
}
