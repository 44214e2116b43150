//! `registry compile`, and `.unwr` wherever a registry is taken.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::support::world::{REGISTRY, Ran};
use crate::support::{ALICE, World};

const UNWR: &str = "erased.unwr";

const LOG: &str = "2026-11-01T10:00:00Z a alice@example.com\n2026-11-01T10:00:01Z nobody\n\
    2026-11-01T10:00:02Z user_id=48213 held@example.com\n2026-11-01T10:00:03Z later@example.com\n";

/// Alice, somebody under a hold, somebody whose grace period runs, somebody who was cancelled.
fn registry() -> String {
    let mail = |subject: &str, more: &str| {
        format!(
            "{{\"subject\":\"{subject}\",\"identifiers\":[{{\"type\":\"email\",\"value\":\"{subject}@example.com\"}}]{more}}}\n"
        )
    };
    [
        ALICE,
        &mail("held", ""),
        &mail("later", ",\"effective_at\":\"2199-01-01T00:00:00Z\""),
        &mail("gone", ""),
        "{\"event\":\"hold\",\"subject\":\"held\"}\n{\"event\":\"cancel\",\"subject\":\"gone\"}\n",
    ]
    .concat()
}

fn compile(world: &World) -> Ran {
    world.run(&["registry", "compile", REGISTRY, "-o", UNWR])
}

fn world() -> World {
    let world = World::new(&registry());
    world.put("src/a.log", LOG);
    compile(&world).expect(0);
    world
}

/// What does not depend on when and where: everything but times, digests of lines, durations, run ids and the registry's name.
fn told(ran: &Ran) -> Vec<serde_json::Value> {
    let strip = |line: &serde_json::Value| {
        let mut line = line.clone();
        for key in ["prev", "run_id", "started_at", "as_of", "finished_at", "duration_ms", "identity", "root"] {
            line.as_object_mut().unwrap().remove(key);
        }
        if let Some(registry) = line.get_mut("registry") {
            registry.as_object_mut().unwrap().remove("uri");
        }
        line
    };
    let lines = ran.out.lines().filter_map(|line| serde_json::from_str(line).ok()).map(|line| strip(&line));
    lines.collect()
}

#[test]
fn every_verb_says_the_same() {
    let world = world();
    let meta = std::fs::metadata(world.path(UNWR)).unwrap();
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    for verb in
        [["scan", "src", "--json"], ["gate", "src", "--json"], ["registry", "list", "R"], ["registry", "check", "R"]]
    {
        let run = |name: &str| {
            let arguments: Vec<&str> = verb.iter().map(|word| if *word == "R" { name } else { word }).collect();
            let more: &[&str] = if verb[0] == "registry" { &[] } else { &["--registry", name] };
            world.run(&[&arguments[..], more].concat())
        };
        let (plain, mapped) = (run(REGISTRY), run(UNWR));
        assert_eq!(mapped.code, plain.code, "{verb:?} {}", mapped.err);
        assert_eq!(told(&mapped), told(&plain), "{verb:?}");
        if verb[0] == "registry" {
            assert_eq!(mapped.out, plain.out, "{verb:?}");
        }
        assert!(!mapped.out.contains("alice@") && !mapped.err.contains("alice@"), "P4: {}{}", mapped.out, mapped.err);
    }
    let reveal = world.run(&["registry", "list", UNWR, "--reveal"]);
    assert!(reveal.expect(0).out.contains("alice@example.com"), "values are read from the registry itself");
    let ran = world.run(&["scrub", "src", "--registry", UNWR, "--in-place", "--manifest", "m.jsonl"]);
    assert_eq!(ran.expect(3).lines[0]["registry"]["held"], 1, "{}", ran.err);
    let left = String::from_utf8(world.get("src/a.log")).unwrap();
    assert_eq!(
        left,
        "2026-11-01T10:00:01Z nobody\n2026-11-01T10:00:02Z user_id=ERASED held@example.com\n2026-11-01T10:00:03Z later@example.com\n"
    );
    for more in [&[][..], &["--fast"]] {
        let verify = |name| world.run(&[&["verify", "m.jsonl", "--registry", name], more].concat());
        assert_eq!(verify(UNWR).expect(3).out, verify(REGISTRY).out, "what is held is left");
    }
}

#[test]
fn a_second_night() {
    let world = World::new(ALICE);
    world.put("src/a.log", "2026-11-01T10:00:00Z a alice@example.com\n2026-11-01T10:00:01Z nobody\n".repeat(3));
    compile(&world).expect(0);
    let night = |registry: &str, more: &[&str]| {
        let usual = ["scrub", "src", "--registry", registry, "--in-place", "--manifest", "m.jsonl"];
        world.run(&[&usual[..], more].concat())
    };
    night(UNWR, &[]).expect(0);
    let ran = night(UNWR, &["--since", "m.jsonl"]);
    assert!(ran.expect(0).lines.iter().any(|line| line["status"] == "unchanged"), "{:?}", ran.lines);
}

#[test]
fn a_registry_that_changed_is_refused() {
    let world = world();
    let scan = || world.run(&["scan", "src", "--registry", UNWR]);
    scan().expect(3);
    let refused = |why: &str| {
        for ran in [scan(), world.run(&["registry", "check", UNWR]), world.run(&["registry", "list", UNWR])] {
            ran.expect(2);
            assert!(ran.err.contains("compile"), "{why}: {}", ran.err);
            assert!(!ran.err.contains("alice"), "P4: {}", ran.err);
        }
    };
    // Appended to.
    let more = registry() + "{\"event\":\"release\",\"subject\":\"held\"}\n";
    world.put(REGISTRY, &more);
    refused("appended");
    compile(&world).expect(0);
    scan().expect(1);
    // The same length, and even the same time: only the digest tells, and who reads the registry compares it.
    let meta = std::fs::metadata(world.path(REGISTRY)).unwrap();
    let mtime = filetime::FileTime::from_last_modification_time(&meta);
    world.put(REGISTRY, more.replace("48213", "48214"));
    refused("changed");
    filetime::set_file_mtime(world.path(REGISTRY), mtime).unwrap();
    let check = world.run(&["registry", "check", UNWR]);
    assert!(
        check.expect(2).err.contains("the registry changed since it was compiled; compile it again"),
        "{}",
        check.err
    );
    // Another file of the same bytes.
    compile(&world).expect(0);
    let bytes = world.get(REGISTRY);
    std::fs::remove_file(world.path(REGISTRY)).unwrap();
    refused("missing");
    world.put("other", "so that the inode is another");
    world.put(REGISTRY, bytes);
    refused("another inode or time");
    compile(&world).expect(0);
    // Cut short, and damaged.
    let whole = world.get(UNWR);
    for bad in [&whole[..whole.len() - 1], &whole[..20], b""] {
        world.put(UNWR, bad);
        refused("cut short");
    }
    let mut bad = whole.clone();
    let middle = whole.len() / 2;
    bad[middle..middle + 64].iter_mut().for_each(|byte| *byte ^= 1);
    world.put(UNWR, &bad);
    refused("damaged");
    world.put(UNWR, whole);
    scan().expect(1);
}

#[test]
fn only_the_registry_itself_is_written_and_compiled() {
    let world = world();
    for arguments in [
        &["registry", "release", UNWR, "--subject", "held"][..],
        &["registry", "compile", UNWR, "-o", "other.unwr"],
        &["registry", "compile", REGISTRY, "-o", REGISTRY],
        &["registry", "compile", REGISTRY, "-o", "other"],
        &["registry", "compile", REGISTRY],
        &["registry", "compile", REGISTRY, "-o", "no/folder.unwr"],
        &["registry", "compile", "src/a.log", "-o", "other.unwr"],
    ] {
        world.run(arguments).expect(2);
    }
    assert_eq!(world.get(REGISTRY), registry().as_bytes());
    world.put("src/log.unwr", LOG);
    world.run(&["registry", "compile", REGISTRY, "-o", "src/log.unwr"]).expect(2);
    assert_eq!(world.get("src/log.unwr"), LOG.as_bytes());
    std::fs::remove_file(world.path("src/log.unwr")).unwrap();
    assert!(!world.path("other.unwr").exists());
    assert_eq!(world.tree(".").len(), 3, "no draft is left");
}

/// Both files under a SOURCE are the run's own; and they find each other when their folder moves.
#[test]
fn files_of_the_run() {
    let world = World::new("");
    world.put("src/in/r.jsonl", registry());
    world.put("src/a.log", LOG);
    world.run(&["registry", "compile", "src/in/r.jsonl", "-o", "src/in/r.unwr"]).expect(0);
    let ran = world.run(&["scan", "src", "--registry", "src/in/r.unwr", "--json"]);
    ran.expect(3);
    let own = |ran: &Ran| ran.lines.iter().filter(|line| line["reason"] == "own file").count();
    assert_eq!(own(&ran), 2, "{:?}", ran.lines);
    let inode = std::fs::metadata(world.path("src/in/r.jsonl")).unwrap().ino();
    std::fs::rename(world.path("src/in"), world.path("src/moved")).unwrap();
    assert_eq!(std::fs::metadata(world.path("src/moved/r.jsonl")).unwrap().ino(), inode);
    world.run(&["scan", "src", "--registry", "src/moved/r.unwr"]).expect(3);
    // Elsewhere the compiled one names the registry by its absolute path.
    world.run(&["registry", "compile", "src/moved/r.jsonl", "-o", "far.unwr"]).expect(0);
    std::fs::create_dir(world.path("sub")).unwrap();
    std::fs::rename(world.path("far.unwr"), world.path("sub/far.unwr")).unwrap();
    world.run(&["scan", "src", "--registry", "sub/far.unwr"]).expect(2);
    world.run(&["registry", "compile", "src/moved/r.jsonl", "-o", "sub/far.unwr"]).expect(0);
    std::fs::rename(world.path("sub/far.unwr"), world.path("far.unwr")).unwrap();
    world.run(&["scan", "src", "--registry", "far.unwr"]).expect(3);
}

/// A link to a compiled registry is it; what is no file is not waited for; and none is a list of values.
#[test]
fn links_pipes_and_lists() {
    let world = world();
    std::os::unix::fs::symlink(world.path(UNWR), world.path("link.unwr")).unwrap();
    assert_eq!(
        told(&world.run(&["scan", "src", "--registry", "link.unwr", "--json"])),
        told(&world.run(&["scan", "src", "--registry", UNWR, "--json"]))
    );
    for pipe in ["pipe.jsonl", "pipe.unwr"] {
        rustix::fs::mknodat(rustix::fs::CWD, world.path(pipe), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        world.run(&["registry", "check", pipe]).expect(2);
    }
    for verb in ["add", "import"] {
        let ran = world.run(&["registry", verb, REGISTRY, UNWR]);
        assert!(ran.expect(2).err.contains("compiled"), "{}", ran.err);
    }
    std::fs::copy(world.path(UNWR), world.path("src/copy.unwr")).unwrap();
    let ran = world.run(&["scan", "src", "--registry", REGISTRY, "--json"]);
    let copy =
        ran.lines.iter().find(|line| line["uri"].as_str().is_some_and(|uri| uri.ends_with("copy.unwr"))).unwrap();
    assert!(copy["reason"].as_str().unwrap().starts_with("compiled registry"), "{copy}");
}

/// `check -v`: the engines that a run uses, and no others.
#[test]
fn check_tells_the_engines() {
    let world = world();
    let engines = |name: &str, more: &[&str]| {
        let ran = world.run(&[&["registry", "check", name, "-v"], more].concat());
        let out = ran.expect(0).out.clone();
        let (_, table) = out.split_once("engine").unwrap();
        let row = |line: &str| line.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>().join(" ");
        table.lines().skip(1).map(row).collect::<Vec<_>>()
    };
    let shown = engines(REGISTRY, &[]);
    let want = ["values 7", "numbers 1", "words 2", "mails 2", "uuids 1", "ips 1", "fields 2"];
    assert_eq!(shown[..want.len()], want);
    assert!(shown.last().unwrap().starts_with("together "), "{shown:?}");
    // It holds the one as well whose time is still to come.
    let mapped = engines(UNWR, &[]);
    assert!(mapped.contains(&"values 8".to_owned()) && mapped.contains(&"mails 3".to_owned()), "{mapped:?}");
    world.put("unwrite.toml", "[identifiers.email]\nvariants = [\"base64\", \"sha256\"]\n");
    let with = engines(REGISTRY, &[]);
    assert!(with.contains(&"variants 2".to_owned()) && with.contains(&"digests 2".to_owned()), "{with:?}");
}
