//! Random texts out of the values of a registry: spelled in all ways, missed by a byte, behind names, at the edges of words and
//! windows, escaped again and again, and with bytes in between that are no UTF-8.

use std::fmt::Write;

use super::draw::Draw;
use crate::naive::{Escape, Kind, canonical};

/// Edges that a search may cut at: words, chunks, windows.
const EDGES: [usize; 5] = [64, 128, 4096, 8192, 256 * 1024];

const GLUE: &[&str] = &[
    " ",
    "  ",
    "\t",
    "\r",
    "\n",
    "\n",
    "\r\n",
    "\n\n",
    "=",
    ":",
    ": ",
    " : ",
    ",",
    ";",
    ", ",
    "&",
    "?",
    "/",
    "//",
    "#",
    " #",
    "\"",
    "'",
    "<",
    ">",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "|",
    ".",
    ". ",
    "..",
    ".json",
    ".j2",
    "-",
    "_",
    "+",
    "00",
    "00 ",
    "00-",
    "%",
    "%4",
    "%40",
    "\\",
    "\\n",
    "\\u00",
    "\\u0040",
    "\\\"",
    "&#",
    "&#x4",
    "&#64;",
    ";",
    "&amp",
    "&amp;",
    "=4",
    "=40",
    "=\n",
    "=\r\n",
    "=3D\n",
    "= \n",
    "x",
    "9",
    "@",
    "\"\"",
    "0",
    "f",
    ":f",
    "::",
    "\u{0}",
    "é",
    "\u{1f600}",
    "\u{a0}",
    "\u{2028}",
    "\\ud83d",
    "\\ude00",
    "%25",
    "&lt;",
    "&num;",
    "&colon;",
    "&equals;",
    "\\/",
    "\\\\",
    "\\b",
    "\x0b",
    "\x0c",
];

const NAMES: &[&str] = &[
    "user_id=",
    "user_id: ",
    "userId:",
    "\"user_id\":\"",
    "\"user-id\": ",
    "\"uid\" : \"",
    "uid=\"",
    "uid='",
    "<uid>",
    "<user>",
    "user #",
    "user ",
    "user id: ",
    "last_user_id=",
    "the user id: ",
    "customer.id=",
    "x.customer.id=",
    "id=",
    "/users/",
    "users/",
    "/USERS/",
    "/xusers/",
    " u/",
    "?user=",
    "&uid=",
    "login=",
    "login: ",
    "\"user\":{\"name\":\"",
    "user.name=",
    "handle='",
    "username",
    "user",
    "uid",
    "created-by=",
    "ownerid: ",
    "/members/",
    "\"/avatars/",
    "-uid=",
    ".uid=",
    "uid.=",
    "USER_ID=",
    "\"login\":",
    "\"login\": \"",
    "login \"",
    "user: '",
    "user:  ",
    "user= ",
    "handle ",
    "'uid':'",
    "</uid>",
    "owner_id",
    "uid:",
    "<user id>",
    "<x uid>",
    "\"uid\":'",
    "\"login\": '",
    "user #\"",
    "login #'",
    "handle: \"",
    "user:\"",
    "user '",
    "\"user id\":",
    "\"uid\":\t\"",
    "\"uid\"  :  ",
    "\"created by\": ",
    "user_id =",
    "\tuid=",
    "(user:",
    "[uid=",
    "éuid=",
    "/u/",
    "/u/u/",
    "'/user/",
];

/// Bytes of which stretches are made that hold nothing, or nothing but anchors.
const FILL: &[&str] = &[
    "x",
    " ",
    "7",
    "@",
    "-",
    "%",
    "\\",
    "&",
    "=",
    ":",
    ".",
    "a.",
    "ab ",
    "é",
    "1.",
    "f:",
    "\n",
    "lorem ipsum ",
    "k=v ",
    "0 ",
    "<b>",
];

/// A text of about `size` bytes.
pub fn text(draw: &mut Draw, values: &[(Kind, String)], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let broken = draw.one_in(3);
    // Of a long text most is filled with words, or it would be nothing but hits.
    while out.len() < size {
        if size > 2000 && draw.one_in(3) {
            let to_edge = draw.one_in(2);
            let len = if to_edge { up_to_edge(draw, out.len()) } else { draw.below(300) };
            if out.len() + len < size + 64 {
                fill(draw, &mut out, len);
            }
        }
        let part = nested(draw, values, 4);
        out.extend_from_slice(part.as_bytes());
        if broken && draw.one_in(4) {
            for _ in 0..=draw.below(3) {
                out.push(draw.next() as u8);
            }
        }
        if draw.one_in(6) {
            out.push(b'\n');
        }
    }
    if broken {
        for _ in 0..draw.below(1 + out.len() / 200) {
            let at = draw.below(out.len());
            out[at] = draw.next() as u8;
        }
    }
    out
}

/// How many bytes to a place shortly before an edge.
fn up_to_edge(draw: &mut Draw, from: usize) -> usize {
    let edge = *draw.pick(&EDGES);
    let before = draw.below(44);
    (from.next_multiple_of(edge) + edge - from - before.min(edge - 1)) % edge
}

fn fill(draw: &mut Draw, out: &mut Vec<u8>, len: usize) {
    let word = if draw.one_in(3) { *draw.pick(FILL) } else { "lorem ipsum " };
    out.extend(word.bytes().cycle().take(len));
}

/// Pieces, some of them spelled again as a whole.
fn nested(draw: &mut Draw, values: &[(Kind, String)], depth: usize) -> String {
    let mut out = String::new();
    for _ in 0..=draw.below(5) {
        if depth > 0 && draw.one_in(5) {
            let inner = nested(draw, values, depth - 1);
            out.push_str(&escaped(draw, &inner));
        } else {
            out.push_str(&piece(draw, values));
        }
    }
    out
}

fn piece(draw: &mut Draw, values: &[(Kind, String)]) -> String {
    let (kind, value) = draw.pick(values).clone();
    let named = matches!(kind, Kind::UserId | Kind::Username) && !draw.one_in(4);
    match draw.below(18) {
        0..5 if !named => written(draw, kind, &value),
        0..9 => {
            let name = *draw.pick(NAMES);
            // Mostly what closes what the name has opened.
            let end = match name.as_bytes()[name.len() - 1] {
                quote @ (b'"' | b'\'') if !draw.one_in(5) => {
                    if quote == b'"' {
                        "\""
                    } else {
                        "'"
                    }
                }
                b'>' if !draw.one_in(5) => "<",
                _ => *draw.pick(GLUE),
            };
            format!("{name}{}{end}", written(draw, kind, &value))
        }
        9 | 10 => {
            let text = written(draw, kind, &value);
            near(draw, &text)
        }
        11 => (*draw.pick(NAMES)).to_owned(),
        12 => {
            let name = if named { *draw.pick(NAMES) } else { "" };
            let spelled = format!("{name}{}", written(draw, kind, &value));
            escaped(draw, &spelled)
        }
        _ => (*draw.pick(GLUE)).to_owned(),
    }
}

/// A text that differs from `text` by a character.
fn near(draw: &mut Draw, text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let at = draw.below(chars.len());
    let sign = *draw.pick(&['a', 'F', '0', '9', '.', '-', '_', ':', '+', '%', '@', ' ', 'é', '\n', '=', '\\']);
    match draw.below(7) {
        0 if chars.len() > 1 => drop(chars.remove(at)),
        1 => chars[at] = sign,
        2 => chars.insert(at, sign),
        3 => chars.insert(0, sign),
        4 => chars.truncate(at),
        5 => chars.push(chars[at]),
        _ => chars.push(sign),
    }
    chars.into_iter().collect()
}

/// The value as the types let it be written.
fn written(draw: &mut Draw, kind: Kind, value: &str) -> String {
    let cased = |draw: &mut Draw, text: &str| match draw.below(4) {
        0 => text.to_ascii_uppercase(),
        1 => text.chars().map(|c| if draw.one_in(2) { c.to_ascii_uppercase() } else { c }).collect(),
        _ => text.to_owned(),
    };
    match kind {
        Kind::Email | Kind::Username => cased(draw, value),
        Kind::Uuid => {
            let text = if draw.one_in(3) { value.replace('-', "") } else { value.to_owned() };
            let text = cased(draw, &text);
            match draw.below(5) {
                0 => format!("{{{text}}}"),
                1 => format!("urn:uuid:{text}"),
                _ => text,
            }
        }
        Kind::Ip => {
            let text = address(draw, value);
            let text = cased(draw, &text);
            match draw.below(6) {
                0 => format!("[{text}]:443"),
                1 => format!("{text}/64"),
                2 => format!("{text}%eth0"),
                3 => format!("{text}:80"),
                _ => text,
            }
        }
        Kind::Phone => phone(draw, value),
        Kind::Token | Kind::UserId | Kind::Literal => value.to_owned(),
    }
}

fn address(draw: &mut Draw, value: &str) -> String {
    let bytes = canonical(Kind::Ip, value);
    let last = &bytes[12..];
    let dotted = if draw.one_in(3) {
        format!("{:03}.{:02}.{}.{:03}", last[0], last[1], last[2], last[3])
    } else {
        format!("{}.{}.{}.{}", last[0], last[1], last[2], last[3])
    };
    let four = bytes[..10].iter().all(|b| *b == 0) && bytes[10..12] == [255, 255];
    if four && !draw.one_in(3) {
        return dotted;
    }
    let groups: Vec<u16> = bytes.chunks(2).map(|pair| u16::from(pair[0]) << 8 | u16::from(pair[1])).collect();
    let mut full = String::new();
    let tail = draw.one_in(3);
    let count = if tail { 6 } else { 8 };
    for (i, group) in groups[..count].iter().enumerate() {
        if i > 0 {
            full.push(':');
        }
        if draw.one_in(3) { write!(full, "{group:04x}").unwrap() } else { write!(full, "{group:x}").unwrap() }
    }
    if tail {
        write!(full, ":{dotted}").unwrap();
    }
    // Some run of zeros left out, not always the longest.
    if draw.one_in(2) {
        let parts: Vec<&str> = full.split(':').collect();
        let zero = |part: &&str| part.bytes().all(|b| b == b'0');
        let from = draw.below(parts.len());
        if let Some(start) = parts.iter().skip(from).position(zero).map(|at| at + from) {
            let mut end = start;
            while end < parts.len() && zero(&parts[end]) && !(end > start && draw.one_in(5)) {
                end += 1;
            }
            return format!("{}::{}", parts[..start].join(":"), parts[end..].join(":"));
        }
    }
    full
}

fn phone(draw: &mut Draw, value: &str) -> String {
    let digits = canonical(Kind::Phone, value);
    let mut out = (*draw.pick(&["", "+", "00", "00 ", "00-/ ", "(+", "+ ", "0", "(", "000", "+00"])).to_owned();
    let spaced = draw.one_in(2);
    for digit in digits {
        if spaced && draw.one_in(3) {
            let most = 1 + draw.below(4);
            out.push_str(&draw.string(" -.()/", most));
        }
        out.push(char::from(digit));
    }
    out
}

/// `text` with all, the special or some characters spelled in one way.
fn escaped(draw: &mut Draw, text: &str) -> String {
    let escape = *draw.pick(&Escape::ALL);
    let (mode, share) = (draw.below(3), 2 + draw.below(12));
    let mut out = String::new();
    for c in text.chars() {
        let chosen = match mode {
            0 => true,
            1 => !c.is_ascii_alphanumeric() && c != ' ',
            _ => draw.one_in(share),
        };
        if chosen { one(draw, escape, c, &mut out) } else { out.push(c) }
    }
    out
}

fn one(draw: &mut Draw, escape: Escape, c: char, out: &mut String) {
    let mut buffer = [0; 4];
    let bytes = c.encode_utf8(&mut buffer).bytes();
    let form = draw.below(4);
    match escape {
        Escape::Percent if form > 0 => bytes.for_each(|b| write!(out, "%{b:02X}").unwrap()),
        Escape::Percent => bytes.for_each(|b| write!(out, "%{b:02x}").unwrap()),
        Escape::Quoted => {
            if draw.one_in(9) {
                out.push_str(draw.pick::<&str>(&["=\n", "=\r\n", "=\r\n"]));
            }
            bytes.for_each(|b| write!(out, "={b:02X}").unwrap());
        }
        Escape::Html => match (c, form) {
            ('@', 0) => out.push_str("&commat;"),
            ('&', 0 | 1) => out.push_str("&amp;"),
            ('"', 0 | 1) => out.push_str("&quot;"),
            ('<', 0 | 1) => out.push_str("&lt;"),
            ('.', 0) => out.push_str("&period;"),
            ('é', 0) => out.push_str("&eacute;"),
            (_, 0 | 2) => write!(out, "&#{};", c as u32).unwrap(),
            (_, 1) => write!(out, "&#x{:x};", c as u32).unwrap(),
            _ => write!(out, "&#X{:04X};", c as u32).unwrap(),
        },
        Escape::Json => match (c, form) {
            ('"' | '\\' | '/', 0 | 1) => write!(out, "\\{c}").unwrap(),
            ('\n', 0 | 1) => out.push_str("\\n"),
            ('\t', 0 | 1) => out.push_str("\\t"),
            (_, 2) => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| write!(out, "\\u{unit:04X}").unwrap()),
            _ => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| write!(out, "\\u{unit:04x}").unwrap()),
        },
    }
}
