//! `--output` between disk and buckets.

use super::server::Server;
use super::{B, clean, dirty, filled, run};
use crate::support::world::{REGISTRY, Ran};
use crate::support::{ALICE, World, make};

fn mirror(world: &World, server: &Server, sources: &[&str], dest: &str, more: &[&str]) -> Ran {
    let usual = ["scrub", "--registry", REGISTRY, "--output", dest, "--manifest", "m.jsonl"];
    run(world, server, &[&usual, sources, more].concat())
}

#[test]
fn from_a_bucket_to_disk() {
    let (world, server) = filled();
    let ran = mirror(&world, &server, &["s3://logs/a/"], "out/", &[]);
    ran.expect(0);
    assert_eq!((world.get("out/app.log"), world.get("out/deep/clean.log")), (clean(), clean()));
    assert_eq!(make::un_gz(&world.get("out/app.log.gz")), clean());
    assert_eq!(server.bytes(B, "a/app.log"), dirty(), "the original stays");
    assert_eq!(ran.artifact("deep/clean.log")["output"], "file:out/deep/clean.log");
    let modified = std::fs::metadata(world.path("out/app.log")).unwrap().modified().unwrap();
    let seconds = modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(seconds as i64, server.get(B, "a/app.log").unwrap().modified);
    mirror(&world, &server, &["s3://logs/a/"], "out/", &[]).expect(0);
    run(&world, &server, &["verify", "m.jsonl", "--registry", REGISTRY]).expect(0);
    world.put("out/app.log", "other bytes");
    mirror(&world, &server, &["s3://logs/a/"], "out/", &[]).expect(3);
    mirror(&world, &server, &["s3://logs/a/"], "out/", &["--overwrite"]).expect(0);
    mirror(&world, &server, &["s3://logs/b/other.log"], "one.log", &[]).expect(0);
    assert_eq!(world.get("one.log"), clean());
}

#[test]
fn keys_that_no_disk_can_have_are_refused_by_name() {
    let (world, server) = (World::new(ALICE), Server::start(&[B]));
    for key in ["x/../../up.log", "x//two.log", "x/./dot.log", "x/good.log", "x/end.log/"] {
        server.put(B, key, dirty());
    }
    let ran = mirror(&world, &server, &["s3://logs/x/"], "deep/out/", &[]);
    ran.expect(3);
    assert_eq!(ran.of("rewritten"), ["s3://logs/x/good.log"]);
    assert_eq!(ran.of("failed").len(), 4);
    assert!(ran.status("up.log").contains("cannot be a path"), "{}", ran.status("up.log"));
    assert!(!world.path("up.log").exists() && !world.path("deep/up.log").exists());
}

#[test]
fn from_disk_to_a_bucket() {
    let (world, server) = (World::new(ALICE), Server::start(&[B]));
    world.put("src/app.log", dirty());
    world.put("src/deep/clean.log.gz", make::gz(&clean()));
    let ran = mirror(&world, &server, &["src"], "s3://logs/mirror/", &[]);
    ran.expect(0);
    assert_eq!(server.bytes(B, "mirror/app.log"), clean());
    assert_eq!(make::un_gz(&server.bytes(B, "mirror/deep/clean.log.gz")), clean());
    assert_eq!(ran.artifact("app.log")["output"], "s3://logs/mirror/app.log");
    assert_eq!(ran.status("clean.log.gz"), "copied");
    let puts = server.count("PutObject");
    mirror(&world, &server, &["src"], "s3://logs/mirror/", &[]).expect(0);
    assert_eq!(server.count("PutObject"), puts + 1, "it is there already: only the probe wrote");
    run(&world, &server, &["verify", "m.jsonl", "--registry", REGISTRY]).expect(0);
    server.put(B, "mirror/app.log", "other bytes");
    let ran = mirror(&world, &server, &["src"], "s3://logs/mirror/", &[]);
    ran.expect(3);
    assert!(ran.status("app.log").contains("other bytes"));
    mirror(&world, &server, &["src"], "s3://logs/mirror/", &["--overwrite"]).expect(0);
    assert_eq!(server.bytes(B, "mirror/app.log"), clean());
    mirror(&world, &server, &["src"], "s3://logs/mirror", &[]).expect(2);
    mirror(&world, &server, &["src/app.log"], "s3://logs/as/this.log", &[]).expect(0);
    assert_eq!(server.bytes(B, "as/this.log"), clean());
}

#[test]
fn from_bucket_to_bucket() {
    let (world, server) = (World::new(ALICE), Server::start(&[B, "other"]));
    server.put_with(B, "a//app.log", dirty(), &[("x-amz-meta-team", "blue")]);
    server.put(B, "a/clean.log", clean());
    let ran = mirror(&world, &server, &["s3://logs/a/"], "s3://other/m/", &[]);
    ran.expect(0);
    assert_eq!(server.bytes("other", "m//app.log"), clean());
    assert_eq!(server.get("other", "m//app.log").unwrap().headers["x-amz-meta-team"], "blue");
    assert_eq!(server.bytes("other", "m/clean.log"), clean());
    assert_eq!(server.bytes(B, "a//app.log"), dirty());
    run(&world, &server, &["verify", "m.jsonl", "--registry", REGISTRY]).expect(0);
    mirror(&world, &server, &["s3://logs/a/"], "s3://logs/a/m/", &[]).expect(2);
    world.put("src/disk.log", dirty());
    mirror(&world, &server, &["src", "s3://logs/a/"], "s3://other/both/", &[]).expect(0);
    assert_eq!(server.bytes("other", "both/src/disk.log"), clean());
    assert_eq!(server.bytes("other", "both/a/clean.log"), clean());
}
