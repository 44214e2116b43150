//! What stays in a compressed file stays as it was coded: frames, blocks and chunks of real tools, through the binary.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::{ALICE, World, make};

/// Output of a tool on `input`. These tools must be there.
fn tool(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new(arguments[0]);
    let child = command.args(&arguments[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{}: {error}", arguments[0]));
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    let feed = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    feed.join().unwrap().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    output.stdout
}

/// 1.5 MB of log with one line of hers, two thirds into it.
fn log() -> Vec<u8> {
    let line = |n: u64| {
        let key = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let who = if n == 16_000 { "alice@example.com".to_owned() } else { format!("{:x}@example.org", key >> 20) };
        format!("2026-11-01T10:00:{:02}Z GET /item/{key:x} from {who} in {} ms\n", n % 60, key % 997)
    };
    (0..24_000).flat_map(|n| line(n).into_bytes()).collect()
}

#[test]
fn units_stay_as_they_were_coded() {
    let text = log();
    let want = make::without(&text, "alice@example.com");
    assert!(want.len() < text.len());
    for (name, code, decode, least) in [
        ("one.zst", &["zstd", "-qc"][..], &["zstd", "-dcq"][..], 60),
        ("long.zst", &["zstd", "-qc", "--long=27", "-5"], &["zstd", "-dcq", "--long=27"], 60),
        ("several.zst", &["pzstd", "-qc", "-p4", "-1"], &["pzstd", "-dcq"], 60),
        ("one.bz2", &["bzip2", "-c1"], &["bzip2", "-dc"], 60),
        ("several.bz2", &["pbzip2", "-cq", "-p2", "-b1"], &["bzip2", "-dc"], 30),
        ("several.xz", &["xz", "-c1", "-T2", "--block-size=100000"], &["xz", "-dc"], 85),
        ("linked.lz4", &["lz4", "-cq", "-B4", "-BD"], &["lz4", "-dcq"], 85),
        ("blocks.lz4", &["lz4", "-cq", "-B4", "-BI", "-BX"], &["lz4", "-dcq"], 85),
    ] {
        let world = World::new(ALICE);
        let before = tool(code, &text);
        world.put(format!("src/{name}"), &before);
        let ran = world.scrub(&[]);
        assert_eq!(ran.code, 0, "{name}: {}", ran.err);
        let after = world.get(format!("src/{name}"));
        assert!(tool(decode, &after) == want, "{name}");
        let line = ran.artifact(name);
        let (kept, made) = (line["kept_bytes"].as_u64().unwrap(), line["encoded_bytes"].as_u64().unwrap());
        assert_eq!(kept + made, after.len() as u64, "{name}");
        let share = kept * 100 / before.len() as u64;
        assert!(share >= least, "{name}: {share} % were kept");
        // Twice is once.
        let again = world.scan(&[]);
        assert_eq!(again.code, 0, "{name}: {}", again.out);
    }
}

/// An archive in a codec: only what holds the member is encoded again, and its size in the header is right.
#[test]
fn archives_in_frames_are_spliced() {
    let others: Vec<Vec<u8>> =
        (0..4).map(|n| log()[n * 1000..].to_vec()).map(|t| make::without(&t, "alice@example.com")).collect();
    let text = log();
    let want = make::without(&text, "alice@example.com");
    let members: Vec<(&str, &[u8])> = vec![
        ("a.log", &others[0]),
        ("b.log", &others[1]),
        ("c.log", &text),
        ("d.log", &others[2]),
        ("e.log", &others[3]),
    ];
    let archive = make::tar(&members);
    for (name, code, decode) in [
        ("x.tar.zst", &["pzstd", "-qc", "-p4", "-1"][..], &["zstd", "-dcq"][..]),
        ("x.tar.xz", &["xz", "-c0", "-T2", "--block-size=300000"], &["xz", "-dc"]),
        ("x.tar.lz4", &["lz4", "-cq", "-B5"], &["lz4", "-dcq"]),
        ("x.tar.bz2", &["bzip2", "-c3"], &["bzip2", "-dc"]),
    ] {
        let world = World::new(ALICE);
        let before = tool(code, &archive);
        world.put(format!("src/{name}"), &before);
        let ran = world.scrub(&[]);
        assert_eq!(ran.code, 0, "{name}: {}", ran.err);
        let after = make::untar(&tool(decode, &world.get(format!("src/{name}"))));
        assert_eq!(after.len(), 5);
        for ((name, data), old) in after.iter().zip(&members) {
            assert_eq!(name, old.0);
            assert!(data == if old.0 == "c.log" { &want } else { old.1 }, "{name}");
        }
        let kept = ran.artifact(name)["kept_bytes"].as_u64().unwrap();
        assert!(kept * 100 / before.len() as u64 > 25, "{name}: {kept} of {} bytes kept", before.len());
    }
}

#[test]
fn a_seek_table_comes_on_demand() {
    let world = World::new(ALICE);
    let text = log();
    world.put(
        "src/x.zst",
        [tool(&["zstd", "-qc"], &text[..500_000]), tool(&["zstd", "-qc"], &text[500_000..])].concat(),
    );
    let ran = world.scrub(&["--zstd-seekable"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let after = world.get("src/x.zst");
    assert!(after.ends_with(&0x8F92_EAB1_u32.to_le_bytes()), "the seek table's magic number");
    assert!(tool(&["zstd", "-dcq"], &after) == make::without(&text, "alice@example.com"));
}
