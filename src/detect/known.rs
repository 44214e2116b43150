//! What is known by its magic or its name, read or not.
//!
//! A magic stands here also for what this build may read, so that a feature that is left out makes a stream `unsupported` by
//! name. Magics are taken from the formats' own documents; each is long or odd enough that no text starts with it.

use crate::layer::coded::strip_suffix_fold;

/// A codec, container or store.
#[derive(Debug)]
pub struct Known {
    /// Its name.
    pub name: &'static str,
    /// The reason of a stream that is named so and is not.
    pub says: &'static str,
    /// `codec`, `container`, `store` or `encrypted`.
    pub kind: &'static str,
    /// Extensions, lower case, with their dot. Only such as nothing else has: `.db` and `.dump` say nothing.
    pub extensions: &'static [&'static str],
    /// Whether a stream with these first bytes is one.
    pub sniff: fn(&[u8]) -> bool,
    /// One line that describes it.
    pub what: &'static str,
}

/// The name of what is encrypted, however it is.
pub const ENCRYPTED: &str = "encrypted";

macro_rules! known {
    ($($kind:literal $name:literal [$($extension:literal)*] $what:literal $sniff:expr;)*) => {
        /// Everything that is known by its magic, in the order in which it is tried.
        pub static KNOWN: &[Known] = &[$(Known {
            name: $name,
            says: concat!("name says ", $name),
            kind: $kind,
            extensions: &[$($extension),*],
            sniff: $sniff,
            what: $what,
        }),*];
    };
}

known! {
    "codec" "gzip" [".gz" ".tgz" ".taz"] "any number of members" |h| h.starts_with(b"\x1f\x8b");
    "codec" "zstd" [".zst" ".zstd" ".tzst"] "any frames" is_zstd;
    "codec" "bzip2" [".bz2" ".tbz2" ".tbz"] "any streams" is_bzip2;
    "codec" "xz" [".xz" ".txz"] "any streams" |h| h.starts_with(b"\xfd7zXZ\0");
    "codec" "lzma" [".lzma"] "the format before xz" is_lzma;
    "codec" "lz4" [".lz4" ".tlz4"] "frames" |h| h.starts_with(b"\x04\x22\x4d\x18") || h.starts_with(b"\x02\x21\x4c\x18");
    "codec" "snappy" [".sz" ".snappy"] "framed" |h| h.starts_with(b"\xff\x06\0\0sNaPpY");
    "container" "tar" [".tar"] "ustar, PAX, GNU long names and sparse" |h| h.get(257..262) == Some(b"ustar");
    "container" "zip" [".zip"] "stored, deflate, zstd" is_zip;
    "container" "7z" [".7z"] "7-Zip archives" |h| h.starts_with(b"7z\xbc\xaf\x27\x1c");
    "container" "rar" [".rar"] "RAR archives" |h| h.starts_with(b"Rar!\x1a\x07");
    "container" "pg_dump custom" [] "`pg_dump -Fc`, `-Ft` and folders of `-Fd`, versions 1.12 to 1.16; rows of COPY or INSERT, large objects" |h| h.starts_with(b"PGDMP");
    "container" "cpio" [".cpio"] "cpio archives" is_cpio;
    "container" "ar" [".a" ".deb"] "ar archives, Debian packages" |h| h.starts_with(b"!<arch>\n");
    "container" "warc" [".warc"] "web archives" |h| h.starts_with(b"WARC/");
    "store" "parquet" [".parquet"] "Apache Parquet" is_parquet;
    "store" "compiled registry" [".unwr"] "what `registry compile` made" |h| h.starts_with(b"UNWR") && h.get(5..8) == Some(b"\r\n\x1a");
    "store" "sqlite" [".sqlite" ".sqlite3"] "SQLite database files, their logs and journals" is_sqlite;
    "store" "bson" [".bson"] "mongodump" is_bson;
    "store" "avro" [".avro"] "Apache Avro object files" |h| h.starts_with(b"Obj\x01");
    "store" "redis rdb" [".rdb"] "Redis snapshots" |h| h.starts_with(b"REDIS0");
    "store" "redis aof" [".aof"] "Redis append-only files" is_redis_aof;
    "store" "orc" [".orc"] "Apache ORC" |h| h.starts_with(b"ORC") && h.get(3).is_some_and(|b| *b < 0x20);
    "encrypted" "encrypted" [] "age, OpenPGP, OpenSSL, LUKS, Ansible Vault" is_encrypted;
}

/// A record format that is known and not read.
#[derive(Debug)]
pub struct Later {
    /// Its name.
    pub name: &'static str,
    /// `records` or `text`.
    pub kind: &'static str,
    /// Extensions that its files have.
    pub extensions: &'static [&'static str],
    /// One line that describes it.
    pub what: &'static str,
}

/// The name of text in units of two bytes that is not to be decoded: its order of bytes is not clear, or it is hardly text.
pub const UTF_16: &str = "utf-16 text";
/// The name of text in units of four bytes.
pub const UTF_32: &str = "utf-32 text";

/// The name of rows that `mysqldump --xml` and `mysql --xml` write.
pub const MYSQL_XML: &str = "mysqldump xml";

/// Record formats that are known and not read.
pub static LATER: &[Later] = &[
    Later { name: UTF_32, kind: "text", extensions: &[], what: "text in units of four bytes" },
    Later { name: MYSQL_XML, kind: "records", extensions: &[], what: "rows in XML, columns named by attributes" },
];

/// Frames (RFC 8878 §3.1.1) and skippable frames (§3.1.2).
fn is_zstd(head: &[u8]) -> bool {
    head.starts_with(b"\x28\xb5\x2f\xfd") || matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// The level, then a block's or the stream end's magic (the digits of π and of its root).
fn is_bzip2(head: &[u8]) -> bool {
    let magic = head.get(4..10);
    head.starts_with(b"BZh")
        && (magic == Some(b"\x31\x41\x59\x26\x53\x59") || magic == Some(b"\x17\x72\x45\x38\x50\x90"))
}

/// The usual properties, a dictionary of 4 KiB or more that is a power of two or half as much again, and a length that is not
/// told or below 256 GiB (`xz`'s own test).
fn is_lzma(head: &[u8]) -> bool {
    let &[0x5d, a, b, c, d, ref rest @ ..] = head else { return false };
    let dictionary = u32::from_le_bytes([a, b, c, d]);
    let round = dictionary.is_power_of_two() || (dictionary.count_ones() == 2 && dictionary & (dictionary >> 1) != 0);
    let len = rest.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    rest.len() > 8 && dictionary >= 4096 && (round || dictionary == u32::MAX) && (len == u64::MAX || len < 1 << 38)
}

/// A member, an empty archive, or a split one.
fn is_zip(head: &[u8]) -> bool {
    [b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"].iter().any(|magic| head.starts_with(*magic))
}

/// New ASCII with and without checksums, old ASCII; the octal or hex digits after it tell it from a number.
fn is_cpio(head: &[u8]) -> bool {
    let magic = [b"070701", b"070702", b"070707"].iter().any(|magic| head.starts_with(*magic));
    magic && head.get(6..76).is_some_and(|header| header.iter().all(u8::is_ascii_hexdigit))
}

/// The magic, plain or with an encrypted footer, and then no text.
fn is_parquet(head: &[u8]) -> bool {
    let text = |b: &u8| *b >= 0x20 || b.is_ascii_whitespace();
    (head.starts_with(b"PAR1") || head.starts_with(b"PARE")) && !head.iter().skip(4).take(4).all(text)
}

/// A database, its write-ahead log, or its rollback journal.
fn is_sqlite(head: &[u8]) -> bool {
    head.starts_with(b"SQLite format 3\0")
        || matches!(head, [0x37, 0x7f, 0x06, 0x82 | 0x83, ..])
        || head.starts_with(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7")
}

/// A document's length, at most 16 MiB and a little, then an element's type and its name; a mongodump archive.
fn is_bson(head: &[u8]) -> bool {
    let &[a, b, c, d, kind, ref rest @ ..] = head else {
        return false;
    };
    let len = u32::from_le_bytes([a, b, c, d]);
    if head.starts_with(b"\x6d\xe2\x99\x81") || (len == 5 && kind == 0) {
        return true;
    }
    let name = rest.iter().position(|b| *b == 0).and_then(|end| rest.get(..end)).unwrap_or_default();
    let named = !name.is_empty() && name.len() < 256 && name.iter().all(|b| !b.is_ascii_control());
    let ends = usize::try_from(len).ok().and_then(|len| head.get(len.checked_sub(1)?)).is_none_or(|last| *last == 0);
    (8..0x0100_4000).contains(&len) && matches!(kind, 1..=0x13 | 0x7f | 0xff) && named && ends
}

/// `*2\r\n$6\r\nSELECT…`: the command's parts, each with its length, which an edit in text would break.
fn is_redis_aof(head: &[u8]) -> bool {
    let number = |text: &[u8], sign: u8| {
        let digits = text.get(1..)?.iter().take_while(|b| b.is_ascii_digit()).count();
        let fits = text.first() == Some(&sign)
            && (1..8).contains(&digits)
            && text.get(1 + digits..3 + digits) == Some(b"\r\n");
        fits.then_some(3 + digits)
    };
    number(head, b'*').is_some_and(|len| number(head.get(len..).unwrap_or_default(), b'$').is_some())
}

fn is_encrypted(head: &[u8]) -> bool {
    const STARTS: [&[u8]; 7] = [
        b"age-encryption.org/",
        b"-----BEGIN AGE ENCRYPTED FILE-----",
        b"-----BEGIN PGP MESSAGE-----",
        b"Salted__",
        b"LUKS\xba\xbe",
        b"$ANSIBLE_VAULT;",
        b"\0GITCRYPT\0",
    ];
    STARTS.iter().any(|start| head.starts_with(start)) || is_openpgp(head)
}

/// A packet with an encrypted session key (RFC 9580 §5.1, §5.3), in the old and the new packet format.
fn is_openpgp(head: &[u8]) -> bool {
    matches!(
        head,
        [0x84, _, 3, ..]
            | [0x85, _, _, 3, ..]
            | [0xc1, 0..=191, 3 | 6, ..]
            | [0xc1, 192..=223, _, 3 | 6, ..]
            | [0x8c, _, 4 | 5, 1..=10, ..]
            | [0xc3, _, 4..=6, 1..=30, ..]
    )
}

/// Whether a stream with the name of `known` may be one without its magic: an empty collection or append-only file, and one
/// that starts with a snapshot or an annotation.
pub fn may_be(known: &Known, head: &[u8]) -> bool {
    match known.name {
        "bson" => head.is_empty(),
        "redis aof" => head.is_empty() || head.starts_with(b"REDIS0") || head.starts_with(b"#TS:"),
        _ => false,
    }
}

/// Whether a name says that what is no text is encrypted.
pub fn names_encrypted(name: &[u8]) -> bool {
    [".age", ".gpg", ".pgp", ".enc"].iter().any(|extension| strip_suffix_fold(name, extension.as_bytes()).is_some())
}

/// Whether a stream is of a kind that may look like text and must not be edited as text, or is nobody's log.
pub fn is_opaque(head: &[u8]) -> bool {
    const STARTS: [&[u8]; 15] = [
        b"%PDF-",
        b"\x7fELF",
        b"\x89PNG\r\n",
        b"\xff\xd8\xff",
        b"GIF87a",
        b"GIF89a",
        b"OggS\0",
        b"ID3\x03",
        b"fLaC\0",
        b"\0asm",
        b"wOF2",
        b"\xd0\xcf\x11\xe0",
        b"PACK\0\0\0",
        b"LPKSHHRH",
        b"\x1f\x9d",
    ];
    STARTS.iter().any(|start| head.starts_with(start)) || (head.starts_with(b"\0") && head.get(4..8) == Some(b"ftyp"))
}
