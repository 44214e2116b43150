//! What stays of a compressed file is its own bytes: a scrub encodes what changes, and no more.

use crate::support::{ALICE, World, make};

/// A log of about 2 MB in which three lines are hers.
fn log() -> Vec<u8> {
    let mut lines: Vec<String> = (0..30_000_u64)
        .map(|n| {
            let key = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            format!("GET /users/{}/orders/{key:x} nobody{}@example.org", key % 977, key % 4099)
        })
        .collect();
    for n in [8_000, 20_000, 20_001] {
        lines[n] = format!("{} alice@example.com", lines[n]);
    }
    make::log(&lines.iter().map(String::as_str).collect::<Vec<_>>())
}

fn cleaned(log: &[u8]) -> Vec<u8> {
    make::without(log, "alice@example.com")
}

/// Bytes of the artifact `name` that were encoded, and of it all.
fn encoded(ran: &crate::support::Ran, name: &str) -> (u64, u64) {
    let artifact = ran.artifact(name);
    let number = |value: &serde_json::Value| value.as_u64().unwrap();
    let (kept, encoded) = (number(&artifact["kept_bytes"]), number(&artifact["encoded_bytes"]));
    assert_eq!(kept + encoded, number(&artifact["after"]["bytes"]), "{artifact}");
    (encoded, kept + encoded)
}

#[test]
fn a_gzip_file_keeps_the_blocks_that_stay() {
    let (world, log) = (World::new(ALICE), log());
    let quiet = make::without(&log, "alice@example.com");
    world.put("src/one.log.gz", make::gz(&log));
    world.put("src/many.log.gz", make::multi_gz(&[&quiet, &log, &quiet]));
    world.put("src/logs.tar.gz", make::gz(&make::tar(&[("a.log", &quiet), ("b.log", &log), ("c.log", &quiet)])));
    let ran = world.scrub(&[]);
    ran.expect(0);
    assert_eq!(ran.of("rewritten").len(), 3);
    for name in ["one.log.gz", "many.log.gz"] {
        let (encoded, all) = encoded(&ran, name);
        assert!(encoded * 10 < all, "{name}: {encoded} of {all} bytes were encoded");
        assert_eq!(ran.artifact(name)["records"]["dropped"], 3);
    }
    // In a tar the header of the member changes as well.
    let (encoded, all) = encoded(&ran, "logs.tar.gz");
    assert!(encoded * 10 < all, "{encoded} of {all} bytes were encoded");
    assert!(make::un_gz(&world.get("src/one.log.gz")) == cleaned(&log));
    assert!(make::un_gz(&world.get("src/many.log.gz")) == [&quiet[..], &cleaned(&log), &quiet].concat());
    let members = make::untar(&make::un_gz(&world.get("src/logs.tar.gz")));
    assert!(members.iter().map(|(_, data)| data).eq([&quiet, &cleaned(&log), &quiet]));
    let again = world.scrub(&[]);
    again.expect(0);
    assert_eq!(again.of("clean").len(), 3, "twice is once");
}

#[test]
fn a_zip_member_keeps_the_blocks_that_stay() {
    let (world, log) = (World::new(ALICE), log());
    world.put("src/logs.zip", make::zip(&[("a.log", b"nothing\n"), ("b.log", &log)], false));
    world.put("src/streamed.zip", make::zip(&[("z.log", b"nothing\n"), ("b.log", &log), ("c.log", &log)], true));
    let before = world.get("src/logs.zip");
    let ran = world.scrub(&[]);
    ran.expect(0);
    for name in ["src/logs.zip", "src/streamed.zip"] {
        let after = world.get(name);
        assert!(make::unzip(&after).iter().all(|(name, data)| !name.starts_with(['b', 'c']) || *data == cleaned(&log)));
    }
    // The payload begins with the bytes that it began with.
    let after = world.get("src/logs.zip");
    let same = before.iter().zip(&after).skip(200).take_while(|(a, b)| a == b).count();
    assert!(same > before.len() / 10, "{same} of {}", before.len());
}
