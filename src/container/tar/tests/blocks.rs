//! Headers and members made by hand.

use crate::container::tar::header::{self, BLOCK};
use crate::container::tar::pax;

pub const GNU: &[u8] = b"ustar  \0";
pub const POSIX: &[u8] = b"ustar\x0000";
pub const OLD: &[u8] = b"\0\0\0\0\0\0\0\0";

/// A header with a right checksum.
pub fn head(magic: &[u8], kind: u8, name: &[u8], size: &[u8]) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    block[..name.len()].copy_from_slice(name);
    block[100..108].copy_from_slice(b"0000644\0");
    block[header::SIZE.start..][..size.len()].copy_from_slice(size);
    block[header::TYPE] = kind;
    block[header::MAGIC].copy_from_slice(magic);
    sum(&mut block);
    block
}

pub fn sum(block: &mut [u8]) {
    block[header::CHECKSUM].fill(b' ');
    let sum: u32 = block[..BLOCK].iter().map(|b| u32::from(*b)).sum();
    block[header::CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// A header and its payload, filled up with NULs.
pub fn member(magic: &[u8], kind: u8, name: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut all = head(magic, kind, name, format!("{:011o}\0", payload.len()).as_bytes());
    all.extend_from_slice(payload);
    all.resize(all.len() + header::padding(payload.len() as u64), 0);
    all
}

pub fn ended(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), vec![0; 1024]].concat()
}

pub fn records(list: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (key, value) in list {
        pax::put(&mut body, key.as_bytes(), value);
    }
    member(POSIX, b'x', b"PaxHeaders/x", &body)
}
