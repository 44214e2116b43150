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

/// Two bzip2 streams.
pub fn bz2(data: &[u8]) -> Vec<u8> {
    let one = |data: &[u8]| {
        let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::new(1));
        out.write_all(data).unwrap();
        out.finish().unwrap()
    };
    let (a, b) = data.split_at(data.len() / 2);
    [one(a), one(b)].concat()
}

/// All streams of a bzip2 file, decoded.
pub fn un_bz2(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    bzip2::read::MultiBzDecoder::new(data).read_to_end(&mut out).unwrap();
    out
}

/// An xz file of one stream with a small dictionary.
pub fn xz(data: &[u8]) -> Vec<u8> {
    use liblzma::stream::{Check, Filters, LzmaOptions, Stream};
    let mut filters = Filters::new();
    filters.lzma2(LzmaOptions::new_preset(0).unwrap().dict_size(4096));
    let stream = Stream::new_stream_encoder(&filters, Check::Crc64).unwrap();
    let mut out = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
    out.write_all(data).unwrap();
    out.finish().unwrap()
}

/// All streams of an xz file, decoded.
pub fn un_xz(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    liblzma::read::XzDecoder::new_multi_decoder(data).read_to_end(&mut out).unwrap();
    out
}

/// One lz4 frame of independent blocks, with a content checksum.
pub fn lz4(data: &[u8]) -> Vec<u8> {
    let descriptor = [0x64, 0x40];
    let check = (xxhash_rust::xxh32::xxh32(&descriptor, 0) >> 8) as u8;
    let mut out = [&[0x04, 0x22, 0x4d, 0x18], descriptor.as_slice(), &[check]].concat();
    for piece in data.chunks(64 * 1024) {
        let block = lz4_flex::block::compress(piece);
        let (len, block) =
            if block.len() < piece.len() { (block.len(), block.as_slice()) } else { (piece.len() | 1 << 31, piece) };
        out.extend_from_slice(&(len as u32).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&xxhash_rust::xxh32::xxh32(data, 0).to_le_bytes());
    out
}

/// A frame made of one of [`lz4`], decoded.
pub fn un_lz4(data: &[u8]) -> Vec<u8> {
    assert_eq!(&data[..6], &[0x04, 0x22, 0x4d, 0x18, 0x64, 0x40]);
    let (mut at, mut out) = (7, Vec::new());
    let word = |at: usize| u32::from_le_bytes(*data[at..].first_chunk().unwrap());
    while word(at) != 0 {
        let len = (word(at) & !(1 << 31)) as usize;
        let block = &data[at + 4..at + 4 + len];
        if word(at) >> 31 == 1 {
            out.extend_from_slice(block);
        } else {
            out.extend_from_slice(&lz4_flex::block::decompress(block, 64 * 1024).unwrap());
        }
        at += 4 + len;
    }
    assert_eq!((word(at + 4), at + 8), (xxhash_rust::xxh32::xxh32(&out, 0), data.len()));
    out
}

/// A framed snappy stream.
pub fn sz(data: &[u8]) -> Vec<u8> {
    let mut out = snap::write::FrameEncoder::new(Vec::new());
    out.write_all(data).unwrap();
    let out = out.into_inner().unwrap();
    // A stream of no chunk has no magic either.
    if out.is_empty() { b"\xff\x06\0\0sNaPpY".to_vec() } else { out }
}

/// A framed snappy stream, decoded.
pub fn un_sz(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    snap::read::FrameDecoder::new(data).read_to_end(&mut out).unwrap();
    out
}

/// A zip of regular files: deflated; with `streamed` by turns stored, with data descriptors.
pub fn zip(members: &[(&str, &[u8])], streamed: bool) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (n, (name, data)) in members.iter().enumerate() {
        let method = if streamed && n % 2 == 1 { 0u16 } else { 8 };
        let packed = if method == 0 {
            data.to_vec()
        } else {
            let mut out = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(6));
            out.write_all(data).unwrap();
            out.finish().unwrap()
        };
        let numbers = [crc32fast::hash(data), packed.len() as u32, data.len() as u32].map(u32::to_le_bytes).concat();
        let local = if streamed { vec![0; 12] } else { numbers.clone() };
        let offset = (out.len() as u32).to_le_bytes();
        let head = |numbers: &[u8]| {
            let words = [20, u16::from(streamed) << 3, method, 0x4001, 0x5b75].map(u16::to_le_bytes).concat();
            [words.as_slice(), numbers, &(name.len() as u32).to_le_bytes()].concat()
        };
        out.extend_from_slice(&[b"PK\x03\x04", head(&local).as_slice(), name.as_bytes(), &packed].concat());
        if streamed {
            out.extend_from_slice(&[b"PK\x07\x08", numbers.as_slice()].concat());
        }
        let tail = [[0u8; 4].as_slice(), &(0o100_640u32 << 16).to_le_bytes(), &offset, name.as_bytes()].concat();
        directory.extend_from_slice(&[b"PK\x01\x02\x1e\x03", head(&numbers).as_slice(), &[0; 2], &tail].concat());
    }
    let count = (members.len() as u16).to_le_bytes();
    let sizes = [directory.len() as u32, out.len() as u32].map(u32::to_le_bytes).concat();
    let end = [b"PK\x05\x06\0\0\0\0", count.as_slice(), &count, &sizes, &[0; 2]].concat();
    [out, directory, end].concat()
}

/// The members of a zip: name and data, in the directory's order.
pub fn unzip(zip: &[u8]) -> Vec<(String, Vec<u8>)> {
    let word = |at: usize| usize::from(u16::from_le_bytes(*zip[at..].first_chunk().unwrap()));
    let long = |at: usize| u32::from_le_bytes(*zip[at..].first_chunk().unwrap()) as usize;
    let end = zip.windows(4).rposition(|w| w == b"PK\x05\x06").unwrap();
    let (mut at, mut members) = (long(end + 16), Vec::new());
    for _ in 0..word(end + 10) {
        assert_eq!(&zip[at..at + 4], b"PK\x01\x02");
        let (name, local) = (&zip[at + 46..at + 46 + word(at + 28)], long(at + 42));
        let start = local + 30 + word(local + 26) + word(local + 28);
        let packed = &zip[start..start + long(at + 20)];
        let mut data = packed.to_vec();
        if word(at + 10) == 8 {
            data.clear();
            flate2::read::DeflateDecoder::new(packed).read_to_end(&mut data).unwrap();
        }
        assert_eq!((long(at + 16) as u32, long(at + 24)), (crc32fast::hash(&data), data.len()));
        members.push((String::from_utf8_lossy(name).into_owned(), data));
        at += 46 + word(at + 28) + word(at + 30) + word(at + 32);
    }
    members
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
