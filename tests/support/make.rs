//! Makers of test data: logs, compressed files, archives. Codecs are the libraries', not the project's.

use std::io::{Read, Write};

/// A log of one record for each text, a second apart.
pub fn log(texts: &[&str]) -> Vec<u8> {
    let line = |(i, text): (usize, &&str)| format!("2026-11-20T08:{:02}:{:02}Z INFO {text}\n", i / 60 % 60, i % 60);
    texts.iter().enumerate().map(line).collect::<String>().into_bytes()
}

/// A gzip file of one member, with a name and a time in its header.
pub fn gz(data: &[u8]) -> Vec<u8> {
    let mut out = flate2::GzBuilder::new()
        .filename("kept.log")
        .mtime(1_700_000_000)
        .write(Vec::new(), flate2::Compression::new(6));
    out.write_all(data).unwrap();
    out.finish().unwrap()
}

/// A gzip file of one member for each part.
pub fn multi_gz(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().flat_map(|part| gz(part)).collect()
}

/// All members of a gzip file, decoded.
pub fn un_gz(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::MultiGzDecoder::new(data).read_to_end(&mut out).unwrap();
    out
}

/// One zstd frame, with a checksum.
pub fn zst(data: &[u8]) -> Vec<u8> {
    let mut out = zstd::Encoder::new(Vec::new(), 3).unwrap();
    out.include_checksum(true).unwrap();
    out.write_all(data).unwrap();
    out.finish().unwrap()
}

/// All frames of a zstd file, decoded.
pub fn un_zst(data: &[u8]) -> Vec<u8> {
    zstd::decode_all(data).unwrap()
}

/// A tar of regular files.
pub fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    for (name, data) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(0o640);
        header.set_mtime(1_700_000_000);
        out.append_data(&mut header, name, *data).unwrap();
    }
    out.into_inner().unwrap()
}

/// A tar of one entry whose header is written byte by byte: for names and types that the library refuses.
pub fn raw_entry(name: &[u8], kind: u8, link: &[u8], data: &[u8]) -> Vec<u8> {
    let mut header = [0u8; 512];
    header[..name.len()].copy_from_slice(name);
    header[100..108].copy_from_slice(b"0000644\0");
    header[108..116].copy_from_slice(b"0001750\0");
    header[116..124].copy_from_slice(b"0001750\0");
    header[124..136].copy_from_slice(format!("{:011o}\0", data.len()).as_bytes());
    header[136..148].copy_from_slice(b"14524770400\0");
    header[156] = kind;
    header[157..157 + link.len()].copy_from_slice(link);
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut out = header.to_vec();
    out.extend_from_slice(data);
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

/// Entries made by [`raw_entry`], and the end.
pub fn raw_tar(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut out = entries.concat();
    out.resize(out.len() + 1024, 0);
    out
}

/// The members of a tar: name and data, in order.
pub fn untar(data: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(data);
    let read = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.unwrap();
        let mut data = Vec::new();
        entry.read_to_end(&mut data).unwrap();
        (String::from_utf8_lossy(&entry.path_bytes()).into_owned(), data)
    };
    archive.entries().unwrap().map(read).collect()
}

/// The lines of `text` that do not hold `what`.
pub fn without(text: &[u8], what: &str) -> Vec<u8> {
    let keep = |line: &&[u8]| !String::from_utf8_lossy(line).contains(what);
    text.split_inclusive(|b| *b == b'\n').filter(keep).flatten().copied().collect()
}
