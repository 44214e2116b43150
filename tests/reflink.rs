//! Copies that the kernel makes: blocks that two files share where the file system can, and every other way where it cannot.

use std::process::Command;

use crate::support::{ALICE, World};

/// A loop-mounted file system, gone when dropped.
struct Mounted(std::path::PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _gone = Command::new("umount").arg(&self.0).status();
    }
}

/// Runs a program; `false`, said on stderr, if it is not there or fails: mounting is not allowed everywhere.
fn done(program: &str, arguments: &[&str]) -> bool {
    let ok = Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success());
    if !ok {
        eprintln!("{program} {} is not possible here: nothing is shown", arguments.join(" "));
    }
    ok
}

fn used(path: &std::path::Path) -> u64 {
    rustix::fs::sync();
    let found = rustix::fs::statvfs(path).unwrap();
    (found.f_blocks - found.f_bfree) * found.f_frsize
}

fn lines(bytes: usize) -> Vec<u8> {
    b"2026-11-20T09:00:00Z INFO request of bruno@example.com\n".iter().copied().cycle().take(bytes).collect()
}

#[test]
fn a_clean_file_is_mirrored_without_a_copy_where_the_file_system_shares_blocks() {
    const LEN: usize = 48_000_007;
    let world = World::new(ALICE);
    let (image, at) = (world.path("image"), world.path("mnt"));
    std::fs::File::create(&image).unwrap().set_len(640 << 20).unwrap();
    std::fs::create_dir(&at).unwrap();
    let (image, mount) = (image.to_str().unwrap(), at.to_str().unwrap());
    if !done("mkfs.xfs", &["-q", "-m", "reflink=1", image]) || !done("mount", &["-o", "loop", image, mount]) {
        return;
    }
    let _mounted = Mounted(at.clone());
    std::fs::create_dir(at.join("src")).unwrap();
    let clean = lines(LEN);
    std::fs::write(at.join("src/app.log"), &clean).unwrap();
    let before = used(&at);
    let (from, to) = (format!("{mount}/src"), format!("{mount}/out/"));
    let registry = world.path(crate::support::world::REGISTRY);
    let arguments =
        ["scrub", &from, "--registry", registry.to_str().unwrap(), "--output", &to, "--manifest", "m.jsonl"];
    let ran = world.run(&arguments);
    ran.expect(0);
    let line = ran.artifact("app.log");
    assert_eq!((&line["status"], &line["kept_bytes"]), (&"copied".into(), &LEN.into()));
    assert_eq!(line["before"], line["after"], "the digest is that of what is there");
    assert!(std::fs::read(at.join("out/app.log")).unwrap() == clean);
    let more = used(&at) - before;
    assert!(more < 1 << 20, "{more} bytes more are in use");
}

/// From one file system to another the kernel may refuse (`EXDEV`): then bytes are read and written.
#[test]
fn a_mirror_on_another_file_system_has_the_same_bytes() {
    let Ok(other) = tempfile::tempdir_in("/dev/shm") else {
        eprintln!("/dev/shm cannot be written: nothing is shown");
        return;
    };
    let world = World::new(ALICE);
    let clean = lines(55 * 160_000);
    let hers = b"2026-11-20T09:00:00Z INFO request of alice@example.com\n";
    let text = [clean.as_slice(), hers, clean.as_slice()].concat();
    world.put("src/app.log", &text);
    let to = format!("{}/out/", other.path().to_str().unwrap());
    world.mirror(&to, &["--jobs", "2"]).expect(0);
    let is = std::fs::read(other.path().join("out/app.log")).unwrap();
    assert!(is == clean.repeat(2), "{} of {}", is.len(), text.len());
}
