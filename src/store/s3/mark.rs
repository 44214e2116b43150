//! What tells uploads of ours from those of others: a few kilobytes whose length is the machine's and whose content the process's.
//!
//! Of a part a service tells its length and the MD5 of its content, and nothing else: so the MD5 of every process that lives here is
//! made and compared.

use std::fs;
use std::ops::Range;

use md5::{Digest as _, Md5};

/// Shortest mark, bytes, to which the machine's number is added.
const LEAST: u64 = 4_096;
/// Machines that are told apart; prime.
const MACHINES: u64 = 8_191;
/// Lengths of marks, bytes.
pub(super) const LENGTHS: Range<u64> = LEAST..LEAST + MACHINES;

/// The mark of this process.
pub(super) fn own() -> Vec<u8> {
    let pid = std::process::id();
    content(pid, started(pid).unwrap_or_default())
}

/// Length of the marks of this machine, bytes.
pub(super) fn length() -> u64 {
    LEAST + machine() % MACHINES
}

/// MD5, in hex, of the mark of each process that lives here.
pub(super) fn living() -> Vec<String> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some(tag(&content(pid, started(pid)?)))).collect()
}

/// The name of this process: its machine and its mark.
pub(super) fn process() -> String {
    format!("{}-{}", length(), tag(&own()))
}

/// Whether the process of that name lives; `None`: it is not one of this machine.
pub(super) fn lives(process: &str) -> Option<bool> {
    let (machine, mark) = process.split_once('-')?;
    (machine == length().to_string()).then(|| living().iter().any(|living| living == mark))
}

/// MD5 in hex.
fn tag(content: &[u8]) -> String {
    let digits = Md5::digest(content).into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

fn content(pid: u32, started: u64) -> Vec<u8> {
    let mut content = format!("unfinished upload of unwrite, {:016x} {pid} {started}\n", machine()).into_bytes();
    content.resize(length() as usize, b'\n');
    content
}

/// When a process began, in ticks since the machine did (proc(5), field 22 of `stat`): its number may be given out again.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name, in parentheses, and may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// A number of this machine: of its id and its name (containers of one image share the id).
fn machine() -> u64 {
    let id = fs::read("/etc/machine-id").unwrap_or_default();
    let name = fs::read("/proc/sys/kernel/hostname").unwrap_or_default();
    xxhash_rust::xxh3::xxh3_64(&[id, name].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives() {
        assert!(LENGTHS.contains(&(own().len() as u64)) && own().len() as u64 == length());
        assert!(living().contains(&tag(&own())));
        assert!(!living().contains(&tag(&content(std::process::id(), 1))));
        assert_eq!(lives(&process()), Some(true));
        assert_eq!(lives(&format!("{}-{}", length(), tag(b"another"))), Some(false));
        assert_eq!((lives(&format!("1-{}", tag(&own()))), lives("no mark")), (None, None));
    }
}
