//! What may stand next to a value: the last column of the SPEC's table of identifier types.
//!
//! Judged in the text of the level at which the value stands. The shapes that carry their boundary in their extent (IP
//! addresses, phone numbers) are judged where they are read (`literal::ip`, `literal::phone`); `user_id` and `username`
//! have no boundary but a field ([`super::names`]).

use super::Type;

/// Whether a value of `kind` at `[start, end)` of `text` is not part of something longer.
///
/// For `ip`, `phone`, `user_id` and `username` this is always true: see the module.
pub fn holds(kind: Type, text: &[u8], start: usize, end: usize) -> bool {
    let before = start.checked_sub(1).and_then(|i| text.get(i).copied());
    let after = text.get(end).copied();
    match kind {
        Type::Email => {
            !before.is_some_and(in_local)
                && match after {
                    Some(b'.') => !text.get(end + 1).is_some_and(u8::is_ascii_alphanumeric),
                    Some(byte) => !in_word(byte),
                    None => true,
                }
        }
        Type::Uuid => ![before, after].into_iter().flatten().any(|b| b.is_ascii_alphanumeric()),
        Type::Token => ![before, after].into_iter().flatten().any(in_word),
        Type::Ip | Type::Phone | Type::UserId | Type::Username | Type::Literal => true,
    }
}

/// A letter, a digit, `-` or `_`.
pub fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// A byte of an e-mail's local part: `A-Z a-z 0-9 . _ % + -`.
pub fn in_local(byte: u8) -> bool {
    in_word(byte) || matches!(byte, b'.' | b'%' | b'+')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stands(kind: Type, before: &str, value: &str, after: &str) -> bool {
        let text = format!("{before}{value}{after}");
        holds(kind, text.as_bytes(), before.len(), before.len() + value.len())
    }

    #[test]
    fn the_table_of_types() {
        let mail = |before, after| stands(Type::Email, before, "a@x.example", after);
        for before in ["", " ", "<", "\"", ":", "=", "/", "é", "@"] {
            assert!(mail(before, ""), "{before:?}");
        }
        for before in ["x", "Z", "9", ".", "_", "%", "+", "-"] {
            assert!(!mail(before, ""), "{before:?}");
        }
        for after in ["", " ", ">", ".", ". ", ".\n", "..", "._", "@", "+"] {
            assert!(mail("", after), "{after:?}");
        }
        for after in ["x", "9", "-", "_", ".a", ".9"] {
            assert!(!mail("", after), "{after:?}");
        }
        let id = "usr_8f3a9c21";
        assert!(stands(Type::Token, ".", id, "."));
        for (before, after) in [("x", ""), ("", "0"), ("_", ""), ("", "-")] {
            assert!(!stands(Type::Token, before, id, after));
        }
        let uuid = "9f1c2d3e-0000-4000-8000-00000000abcd";
        assert!(stands(Type::Uuid, "_{", uuid, "}"));
        assert!(stands(Type::Uuid, "-", uuid, "_"));
        assert!(!stands(Type::Uuid, "g", uuid, ""));
        assert!(!stands(Type::Uuid, "", uuid, "0"));
        assert!(stands(Type::Literal, "x", "zzz", "x"));
    }
}
