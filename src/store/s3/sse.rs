//! Keys that the customer keeps (SSE-C): sent with each request about the object, never stored by the service.

use std::fmt;

use md5::{Digest as _, Md5};
use zeroize::Zeroizing;

use crate::error::{Error, Kind, Result};

/// An AES-256 key (`--sse-c-key FILE`). `Debug` shows nothing of it.
#[derive(Clone)]
pub struct CustomerKey {
    /// As headers carry it.
    base64: Zeroizing<String>,
    md5: String,
}

impl fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerKey")
    }
}

/// The only algorithm that S3 knows for it.
pub(super) const ALGORITHM: &str = "AES256";
/// Bytes of a key.
const LEN: usize = 32;

impl CustomerKey {
    /// The key that a file of these bytes holds: 32 bytes as they are, or the Base64 or hex of them.
    pub fn parse(file: &[u8]) -> Result<Self> {
        let raw = if file.len() == LEN { Some(Zeroizing::new(file.to_vec())) } else { decode(file.trim_ascii()) };
        let raw = raw
            .filter(|raw| raw.len() == LEN)
            .ok_or_else(|| Error::new(Kind::Usage, "a customer's key is 32 bytes, or the Base64 or hex of 32 bytes"))?;
        let sum: [u8; 16] = Md5::digest(&raw).into();
        Ok(Self { base64: Zeroizing::new(encode(&raw)), md5: encode(&sum) })
    }

    pub(super) fn base64(&self) -> String {
        self.base64.as_str().to_owned()
    }

    pub(super) fn md5(&self) -> String {
        self.md5.clone()
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 (RFC 4648 §4). By hand: a crate for two short strings would be more.
fn encode(bytes: &[u8]) -> String {
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = ALPHABET.get((word >> (18 - 6 * place)) as usize & 63).copied().unwrap_or_default();
            out.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

fn decode(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(Vec::with_capacity(LEN));
    if text.len() == 2 * LEN {
        for pair in text.chunks(2) {
            let digit = |at: usize| char::from(*pair.get(at)?).to_digit(16);
            out.push((digit(0)? * 16 + digit(1)?) as u8);
        }
        return Some(out);
    }
    let (mut word, mut bits) = (0u32, 0);
    for byte in text.iter().copied().filter(|byte| *byte != b'=') {
        word = word << 6 | u32::try_from(ALPHABET.iter().position(|digit| *digit == byte)?).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((word >> bits) as u8);
            word &= (1 << bits) - 1;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_raw_base64_or_hex() {
        let raw: Vec<u8> = (0..32).collect();
        let base64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let hex = data_encoding::HEXLOWER.encode(&raw);
        for file in [raw.clone(), format!("{base64}\n").into_bytes(), hex.into_bytes()] {
            let key = CustomerKey::parse(&file).unwrap();
            assert_eq!(key.base64(), base64);
            // By Python's hashlib.
            assert_eq!(key.md5(), "tP/LI3N87DFaSk0aoqYgzg==");
            assert_eq!(format!("{key:?}"), "CustomerKey");
        }
        assert!(CustomerKey::parse(b"short").is_err());
        assert_eq!(encode(b"f"), "Zg==");
        assert_eq!(encode(b"fo"), "Zm8=");
    }
}
