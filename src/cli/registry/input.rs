//! Where values come from: a file, or stdin, which a signal ends.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{process, say};
use crate::error::{Error, Kind, Result};
use crate::registry::compiled::Compiled;
use crate::registry::{Form, intake};

/// Opens `path` (`None` or `-`: stdin). Its form is `typed`, else its name's, else `bare`, else its look's.
pub(super) fn open(path: Option<&Path>, typed: Option<Form>, bare: Option<Form>) -> Result<(Form, Box<dyn BufRead>)> {
    let path = path.filter(|path| *path != Path::new("-"));
    let Some(path) = path else {
        if io::stdin().is_terminal() {
            say("one value a line; end with Ctrl-D");
        }
        return form(BufReader::new(Stdin(process::stop())), typed.or(bare));
    };
    let file = File::open(path).map_err(|error| {
        let what = format!("cannot read FILE: {}", error.kind());
        Error::usage(what).help("values are read from a file or stdin, never from arguments")
    })?;
    if file.metadata().is_ok_and(|meta| meta.is_dir()) {
        return Err(Error::usage("FILE is a folder"));
    }
    form(BufReader::with_capacity(1 << 16, file), typed.or_else(|| Form::of(path).ok()).or(bare))
}

fn form(mut input: impl BufRead + 'static, typed: Option<Form>) -> Result<(Form, Box<dyn BufRead>)> {
    let magic = input.fill_buf().map_err(|error| Error::io("reading the values", &error))?;
    if Compiled::has_magic(magic) {
        let what = "a compiled registry; name the registry that it was compiled from";
        return Err(Error::usage(what));
    }
    if let Some(form) = typed {
        return Ok((form, Box::new(input)));
    }
    let (form, input) = intake::sniff(input)?;
    Ok((form, Box::new(input)))
}

/// `--as`.
pub(super) fn form_of(typed: Option<&str>) -> Result<Option<Form>> {
    let known = Form::ALL.map(|(_, name)| name).join(", ");
    let found = |name: &str| Form::ALL.iter().find(|(_, known)| *known == name).map(|(form, _)| *form);
    let form = |name| found(name).ok_or_else(|| Error::usage(format!("--as: expected one of: {known}")));
    typed.map(form).transpose()
}

/// Stdin. Waiting for it ends with the first signal: a read would be taken up again.
struct Stdin(Arc<AtomicBool>);

impl Read for Stdin {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let stdin = io::stdin();
        loop {
            if self.0.load(Ordering::Relaxed) {
                return Err(io::Error::from(io::ErrorKind::ConnectionAborted));
            }
            let mut asked = [PollFd::new(&stdin, PollFlags::IN)];
            match poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 200_000_000 })) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                // What cannot be waited for (a file) can be read.
                _ => match rustix::io::read(&stdin, &mut *into) {
                    Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                    read => return Ok(read?),
                },
            }
        }
    }
}

/// An error of reading: after a signal the signal's, else exit 2, for nothing is written.
pub(super) fn refused(error: Error) -> Error {
    if process::stop().load(Ordering::Relaxed) {
        return Error::new(Kind::Interrupted, "interrupted; nothing was appended");
    }
    if error.kind() == Kind::Usage { error } else { Error::usage("the values cannot be read to their end") }
}
