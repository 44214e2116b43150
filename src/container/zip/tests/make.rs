//! Archives written field by field (APPNOTE 6.3.10 §4.3).

use std::io::Write as _;

/// A member.
#[derive(Clone, Debug)]
pub struct Member {
    pub name: Vec<u8>,
    pub data: Vec<u8>,
    pub method: u16,
    pub flags: u16,
    /// A data descriptor: with its magic number, with 64 bits.
    pub descriptor: Option<(bool, bool)>,
    /// Beside a descriptor: the local header has the numbers too.
    pub filled: bool,
    /// Numbers in a zip64 field.
    pub zip64: bool,
    /// A further extra field of both headers.
    pub extra: Vec<u8>,
    pub comment: Vec<u8>,
    /// External attributes, with Unix as host.
    pub attributes: u32,
    /// NULs before it.
    pub gap: usize,
    /// The payload in place of what the method makes.
    pub packed: Option<Vec<u8>>,
}

pub fn member(name: &[u8], data: &[u8]) -> Member {
    Member {
        name: name.to_vec(),
        data: data.to_vec(),
        method: 8,
        flags: 0,
        descriptor: None,
        filled: false,
        zip64: false,
        extra: Vec::new(),
        comment: Vec::new(),
        attributes: 0o100_644 << 16,
        gap: 0,
        packed: None,
    }
}

/// An archive.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    pub members: Vec<Member>,
    /// The directory lists them from the last to the first.
    pub backwards: bool,
    pub prefix: Vec<u8>,
    /// Offsets count from the prefix's end.
    pub moved: bool,
    pub zip64: bool,
    /// The end record says only that there is a zip64 one.
    pub escaped: bool,
    pub comment: Vec<u8>,
    /// NULs at the end.
    pub padding: usize,
}

pub fn archive(members: &[Member]) -> Archive {
    Archive { members: members.to_vec(), ..Archive::default() }
}

fn deflate(data: &[u8], flags: u16) -> Vec<u8> {
    let level = [6, 9, 3, 1][usize::from(flags >> 1 & 3)];
    let mut out = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(level));
    out.write_all(data).unwrap();
    out.finish().unwrap()
}

impl Member {
    fn flags(&self) -> u16 {
        self.flags | u16::from(self.descriptor.is_some()) << 3
    }

    fn payload(&self) -> Vec<u8> {
        match (&self.packed, self.method) {
            (Some(packed), _) => packed.clone(),
            (None, 8) => deflate(&self.data, self.flags),
            #[cfg(feature = "zstd")]
            (None, 93) => zstd::encode_all(self.data.as_slice(), 3).unwrap(),
            (None, _) => self.data.clone(),
        }
    }

    /// From the version needed to the length of the extra fields, and these: what both headers have.
    fn common(&self, (crc, packed, plain): (u32, u64, u64), offset: Option<u64>) -> (Vec<u8>, Vec<u8>) {
        let mut extra = Vec::new();
        let mut out = Vec::new();
        for word in [20u16, self.flags(), self.method, 0x4001, 0x5b75] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&crc.to_le_bytes());
        if self.zip64 {
            out.extend_from_slice(&[0xff; 8]);
            let wide: Vec<u8> =
                [Some(plain), Some(packed), offset].into_iter().flatten().flat_map(u64::to_le_bytes).collect();
            extra = [&[1, 0, wide.len() as u8, 0], wide.as_slice()].concat();
        } else {
            out.extend_from_slice(&(packed as u32).to_le_bytes());
            out.extend_from_slice(&(plain as u32).to_le_bytes());
        }
        extra.extend_from_slice(&self.extra);
        for len in [self.name.len(), extra.len()] {
            out.extend_from_slice(&(len as u16).to_le_bytes());
        }
        (out, extra)
    }
}

impl Archive {
    /// With the coded payloads of deflated members as they stand in `made`, an archive of these members.
    pub fn with_payloads_of(&self, made: &[u8]) -> Self {
        let mut new = self.clone();
        let u32_at = |at: usize| u32::from_le_bytes(*made[at..].first_chunk().unwrap()) as usize;
        let u16_at = |at: usize| usize::from(u16::from_le_bytes(*made[at..].first_chunk().unwrap()));
        let end = memchr::memmem::rfind(made, b"PK\x05\x06").unwrap();
        let (mut at, count) = match memchr::memmem::rfind(made, b"PK\x06\x06").filter(|_| self.zip64) {
            Some(record) => (record - u32_at(record + 40), u32_at(record + 32)),
            None => (end - u32_at(end + 12), u16_at(end + 10)),
        };
        assert_eq!(count, self.members.len());
        let base = if self.moved { self.prefix.len() } else { 0 };
        for n in 0..count {
            let n = if self.backwards { count - n - 1 } else { n };
            let (name, extra, comment) = (u16_at(at + 28), u16_at(at + 30), u16_at(at + 32));
            let wide = at + 46 + name + 4;
            let member = &mut new.members[n];
            let (packed, offset) =
                if member.zip64 { (u32_at(wide + 8), u32_at(wide + 16)) } else { (u32_at(at + 20), u32_at(at + 42)) };
            let local = base + offset;
            let start = local + 30 + u16_at(local + 26) + u16_at(local + 28);
            if member.method == 8 {
                member.packed = Some(made[start..start + packed].to_vec());
            }
            at += 46 + name + extra + comment;
        }
        new
    }

    pub fn build(&self) -> Vec<u8> {
        let base = if self.moved { self.prefix.len() as u64 } else { 0 };
        let (mut out, mut entries) = (self.prefix.clone(), Vec::new());
        for member in &self.members {
            out.resize(out.len() + member.gap, 0);
            let offset = out.len() as u64 - base;
            let payload = member.payload();
            let numbers = (crc32fast::hash(&member.data), payload.len() as u64, member.data.len() as u64);
            let here = if member.descriptor.is_some() && !member.filled { (0, 0, 0) } else { numbers };
            let (head, extra) = member.common(here, None);
            out.extend_from_slice(&[b"PK\x03\x04", head.as_slice(), &member.name, &extra, &payload].concat());
            if let Some((magic, wide)) = member.descriptor {
                if magic {
                    out.extend_from_slice(b"PK\x07\x08");
                }
                out.extend_from_slice(&numbers.0.to_le_bytes());
                for size in [numbers.1, numbers.2] {
                    out.extend_from_slice(&size.to_le_bytes()[..if wide { 8 } else { 4 }]);
                }
            }
            let (head, extra) = member.common(numbers, Some(offset));
            let mut entry = [b"PK\x01\x02\x1e\x03", head.as_slice()].concat();
            entry.extend_from_slice(&(member.comment.len() as u16).to_le_bytes());
            entry.extend_from_slice(&[0; 4]);
            entry.extend_from_slice(&member.attributes.to_le_bytes());
            entry.extend_from_slice(&if member.zip64 { u32::MAX } else { offset as u32 }.to_le_bytes());
            entry.extend_from_slice(&[member.name.as_slice(), &extra, &member.comment].concat());
            entries.push(entry);
        }
        if self.backwards {
            entries.reverse();
        }
        self.end(&mut out, &entries, base);
        out
    }

    fn end(&self, out: &mut Vec<u8>, entries: &[Vec<u8>], base: u64) {
        let (start, count) = (out.len() as u64 - base, entries.len() as u64);
        out.extend_from_slice(&entries.concat());
        let size = out.len() as u64 - base - start;
        if self.zip64 {
            let at = out.len() as u64 - base;
            out.extend_from_slice(b"PK\x06\x06");
            out.extend_from_slice(&44u64.to_le_bytes());
            out.extend_from_slice(&[45, 3, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            for number in [count, count, size, start] {
                out.extend_from_slice(&number.to_le_bytes());
            }
            out.extend_from_slice(b"PK\x06\x07\0\0\0\0");
            out.extend_from_slice(&at.to_le_bytes());
            out.extend_from_slice(&1u32.to_le_bytes());
        }
        out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
        if self.escaped {
            out.extend_from_slice(&[0xff; 12]);
        } else {
            for count in [count; 2] {
                out.extend_from_slice(&(count as u16).to_le_bytes());
            }
            out.extend_from_slice(&(size as u32).to_le_bytes());
            out.extend_from_slice(&(start as u32).to_le_bytes());
        }
        out.extend_from_slice(&(self.comment.len() as u16).to_le_bytes());
        out.extend_from_slice(&self.comment);
        out.resize(out.len() + self.padding, 0);
    }
}

/// A field of extra data.
pub fn field(kind: u16, data: &[u8]) -> Vec<u8> {
    [kind.to_le_bytes().as_slice(), &(data.len() as u16).to_le_bytes(), data].concat()
}

/// The name in UTF-8, tied to `plain` (§4.6.9).
pub fn unicode_path(plain: &[u8], name: &[u8]) -> Vec<u8> {
    field(0x7075, &[&[1], crc32fast::hash(plain).to_le_bytes().as_slice(), name].concat())
}
