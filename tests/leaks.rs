//! Nothing leaks (P4): identifiers planted wherever they could be picked up are in no output, in no spelling.

use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;

use crate::support::world::REGISTRY;
use crate::support::{Ran, World, make};

/// In the registry, one of each type.
const PLANTED: [(&str, &str); 8] = [
    ("email", "Zq.Quillfeather@vexmoor-lantern.example"),
    ("uuid", "7e1fd3c2-9a40-4b6e-9d52-c0ffee51ab37"),
    ("ip", "198.51.100.219"),
    ("phone", "+44 7700 900963"),
    ("token", "tok_VexMoor77Lantern"),
    ("user_id", "904417736"),
    ("username", "quillfeatherzq"),
    ("literal", "Vexmoor Lantern Society"),
];
/// In bad lines of registries and policies only: nothing could be masked by looking it up.
const BAD: [&str; 2] = ["odd.thistlewick@brambleford-bad.example", "tok_Brambleford99Odd"];

/// Spellings of `value` that are compared without case.
fn spellings(value: &str) -> Vec<String> {
    let mut out = vec![value.to_owned()];
    if !value.starts_with("tok") {
        out.push(value.replace('-', ""));
        out.push(value.replace([' ', '+'], ""));
    }
    let each = |write: &dyn Fn(u8) -> String, special: bool| -> String {
        let spell = |b: u8| if special && b.is_ascii_alphanumeric() { char::from(b).to_string() } else { write(b) };
        value.bytes().map(spell).collect()
    };
    for special in [true, false] {
        out.push(each(&|b| format!("%{b:02x}"), special));
        out.push(each(&|b| format!("%25{b:02x}"), special));
        out.push(each(&|b| format!("\\u{b:04x}"), special));
        out.push(each(&|b| format!("\\\\u{b:04x}"), special));
        out.push(each(&|b| format!("&#{b};"), special));
        out.push(each(&|b| format!("&#x{b:x};"), special));
        out.push(each(&|b| format!("={b:02x}"), special));
        out.push(each(&|b| format!("\\x{b:02x}"), special));
        out.push(each(&|b| format!("\\u{{{b:x}}}"), special));
    }
    out.push(value.bytes().fold(String::new(), |mut hex, b| {
        write!(hex, "{b:02x}").unwrap();
        hex
    }));
    let bytes: Vec<String> = value.bytes().map(|b| b.to_string()).collect();
    out.push(bytes.join(", "));
    out.push(crate::support::manifest::sha256(value.to_lowercase().as_bytes())[7..].to_owned());
    out.into_iter().map(|text| text.to_lowercase()).filter(|text| text.len() >= 8).collect()
}

/// Base64 of the value inside something longer, at its three alignments: what does not depend on its neighbours.
fn base64_forms(value: &str) -> Vec<String> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let encode = |bytes: &[u8]| -> String {
        let word = |chunk: &[u8]| chunk.iter().fold(0u32, |word, b| word << 8 | u32::from(*b));
        bytes
            .chunks_exact(3)
            .flat_map(|chunk| (0..4).rev().map(move |i| char::from(DIGITS[(word(chunk) >> (6 * i) & 63) as usize])))
            .collect()
    };
    (0..3)
        .map(|shift| {
            let padded = [vec![0; shift], value.as_bytes().to_vec()].concat();
            encode(&padded[..padded.len() / 3 * 3])[(shift * 8).div_ceil(6)..].to_owned()
        })
        .filter(|text| text.len() >= 8)
        .collect()
}

/// Panics if `data` holds a planted identifier.
fn clean(what: &str, data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    let folded = text.to_lowercase();
    for value in PLANTED.iter().map(|(_, value)| *value).chain(BAD) {
        for needle in spellings(value) {
            if let Some(at) = folded.find(&needle) {
                panic!("{what} holds {needle}: …{}", &folded[at.saturating_sub(300)..at + needle.len()]);
            }
        }
        for needle in [value.to_owned(), value.to_lowercase()].iter().flat_map(|value| base64_forms(value)) {
            assert!(!text.contains(&needle), "{what} holds the Base64 form {needle}");
        }
    }
}

fn looked_at(what: &str, ran: &Ran) {
    clean(&format!("stdout of {what}"), ran.out.as_bytes());
    clean(&format!("stderr of {what}"), ran.err.as_bytes());
    for line in &ran.lines {
        clean(&format!("the manifest of {what}"), line.to_string().as_bytes());
    }
}

fn planted(kind: &str) -> &'static str {
    PLANTED.iter().find(|(name, _)| *name == kind).unwrap().1
}

fn gz_named(data: &[u8], name: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut out = flate2::GzBuilder::new().filename(name).comment(name).write(Vec::new(), flate2::Compression::new(6));
    out.write_all(data).unwrap();
    out.finish().unwrap()
}

fn world() -> World {
    let identifiers: Vec<_> =
        PLANTED.iter().map(|(kind, value)| serde_json::json!({"type": kind, "value": value})).collect();
    let world = World::new(&format!("{}\n", serde_json::json!({"subject": "sub_01", "identifiers": identifiers})));
    let (email, token, literal) = (planted("email"), planted("token"), planted("literal"));
    let mut texts = vec!["start".to_owned()];
    let anywhere = PLANTED.iter().filter(|(kind, _)| !kind.starts_with("user"));
    texts.extend(anywhere.map(|(_, value)| format!("saw {value} today")));
    texts.push(format!("user={} uid={}", planted("username"), planted("user_id")));
    texts.push("stop".to_owned());
    let log = make::log(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let json: Vec<String> = PLANTED
        .iter()
        .map(|(_, value)| format!("{{\"{value}\":{{\"seen\":1}},\"user_id\":{}}}\n", planted("user_id")))
        .collect();
    let json = json.concat();
    let mut cut = make::gz(&log.repeat(20));
    cut.truncate(cut.len() - 30);
    let mut sum = make::tar(&[(&format!("x/{email}"), &log)]);
    sum[150] ^= 1;
    for (name, data) in [
        (format!("users/{email}/app.log"), log.clone()),
        (format!("logs/{token}.jsonl"), json.clone().into_bytes()),
        (format!("logs/{}-{}.log", planted("username"), planted("user_id")), log.clone()),
        (
            "logs/header.csv".to_owned(),
            format!("day,{email},count\n2026-11-20,{token},1\n2026-11-21,nobody,2\n").into_bytes(),
        ),
        ("logs/letter.txt".to_owned(), format!("Dear {literal},\n\nplease write to {email}.\n").into_bytes()),
        ("logs/named.log.gz".to_owned(), gz_named(&log, email)),
        ("damaged/cut.log.gz".to_owned(), cut),
        (format!("damaged/{}.log.gz", planted("uuid")), [b"\x1f\x8b\x08\x00".as_slice(), email.as_bytes()].concat()),
        ("damaged/half.jsonl".to_owned(), format!("{json}{{\"user_id\":{}", planted("user_id")).into_bytes()),
        ("damaged/sum.tar".to_owned(), sum),
        (format!("binary/{literal}.bin"), [&[0u8, 1, 2, 255].repeat(99), email.as_bytes(), &[0; 9]].concat()),
        (
            "backup.tar.gz".to_owned(),
            make::gz(&make::tar(&[
                (&format!("home/{email}/mail.log"), &log),
                (&format!("home/{token}.gz"), &make::gz(json.as_bytes())),
                (&format!("home/{literal}.png"), &[b"\x89PNG\r\n\x1a\n\0\0".as_slice(), email.as_bytes()].concat()),
            ])),
        ),
    ] {
        world.put(format!("src/{name}"), data);
    }
    world
}

#[test]
fn nothing_of_a_run_leaks() {
    let world = world();
    let here = ["--registry", REGISTRY, "-vv"];
    looked_at("scan", world.run(&[&["scan", "src"], &here[..]].concat()).expect(3));
    looked_at("scan --json", world.scan(&["-vv"]).expect(3));
    let by_name = format!("src/users/{}", planted("email"));
    looked_at("scan of a name", world.run(&[&["scan", &by_name, "--json"], &here[..]].concat()).expect(3));
    let gone = format!("{by_name}/gone/{}", planted("token"));
    looked_at("scan of what is not there", world.run(&[&["scan", &gone], &here[..]].concat()).expect(2));
    looked_at("check", world.run(&["registry", "check", REGISTRY, "-vv"]).expect(0));
    looked_at("list", world.run(&["registry", "list", REGISTRY, "-vv"]).expect(0));
    let panicked =
        world.run_with(&[("UNWRITE_TEST_PANIC", "artifact")], &[&["scan", "src", "--json"], &here[..]].concat());
    looked_at("scan with a forced panic", panicked.expect(3));
    assert!(panicked.of("failed").len() > 5 && panicked.err.contains("internal error"), "{}", panicked.err);

    let mirror = world.mirror("out/", &["-vv"]);
    looked_at("scrub --output", mirror.expect(3));
    let scrub = world.scrub(&["-vv", "--metrics", "m.prom"]);
    looked_at("scrub", scrub.expect(3));
    looked_at("verify", &world.verify(&["-vv"]));
    clean("the manifest", &world.get("m.jsonl"));
    clean("metrics", &world.get("m.prom"));
    // Names are left and said so; members' names are masked in place.
    assert!(scrub.lines.iter().any(|line| line["left"]["name"] == 1));
    for (name, _) in make::untar(&make::un_gz(&world.get("src/backup.tar.gz"))) {
        clean("a member's name", name.as_bytes());
        assert!(name.contains("****"), "{name}");
    }
    clean("a gzip header", &world.get("src/logs/named.log.gz"));
    clean("a CSV header", &world.get("src/logs/header.csv"));
    for (name, data) in world.tree("src") {
        let kept = name.as_bytes();
        let left = ["damaged/", "binary/", "backup"].iter().any(|part| String::from_utf8_lossy(kept).contains(part));
        if !left {
            clean("a scrubbed file", &data);
        }
    }
}

#[test]
fn bad_lines_are_not_quoted() {
    let world = world();
    let good = String::from_utf8(world.get(REGISTRY)).unwrap();
    let [email, token] = BAD;
    for (name, text) in [
        (
            "r.jsonl",
            format!("{good}{{\"subject\":\"{token}\",\"identifiers\":[{{\"type\":\"email\",\"value\":\"{email}\""),
        ),
        ("r.jsonl", format!("{good}{{\"subject\":\"s\",\"{email}\":1,\"identifiers\":[]}}\n")),
        (
            "r.jsonl",
            format!("{good}{{\"subject\":\"s\",\"identifiers\":[{{\"type\":\"{token}\",\"value\":\"{email}\"}}]}}\n"),
        ),
        ("r.jsonl", format!("{good}{{\"seq\":2,\"event\":\"{email}\",\"subject\":\"s\"}}\n")),
        ("r.jsonl", format!("{good}{{\"subject\":\"s\",\"effective_at\":\"{token}\",\"identifiers\":[]}}\n")),
        ("r.csv", format!("type,value,subject\nemail,{email},s\n{token},{email},s\n")),
        ("r.csv", format!("type,{email},subject\nemail,{email},s\n")),
        ("r.csv", format!("type,value,subject\nip,{email},s\nuuid,{token},s\n")),
        ("r.txt", format!("{email}\n\u{0}{token}\n+{email}1\n")),
    ] {
        world.put(name, &text);
        let check = world.run(&["registry", "check", name, "-vv"]);
        looked_at("registry check", &check);
        let scan = world.run(&["scan", "src", "--registry", name, "-vv", "--json"]);
        looked_at("scan with a bad registry", &scan);
        assert!(name == "r.txt" || (check.code, scan.code) == (2, 2), "{text}");
    }
    for text in [
        format!("[[rule]]\naction = \"{email}\"\n"),
        format!("\"{email}\" = 1\n"),
        format!("[[rule]]\naction = \"drop\"\n\"{token}\" = \"{email}\"\n"),
        format!("[[rule]]\nfiles = [\"[{email}\"]\n"),
        format!("[[rule]]\ncontinuation = \"({email}\"\n"),
        format!("[identifiers.{token}]\nfields = [\"{email}\"]\n"),
        format!("[[rule]]\nerase_fields = {{ name = \"{email}\" }}\n"),
        format!("[[rule]\naction = \"{email}\"\n"),
        format!("[options]\njobs = \"{email}\"\n"),
        format!("[options]\n{token} = \"{email}\"\n"),
        format!("[options]\nmax_dropped = \"{email}\"\n"),
    ] {
        world.put("p.toml", &text);
        for option in ["--policy", "--config"] {
            let ran = world.run(&["scrub", "src", "--registry", REGISTRY, "-vv", "--in-place", option, "p.toml"]);
            looked_at(&format!("{option} with {}", text.split_once(' ').unwrap().0), &ran);
            assert!(ran.code == 2 || (option == "--policy" && text.starts_with("[options]")), "{text}: {}", ran.code);
        }
    }
}

#[test]
fn options_with_values_are_not_echoed() {
    let world = world();
    let email = BAD[0];
    for option in [
        "--jobs",
        "--max-dropped",
        "--verify",
        "--format",
        "--codec",
        "--max-memory",
        "--level",
        "--progress",
        "--type",
        "--min-age",
        "--bwlimit",
        "--nice",
        "--metrics-name",
    ] {
        let ran = world.run(&["scrub", "src", "--registry", REGISTRY, "--in-place", option, email]);
        looked_at(option, &ran);
        assert_eq!(ran.code, 2, "{option}");
    }
    for arguments in [
        &["scrub", "--nonsense", email][..],
        &[email],
        &["registry", email],
        &["verify", "m.jsonl", email],
        &["--jobs", email],
    ] {
        let ran = world.run(arguments);
        looked_at("usage", &ran);
        assert_eq!(ran.code, 2);
    }
}
