//! The reading of a registry: CPU time and the most memory.
//!
//! `cargo bench --bench registry -- REGISTRY...`, of any form, as `scripts/gen_corpus.py` makes them. Each is read three times, each
//! time by a process of its own; of CPU (all threads, user and system) the best is told. What a run does with it then, its engine, is
//! told apart.
#![expect(clippy::expect_used, reason = "a bench that is given the wrong file may stop where it stands")]

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustix::time::{ClockId, clock_gettime};
use unwrite::engine::Threads;
use unwrite::matcher::{Plan, literal::Literal};
use unwrite::policy::Fields;
use unwrite::registry::{self, Form, Options};

fn seconds(clock: ClockId) -> f64 {
    let now = clock_gettime(clock);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// The most memory that was resident at one time, MB.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("VmHWM");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).expect("kB") * 1024.0 / 1e6
}

/// Reads one registry; prints identifiers, CPU s and wall s of the load, MB at most, CPU s of the engine, MB at most in the end.
fn once(path: &Path) {
    let threads = Threads(std::thread::available_parallelism().map_or(1, usize::from));
    let now = jiff::Timestamp::now();
    let (cpu, wall) = (seconds(ClockId::ProcessCPUTime), seconds(ClockId::Monotonic));
    let file = File::open(path).expect("a registry");
    let form = Form::of(path).expect("a form");
    let people = registry::read_by(&threads, file, form, now, &Options::new(now)).expect("a sound registry");
    let (loaded, walled, most) = (seconds(ClockId::ProcessCPUTime) - cpu, seconds(ClockId::Monotonic) - wall, peak());
    let plan = Plan { needles: Arc::clone(&people.needles), fields: Arc::new(Fields::default()) };
    let engine = Literal::new(&plan).expect("an engine");
    let built = seconds(ClockId::ProcessCPUTime) - cpu - loaded;
    println!("{} {loaded} {walled} {most} {built} {}", people.needles.ids(), peak());
    drop(engine);
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [one, path] = arguments.as_slice()
        && one == "--once"
    {
        return once(Path::new(path));
    }
    println!("| registry | identifiers | load CPU s | wall s | MB at most | engine CPU s | MB at most |");
    println!("| --- | --: | --: | --: | --: | --: | --: |");
    for path in &arguments {
        let mut best = [f64::INFINITY; 6];
        for _ in 0..3 {
            let own = std::env::current_exe().expect("this program");
            let out = Command::new(own).args(["--once", path]).output().expect("a process");
            let text = String::from_utf8(out.stdout).expect("text");
            for (best, word) in best.iter_mut().zip(text.split_whitespace()) {
                *best = best.min(word.parse().expect("a number"));
            }
        }
        let name = Path::new(path).file_name().expect("a file").to_string_lossy();
        let [ids, load, wall, most, engine, end] = best;
        println!("| {name} | {ids:.0} | {load:.2} | {wall:.2} | {most:.0} | {engine:.2} | {end:.0} |");
    }
}
