//! The search: identifiers in, hits out.
//!
//! [`Needles`] is what a registry comes to at the run's "now": distinct values, and who claims them. An [`Engine`] finds them.
//! There are two, written independently from the SPEC and held to each other by tests: [`literal`] (aho-corasick: what
//! `scan` and `scrub` use) and [`reference`](mod@reference) (portable and plain: what the `verify` verb and `--verify paranoid` use).
//! Engines know values, boundaries, identifying fields and spellings; they know no formats, subjects or actions.

pub mod boundary;
pub mod classes;
pub mod column;
pub mod literal;
pub mod mask;
pub mod names;
pub mod needles;
pub mod reference;
pub mod spelling;
pub mod values;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub use self::needles::{Claim, Needles, Subject};
pub use self::values::{ValueRef, Values};
use crate::policy::Fields;
use crate::record::Field;

/// Type of an identifier (SPEC "Identifier types").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Type {
    /// An e-mail address.
    Email,
    /// A UUID.
    Uuid,
    /// An IPv4 or IPv6 address.
    Ip,
    /// A phone number.
    Phone,
    /// An opaque id.
    Token,
    /// The whole value of an identifying field, by case.
    UserId,
    /// The whole value of an identifying field, without case.
    Username,
    /// These bytes, anywhere.
    Literal,
}

impl Type {
    /// All types, in the order of the SPEC's table.
    pub const ALL: [Type; 8] =
        [Type::Email, Type::Uuid, Type::Ip, Type::Phone, Type::Token, Type::UserId, Type::Username, Type::Literal];

    /// The name in registries and policies.
    pub fn name(self) -> &'static str {
        match self {
            Type::Email => "email",
            Type::Uuid => "uuid",
            Type::Ip => "ip",
            Type::Phone => "phone",
            Type::Token => "token",
            Type::UserId => "user_id",
            Type::Username => "username",
            Type::Literal => "literal",
        }
    }

    /// The type of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }

    /// Whether its values count anywhere, and not only in identifying fields.
    pub fn anywhere(self) -> bool {
        !matches!(self, Type::UserId | Type::Username)
    }
}

/// Index of a distinct value in [`Needles`].
pub type ValueId = u32;
/// Index of a subject in [`Needles`].
pub type SubjectId = u32;

/// One distinct value, by itself. Canonical bytes: e-mail and username in ASCII lower case; uuid 32 lower-case hex digits; ip the 16
/// bytes of its IPv6 form (IPv4 as `::ffff:a.b.c.d`); phone its digits without `+` or `00`; the others as written.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Value {
    /// Its type.
    pub kind: Type,
    /// Canonical bytes.
    pub bytes: Box<[u8]>,
    /// As the registry wrote it (trimmed), for masking names where the raw bytes occur; empty if equal to `bytes`.
    pub written: Box<[u8]>,
}

impl fmt::Debug for Value {
    /// Never the value (P4).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({}, {} bytes)", self.kind.name(), self.bytes.len())
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        use zeroize::Zeroize;
        self.bytes.zeroize();
        self.written.zeroize();
    }
}

/// How a stretch of text is spelled (SPEC "Spellings").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Spelling {
    /// `%40`
    Percent,
    /// `\u0040`, `\n`, `\/`
    Json,
    /// `&#64;`, `&commat;`
    Html,
    /// `=40`, soft line breaks
    Qp,
    /// UTF-16, the low byte first; a variant
    Utf16Le,
    /// UTF-16, the high byte first; a variant
    Utf16Be,
}

impl Spelling {
    /// The four that are always searched.
    pub const ALL: [Spelling; 4] = [Spelling::Percent, Spelling::Json, Spelling::Html, Spelling::Qp];
}

/// The decodings that lead from the raw text to the level at which a hit stands, outermost first; at most three.
///
/// Of a hit inside Base64, and of a digest, the decodings that lead to the text in which the whole token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Chain {
    steps: [Option<Spelling>; 3],
    opaque: bool,
}

impl Chain {
    /// No decodings.
    pub const NONE: Self = Self { steps: [None; 3], opaque: false };

    /// The chain with one more decoding, or `None` past the depth.
    pub fn then(mut self, spelling: Spelling) -> Option<Self> {
        if !self.opaque {
            let slot = self.steps.iter_mut().find(|s| s.is_none())?;
            *slot = Some(spelling);
        }
        Some(self)
    }

    /// The chain of what stands in a token that hides it: Base64 or a digest. No decoding is added to it.
    #[must_use]
    pub fn inside_token(self) -> Self {
        Self { opaque: true, ..self }
    }

    /// Whether the hit is a token that hides the value, and goes as a whole.
    pub fn is_token(&self) -> bool {
        self.opaque
    }

    /// The decodings, outermost first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Spelling> + '_ {
        self.steps.iter().filter_map(|s| *s)
    }

    /// Number of decodings.
    pub fn depth(&self) -> usize {
        self.iter().count()
    }
}

/// One occurrence of a value in a unit of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Which value.
    pub value: ValueId,
    /// Raw bytes of the unit that spell it (for phones with a leading `+` or `00`; for fields the whole scalar's text; for what
    /// stands in Base64, and for digests, the whole token).
    pub span: Range<usize>,
    /// How those bytes are spelled; empty for the raw text.
    pub chain: Chain,
}

/// The text in which a match may lie: one record, or several that soft line breaks join.
#[derive(Debug, Clone, Copy)]
pub struct Unit<'u> {
    /// Raw bytes.
    pub text: &'u [u8],
    /// Fields of its records, spans relative to `text`; empty for plain text.
    pub fields: &'u [Field<'u>],
    /// The table of its records, for the column `id` of user tables.
    pub table: Option<&'u str>,
}

/// A search engine over one set of needles.
pub trait Engine: Send + Sync {
    /// Adds to `found` raw ranges of `window`, in any order, such that every record of the window that has a hit overlaps
    /// one. False alarms are allowed and cost time; a miss is forbidden. Text hits are judged again in [`Engine::hits`].
    fn candidates(&self, window: &[u8], found: &mut Vec<Range<usize>>);

    /// Adds to `found` every hit in `unit`, sorted by start, then end, then value; each (value, span) once. Exact.
    ///
    /// A hit is an occurrence at any spelling level down to depth 3 whose boundaries hold in the text of that level, or a
    /// field named as identifying whose whole decoded text is the value. Of hits of ONE value whose spans overlap, the
    /// longest stands.
    fn hits(&self, unit: &Unit<'_>, found: &mut Vec<Hit>);

    /// The name in `--verify` and `registry check -v`.
    fn name(&self) -> &'static str;
}

/// What an engine is built from.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Who.
    pub needles: Arc<Needles>,
    /// Identifying fields, path words and variants.
    pub fields: Arc<Fields>,
}
