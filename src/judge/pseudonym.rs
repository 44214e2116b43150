//! Pseudonyms: a person's lasting name once theirs is gone.
//!
//! 16 hex digits of HMAC-SHA-256 (RFC 2104) of the subject's reference under the run's key; the same person has one in every
//! artifact and run. Without the key nobody can tell who it was, and a digest of a guess proves nothing.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// Shortest key, bytes: as long as a half digest (RFC 2104 §3 recommends no less than the hash's length; 16 is refused below).
const SHORTEST_KEY: usize = 16;

/// The key for pseudonyms.
pub struct Key(Zeroizing<Vec<u8>>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.id())
    }
}

impl Key {
    /// A key of the bytes of `--key-file`, a final line end taken off; fewer than 16 bytes are refused.
    pub fn new(mut bytes: Vec<u8>) -> Result<Self> {
        while matches!(bytes.last(), Some(b'\n' | b'\r')) {
            bytes.pop();
        }
        if bytes.len() < SHORTEST_KEY {
            return Err(
                Error::usage("the key file holds fewer than 16 bytes").help("make one: head -c 32 /dev/urandom > KEY")
            );
        }
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// The id by which the manifest names it: 16 hex digits of the SHA-256 of a label and the key.
    pub fn id(&self) -> String {
        let digest = Sha256::new().chain_update(b"unwrite key id\0").chain_update(&*self.0).finalize();
        hex(digest.get(..8).unwrap_or_default())
    }

    /// The pseudonym of `subject`.
    pub fn pseudonym(&self, subject: &str) -> Pseudonym {
        let mut bytes = [0; 32];
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) {
            mac.update(subject.as_bytes());
            bytes.copy_from_slice(&mac.finalize().into_bytes());
        }
        Pseudonym(bytes)
    }
}

/// One subject's pseudonym, in the forms of the SPEC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pseudonym([u8; 32]);

impl Pseudonym {
    /// 16 hex digits.
    pub fn hex(&self) -> String {
        hex(self.0.get(..8).unwrap_or_default())
    }

    /// For free text.
    pub fn text(&self) -> String {
        format!("Deleted User #{}", self.hex())
    }

    /// For an e-mail address.
    pub fn email(&self) -> String {
        format!("deleted-{}@erased.invalid", self.hex())
    }

    /// For a token or user name.
    pub fn token(&self) -> String {
        format!("deleted-{}", self.hex())
    }

    /// For a UUID: version 8 (RFC 9562 §5.8), with dashes.
    pub fn uuid(&self) -> String {
        let mut b = [0u8; 16];
        b.iter_mut().zip(self.0).for_each(|(to, from)| *to = from);
        let [_, _, _, _, _, _, v, _, w, ..] = &mut b;
        {
            *v = *v & 0x0f | 0x80;
            *w = *w & 0x3f | 0x80;
        }
        let h = hex(&b);
        let part = |range: std::ops::Range<usize>| h.get(range).unwrap_or_default();
        format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
    }

    /// For an integer key: negative, of at most 31 bits, so that it fits the smallest usual key column.
    pub fn integer(&self) -> i64 {
        let mut n = 0i64;
        for byte in self.0.iter().take(8) {
            n = (n << 8 | i64::from(*byte)) & i64::MAX;
        }
        -(n % 0x7fff_ffff) - 1
    }
}

/// Lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _infallible = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_stable_and_valid() {
        let key = Key::new(b"0123456789abcdef\n".to_vec()).unwrap();
        let one = key.pseudonym("sub_01");
        assert_eq!(one, key.pseudonym("sub_01"));
        assert_ne!(one, key.pseudonym("sub_02"));
        assert_eq!(one.hex().len(), 16);
        // The independent oracle: printf sub_01 | openssl dgst -sha256 -hmac 0123456789abcdef
        assert_eq!(one.hex(), "72dd9e9e7df70cc7");
        assert_eq!(one.uuid().as_bytes()[14], b'8');
        assert!(matches!(one.uuid().as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
        assert!(one.integer() < 0 && one.integer() >= -(1 << 31));
        assert!(Key::new(b"short".to_vec()).is_err());
    }
}
