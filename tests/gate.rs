//! `gate`: exit 0 only if everything is clean; it stops at the first hit.

use std::io::Write;
use std::process::{Output, Stdio};

use crate::support::world::REGISTRY;
use crate::support::{ALICE, World, make, manifest};

fn gate(world: &World, sources: &[&str], more: &[&str]) -> (i32, String, String) {
    let output = world.command(&[&["gate"], sources, &["--registry", REGISTRY], more].concat()).output().unwrap();
    told(&output)
}

fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn piped(world: &World, more: &[&str], data: &[u8]) -> (i32, String, String) {
    let mut command = world.command(&[&["gate", "-", "--registry", REGISTRY], more].concat());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may stop to read.
    let _gone = stdin.write_all(data);
    drop(stdin);
    told(&child.wait_with_output().unwrap())
}

#[test]
fn clean_is_0_and_a_hit_is_1() {
    let world = World::new(ALICE);
    world.put("src/a.log", make::log(&["one", "two"]));
    world.put("src/b.log.gz", make::gz(&make::log(&["three"])));
    world.put("src/c.tar", make::tar(&[("d.log", &make::log(&["four"]))]));
    let (code, out, err) = gate(&world, &["src"], &[]);
    assert_eq!(code, 0, "{out}{err}");
    for (name, data) in [
        ("src/z.log", make::log(&["one", "alice@example.com"])),
        ("src/z.log.zst", make::zst(&make::log(&["one", "alice@example.com"]))),
        ("src/z.tar.gz", make::gz(&make::tar(&[("alice@example.com", b"x\n")]))),
        ("src/z.json", b"[{\"user_id\":48213}]".to_vec()),
    ] {
        let before = data.clone();
        world.put(name, data);
        let (code, out, err) = gate(&world, &["src"], &[]);
        assert_eq!(code, 1, "{name}: {out}{err}");
        assert!(out.contains(name) && !out.contains("alice"), "{out}");
        assert_eq!(world.get(name), before);
        std::fs::remove_file(world.path(name)).unwrap();
    }
    world.put("p.toml", "[[rule]]\naction = \"report\"\n");
    world.put("src/z.log", make::log(&["one", "alice@example.com"]));
    let (code, out, err) = gate(&world, &["src"], &["--policy", "p.toml"]);
    assert_eq!(code, 0, "what the policy leaves is no hit: {out}{err}");
}

#[test]
fn it_stops_at_the_first_hit() {
    let world = World::new(ALICE);
    // The largest goes first; its first record is the hit, and what is behind it is damaged.
    let mut big = make::gz(&make::log(&["alice@example.com"]));
    big.extend(make::gz(&[&b"2026-11-20T08:00:00Z "[..], &b"text".repeat(200_000)].concat()));
    big.extend(b"and more".repeat(10_000));
    world.put("src/a.log.gz", &big);
    for i in 0..20 {
        world.put(format!("src/{i}.log"), make::log(&["nothing"]));
    }
    let (code, out, err) = gate(&world, &["src"], &["--jobs", "1", "--manifest", "m.jsonl"]);
    assert_eq!(code, 1, "{out}{err}");
    let lines = manifest::check(&world.get("m.jsonl"));
    let artifacts: Vec<_> = lines.iter().filter(|line| line["kind"] == "artifact").collect();
    assert_eq!(artifacts.len(), 1, "{artifacts:?}");
    assert_eq!((&artifacts[0]["status"], &lines[0]["mode"]), (&"would_rewrite".into(), &"gate".into()));
    assert_eq!(lines.last().unwrap()["kind"], "summary");
    let (code, out, _) = gate(&world, &["src"], &["--jobs", "4", "--json"]);
    assert_eq!(code, 1);
    manifest::check(out.as_bytes());
    world.verify(&[]).expect(0);
}

#[test]
fn what_was_not_read_is_3() {
    let world = World::new(ALICE);
    world.put("src/a.log", make::log(&["one"]));
    let cases: [(&str, Vec<u8>); 4] = [
        ("src/b.png", b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec()),
        ("src/b.log.gz", make::gz(&make::log(&["two"]))[..30].to_vec()),
        ("src/b.tar", make::tar(&[("x.png", b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR")])),
        ("src/b.log", [make::log(&["one", "two"]), vec![1; 300], b"\n".to_vec()].concat()),
    ];
    for (name, data) in cases {
        world.put(name, &data);
        let (code, out, err) = gate(&world, &["src"], &[]);
        assert_eq!(code, 3, "{name}: {out}{err}");
        let (code, out, err) = piped(&world, &["--name", &name[4..]], &data);
        assert_eq!(code, 3, "{name} through stdin: {out}{err}");
        std::fs::remove_file(world.path(name)).unwrap();
    }
    let held = format!("{ALICE}{}\n", r#"{"subject":"sub_01","event":"hold"}"#);
    let world = World::new(&held);
    world.put("src/a.log", make::log(&["alice@example.com"]));
    assert_eq!(gate(&world, &["src"], &[]).0, 3, "a hold");
}

#[test]
fn accepted_members_do_not_matter() {
    let world = World::new(ALICE);
    world.put("p.toml", "[[rule]]\naccept_unsupported = [\"*.png\"]\n");
    let archive = make::tar(&[("x.png", b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"), ("y.log", &make::log(&["one"]))]);
    world.put("src/b.tar", &archive);
    assert_eq!(gate(&world, &["src"], &["--policy", "p.toml"]).0, 0);
    assert_eq!(piped(&world, &["--policy", "p.toml"], &archive).0, 0);
}

#[test]
fn stdin_is_a_source() {
    let world = World::new(ALICE);
    let log = make::log(&["one", "alice@example.com"]);
    for data in [log.clone(), make::gz(&log), make::tar(&[("a.log", &log)]), make::gz(&make::tar(&[("a.log", &log)]))] {
        let (code, out, err) = piped(&world, &[], &data);
        assert_eq!(code, 1, "{out}{err}");
        assert!(out.contains("found: stdin"), "{out}");
    }
    let clean = make::log(&["one", "two"]);
    for data in [Vec::new(), clean.clone(), make::gz(&clean), make::tar(&[("a.log", &clean)])] {
        let (code, out, err) = piped(&world, &["--manifest", "m.jsonl"], &data);
        assert_eq!(code, 0, "{out}{err}");
    }
    let lines = manifest::check(&world.get("m.jsonl"));
    assert_eq!((&lines[1]["uri"], &lines[1]["status"]), (&"stdin:".into(), &"clean".into()));
    world.verify(&[]).expect(0);
    // Beside others.
    world.put("src/a.log", &log);
    let mut command = world.command(&["gate", "-", "src", "--registry", REGISTRY]);
    assert_eq!(told(&command.output().unwrap()).0, 1);
    let mut command = world.command(&["gate", "-", "src", "--registry", REGISTRY, "--exclude", "*.log"]);
    assert_eq!(told(&command.output().unwrap()).0, 2, "filters that leave nothing of a SOURCE");
}

#[test]
fn usage() {
    let world = World::new(ALICE);
    world.put("src/a.log", make::log(&["one"]));
    for arguments in [
        &["gate", "--registry", REGISTRY][..],
        &["gate", "none", "--registry", REGISTRY],
        &["gate", "src"],
        &["gate", "src", "--registry", REGISTRY, "--name", "x"],
        &["gate", "-", "-", "--registry", REGISTRY],
        &["gate", "src", "--registry", REGISTRY, "--min-registry-seq", "9"],
        &["gate", "src", "--registry", REGISTRY, "--in-place"],
    ] {
        assert_eq!(told(&world.command(arguments).output().unwrap()).0, 2, "{arguments:?}");
    }
}
