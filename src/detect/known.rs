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
    "container" "pg_dump custom" [] "`pg_dump -Fc`, versions 1.12 to 1.16; rows of COPY or INSERT, large objects" |h| h.starts_with(b"PGDMP");
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
