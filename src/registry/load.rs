//! From a registry's bytes to a ledger: blocks are parsed by as many threads as there are, and played in order by one.
//!
//! The caller's thread reads blocks, gives them out, takes back what they come to in the order in which they were read, hashes their
//! bytes and plays their events: the chain, sequence numbers and subjects need what came before. All that needs no more than the
//! block is done by whoever parses it. What comes of it, and which fault is told, do not depend on blocks or threads.
//!
//! Memory: two blocks a thread and what they hold, a few MiB.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Mutex, OnceLock, PoisonError};

use sha2::{Digest, Sha256};

use super::batch::{Batch, Step};
use super::blocks::{Block, Blocks};
use super::chain::Chain;
use super::delimited::{self, Columns, Rows};
use super::ledger::Ledger;
use super::lines::Lines;
use super::{Form, Options, jsonl, plain};
use crate::error::{At, Error, Kind, Result};
use crate::limits::REGISTRY_BLOCK;
use crate::pool::Pool;

/// Plays every event of a registry of that `form` into `ledger`. Gives the SHA-256 of its bytes, 64 lower-case hex digits.
///
/// Errors: usage for every fault of the registry, the first one's; [`Kind::Io`] if `input` cannot be read.
pub(super) fn load(input: impl Read, form: Form, ledger: &mut Ledger<'_>, pool: &dyn Pool) -> Result<String> {
    load_by(REGISTRY_BLOCK, input, form, ledger, pool)
}

/// [`load`] with blocks of about `size` bytes.
pub(super) fn load_by(
    size: usize,
    input: impl Read,
    form: Form,
    ledger: &mut Ledger<'_>,
    pool: &dyn Pool,
) -> Result<String> {
    if ledger.options.txt_type.is_some() && form != Form::Txt {
        return Err(Error::usage("--type is for .txt registries only"));
    }
    let reader = Reader { form, options: ledger.options, columns: OnceLock::new() };
    let mut player = Player { reader: &reader, ledger, chain: Chain::default(), digest: Sha256::new(), open: None };
    player.start();
    let mut blocks = Blocks::new(input, size);
    let mut task = Task::default();
    // Until the columns are known and it shows that there is more than one block, nobody else is needed.
    while blocks.next(&mut task.block)? {
        let alone = task.block.last || pool.helpers() == 0 || reader.awaits_header();
        task.rows = player.open.take();
        reader.parse(&mut task);
        player.play(&mut task)?;
        if !alone {
            share(&mut blocks, &mut player, pool)?;
            break;
        }
    }
    player.finish()
}

/// A block on its way.
#[derive(Default)]
struct Task {
    block: Block,
    batch: Batch,
    /// The row of a table that had begun before, and then the one that has not ended.
    rows: Option<Rows>,
}

/// What can be told of a block by itself.
struct Reader<'o> {
    form: Form,
    options: &'o Options,
    /// Of a table, once its header was read.
    columns: OnceLock<Columns>,
}

impl Reader<'_> {
    fn delimiter(&self) -> Option<u8> {
        match self.form {
            Form::Csv => Some(b','),
            Form::Tsv => Some(b'\t'),
            Form::Jsonl | Form::Txt => None,
        }
    }

    fn awaits_header(&self) -> bool {
        self.delimiter().is_some() && self.columns.get().is_none()
    }

    fn parse(&self, task: &mut Task) {
        let Task { block, batch, rows } = task;
        batch.clear(block.bytes.len());
        let lines = Lines::new(block);
        let read = match self.delimiter() {
            Some(delimiter) => {
                let mut open = rows.take().unwrap_or_else(|| Rows::new(delimiter));
                let read = delimited::read(lines, &mut open, &self.columns, self.options, batch);
                *rows = Some(open).filter(Rows::is_open);
                read
            }
            None if self.form == Form::Txt => plain::read(lines, self.options, batch),
            None => jsonl::read(lines, self.options, batch),
        };
        batch.fault = read.err();
    }
}

/// Plays blocks in order.
struct Player<'p, 'o> {
    reader: &'p Reader<'o>,
    ledger: &'p mut Ledger<'o>,
    chain: Chain,
    /// Of all blocks played.
    digest: Sha256,
    /// The row of a table that has not ended.
    open: Option<Rows>,
}

impl Player<'_, '_> {
    /// Before the first line.
    fn start(&mut self) {
        if self.reader.form == Form::Jsonl {
            Past::new(&self.digest, &[]).look(0, self.ledger);
        }
    }

    /// Plays a block that was parsed. The first fault of it all is told.
    fn play(&mut self, task: &mut Task) -> Result<()> {
        if let Some(open) = self.open.take() {
            // It was parsed as if a row began with it.
            task.rows = Some(open);
            self.reader.parse(task);
        }
        let Task { block, batch, rows } = task;
        batch.warm(&self.ledger.values, &self.ledger.names);
        let log = self.reader.form == Form::Jsonl;
        let mut past = Past::new(&self.digest, &block.bytes);
        for step in batch.steps() {
            let line = match step {
                Step::Blank(line) => {
                    self.chain.blank(*line)?;
                    *line
                }
                Step::Event(deal) => {
                    if log {
                        self.chain.follow(deal.link.as_ref(), deal.line)?;
                    }
                    self.ledger.push(&batch.event(deal)).map_err(|error| error.at(At::Line(deal.line)))?;
                    deal.line
                }
            };
            if log {
                past.look(line + 1 - block.line, self.ledger);
            }
        }
        if let Some(fault) = batch.fault.take() {
            if let Some((line, said)) = fault.after {
                self.chain.follow(said.as_ref(), line)?;
            }
            return Err(fault.error);
        }
        self.digest.update(&block.bytes);
        self.open = rows.take();
        Ok(())
    }

    fn finish(self) -> Result<String> {
        self.open.as_ref().map_or(Ok(()), Rows::end)?;
        Ok(super::chain::hex(&self.digest.finalize()))
    }
}

/// Looks for the place up to which a log is what an earlier run saw (see [`Options::as_of_sha256`]).
struct Past<'b> {
    before: &'b Sha256,
    /// Of all before the block and `done` bytes of it, made when it is first needed.
    digest: Option<Sha256>,
    bytes: &'b [u8],
    done: usize,
    /// Lines that were gone past, and where they end.
    lines: u64,
    at: usize,
}

impl<'b> Past<'b> {
    fn new(before: &'b Sha256, bytes: &'b [u8]) -> Self {
        Self { before, digest: None, bytes, done: 0, lines: 0, at: 0 }
    }

    /// Notes whether all up to the end of the block's first `lines` lines is it, with the last line's end or without it: a file
    /// that is written by hand may have got the line end with the next line.
    fn look(&mut self, lines: u64, ledger: &mut Ledger<'_>) {
        let Options { as_of_seq: Some(seq), as_of_sha256: Some(sha256), .. } = ledger.options else { return };
        if ledger.grown || ledger.seq != *seq {
            return;
        }
        let mut end = self.at;
        while self.lines < lines {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let ended = memchr::memchr(b'\n', rest);
            end = self.at + ended.unwrap_or(rest.len());
            self.at = end + usize::from(ended.is_some());
            self.lines += 1;
        }
        let digest = self.digest.get_or_insert_with(|| self.before.clone());
        digest.update(self.bytes.get(self.done..end).unwrap_or_default());
        self.done = end;
        let is = |digest: Sha256| super::chain::hex(&digest.finalize()) == *sha256;
        let ending = self.bytes.get(end..self.at).unwrap_or_default();
        ledger.grown = is(digest.clone()) || is(digest.clone().chain_update(ending));
    }
}

/// Gives the blocks that are left to the threads of `pool`, and plays what they come to.
fn share(blocks: &mut Blocks<impl Read>, player: &mut Player<'_, '_>, pool: &dyn Pool) -> Result<()> {
    let reader = player.reader;
    let ahead = 2 * (pool.helpers() + 1);
    let (send, queue) = sync_channel::<Errand>(ahead);
    let queue = Mutex::new(queue);
    let mut send = Some(send);
    let mut outcome = Ok(());
    let work = || while run_errand(&queue, reader, true) {};
    pool.run(&work, &mut || {
        // Goes with this, in whatever way it ends: then the threads end as well.
        if let Some(send) = send.take() {
            outcome = lead(blocks, player, &send, &queue, ahead);
        }
    });
    outcome
}

/// A block to be parsed, and where it goes then.
struct Errand {
    task: Task,
    done: SyncSender<Task>,
}

/// Parses the next block that waits; `false` if none does, and with `wait` if none ever will.
fn run_errand(queue: &Mutex<Receiver<Errand>>, reader: &Reader<'_>, wait: bool) -> bool {
    let errand = if wait {
        queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
    } else {
        // Who has the lock may be waiting for us.
        queue.try_lock().ok().and_then(|queue| queue.try_recv().ok())
    };
    let Some(Errand { mut task, done }) = errand else { return false };
    reader.parse(&mut task);
    // After a fault nobody waits for it.
    let _left = done.send(task);
    true
}

/// Reads ahead, gives out and plays.
fn lead(
    blocks: &mut Blocks<impl Read>,
    player: &mut Player<'_, '_>,
    send: &SyncSender<Errand>,
    queue: &Mutex<Receiver<Errand>>,
    ahead: usize,
) -> Result<()> {
    let mut awaited: VecDeque<Receiver<Task>> = VecDeque::with_capacity(ahead);
    let mut spare: Vec<Task> = Vec::new();
    // What cannot be read comes after all that was.
    let mut failed = Ok(());
    let mut more = true;
    loop {
        while more && awaited.len() < ahead {
            let mut task = spare.pop().unwrap_or_default();
            match blocks.next(&mut task.block) {
                Ok(true) => {
                    let (done, receive) = sync_channel(1);
                    send.send(Errand { task, done }).map_err(|_| broken())?;
                    awaited.push_back(receive);
                }
                other => {
                    failed = other.map(|_| ());
                    more = false;
                }
            }
        }
        let Some(receive) = awaited.pop_front() else { return failed };
        let mut task = loop {
            match receive.try_recv() {
                Ok(task) => break task,
                Err(TryRecvError::Disconnected) => return Err(broken()),
                // Rather than wait for others, lend a hand.
                Err(TryRecvError::Empty) if run_errand(queue, player.reader, false) => {}
                Err(TryRecvError::Empty) => break receive.recv().map_err(|_| broken())?,
            }
        };
        player.play(&mut task)?;
        spare.push(task);
    }
}

fn broken() -> Error {
    Error::new(Kind::Io, "a thread that reads the registry has ended")
}
