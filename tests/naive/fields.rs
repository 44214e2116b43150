//! Identifying fields in text (SPEC "Identifying fields"): names, the forms of a value behind them, paths.

use super::Naive;

const IDS: &str = "userid uid user accountid customerid memberid subjectid ownerid authorid createdby updatedby user.id \
    account.id customer.id member.id owner.id author.id actor.id enduser.id";
const USERS: &str = "username login user handle user.name";
const PATHS: &str = "users user u accounts account customers members profiles avatars";

/// Tells each value of an identifying field in `text` as (value, start, end).
pub fn find(naive: &Naive, text: &[u8], add: &mut dyn FnMut(usize, usize, usize)) {
    if naive.longest_name == 0 {
        return;
    }
    let (mut at, mut last) = (0, None);
    while at < text.len() {
        let end = at + text[at..].iter().take_while(|b| part_of_name(**b)).count();
        if end == at {
            if text[at] == b'/' {
                path(naive, text, at, add);
            }
            at += 1;
            continue;
        }
        field(naive, text, (at, end), add);
        // Two runs with one space between.
        if let Some((start, _)) = last.filter(|(_, stop)| *stop + 1 == at && text[*stop] == b' ') {
            field(naive, text, (start, end), add);
        }
        last = Some((at, end));
        at = end;
    }
}

fn part_of_name(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"_.-".contains(&b)
}

/// White space is ASCII's.
fn blank(b: u8) -> bool {
    b" \t\n\r\x0b\x0c".contains(&b)
}

fn get(text: &[u8], at: usize) -> u8 {
    text.get(at).copied().unwrap_or(0)
}

/// Who may be named by `name`: (user ids, user names).
fn named(name: &[u8]) -> (bool, bool) {
    let name: Vec<u8> = name.iter().filter(|b| !b"_- ".contains(b)).map(u8::to_ascii_lowercase).collect();
    // The whole path is the entry, or ends in a dot and the entry.
    let one = |list: &str| {
        list.split_ascii_whitespace().any(|entry| {
            name.strip_suffix(entry.as_bytes()).is_some_and(|before| before.last().is_none_or(|b| *b == b'.'))
        })
    };
    (one(IDS), one(USERS))
}

/// What stands behind the name in `start..end` of `text`.
fn field(naive: &Naive, text: &[u8], (start, end): (usize, usize), add: &mut dyn FnMut(usize, usize, usize)) {
    if !b"=: \">".contains(&get(text, end)) {
        return;
    }
    // No entry ends in another letter.
    let last = text[start..end].iter().rev().find(|b| !b"_-".contains(b));
    if last.is_none_or(|b| !b"dryne".contains(&b.to_ascii_lowercase())) {
        return;
    }
    let who = named(&text[start..end]);
    if who == (false, false) {
        return;
    }
    let opens = start.checked_sub(1).map_or(0, |before| text[before]);
    let mut value = |from: usize, least: usize| whole(naive, text, who, from, least, add);
    match (get(text, end), get(text, end + 1)) {
        (b'=', _) => value(end + 1, 0),
        (b':', next) => {
            value(end + 1, 0);
            if next == b' ' {
                value(end + 2, 0);
            }
        }
        (b' ', b'#') => value(end + 2, 4),
        (b' ', _) => value(end + 1, 4),
        // As JSON writes it, with blanks around the colon.
        (b'"', _) if opens == b'"' => {
            let blanks = |from: usize| text[from..].iter().take_while(|b| b" \t".contains(b)).count();
            let colon = end + 1 + blanks(end + 1);
            if get(text, colon) == b':' {
                value(colon + 1 + blanks(colon + 1), 0);
            }
        }
        (b'>', _) if opens == b'<' => {
            let len = text[end + 1..].iter().take(naive.longest_name + 1).position(|b| *b == b'<');
            if let Some(len) = len {
                lookup(naive, text, who, (end + 1, end + 1 + len), add);
            }
        }
        _ => {}
    }
}

/// The value at `from`, quoted or bare, of at least `least` characters.
fn whole(
    naive: &Naive,
    text: &[u8],
    who: (bool, bool),
    from: usize,
    least: usize,
    add: &mut dyn FnMut(usize, usize, usize),
) {
    let quote = get(text, from);
    let (start, end) = if quote == b'"' || quote == b'\'' {
        let len = text[from + 1..].iter().take(naive.longest_name + 1).position(|b| *b == quote);
        let Some(len) = len else { return };
        (from + 1, from + 1 + len)
    } else {
        let Some(end) = bare(naive, text, from) else { return };
        (from, end)
    };
    if String::from_utf8_lossy(&text[start..end]).chars().count() >= least {
        lookup(naive, text, who, (start, end), add);
    }
}

/// Where the bare value at `from` ends; `None` if it is longer than any value.
fn bare(naive: &Naive, text: &[u8], from: usize) -> Option<usize> {
    let ends = |b: u8| blank(b) || b",;&?/#\"'<>()[]{}|".contains(&b);
    let rest = text.get(from..)?;
    let most = naive.longest_name + 40;
    let len = rest.iter().take(most).take_while(|b| !ends(**b)).count();
    if len == most {
        return None;
    }
    let closes = rest.get(len).is_none_or(|b| blank(*b));
    let stop = closes && rest[..len].last().is_some_and(|b| b".:".contains(b));
    Some(from + len - usize::from(stop))
}

fn lookup(
    naive: &Naive,
    text: &[u8],
    who: (bool, bool),
    (start, end): (usize, usize),
    add: &mut dyn FnMut(usize, usize, usize),
) {
    if start == end {
        return;
    }
    let value = &text[start..end];
    if let Some(id) = naive.ids.get(value).filter(|_| who.0) {
        add(*id, start, end);
    }
    if let Some(user) = naive.users.get(&value.to_ascii_lowercase()).filter(|_| who.1) {
        add(*user, start, end);
    }
}

/// The segment behind the `/` at `at`, if that before it is one of the words.
fn path(naive: &Naive, text: &[u8], at: usize, add: &mut dyn FnMut(usize, usize, usize)) {
    let edge = |b: &u8| blank(*b) || b"/\"'".contains(b);
    let back = text[at.saturating_sub(40)..at].iter().rev().take_while(|b| !edge(b)).count();
    let word = String::from_utf8_lossy(&text[at - back..at]).to_ascii_lowercase();
    if !PATHS.split(' ').any(|path| path == word) {
        return;
    }
    let Some(end) = bare(naive, text, at + 1) else { return };
    lookup(naive, text, (true, true), (at + 1, end), add);
    let segment = &text[at + 1..end];
    if let Some(dot) = segment.iter().rposition(|b| *b == b'.')
        && dot + 1 < segment.len()
        && segment[dot + 1..].iter().all(u8::is_ascii_alphabetic)
    {
        lookup(naive, text, (true, true), (at + 1, at + 1 + dot), add);
    }
}
