//! Archives of several files in a tar: `pg_dump -Ft`, and a folder of `pg_dump -Fd` that was packed.
//!
//! `toc.dat` is the table of contents, with a file for each entry with data: `3369.dat`, in a folder perhaps `3369.dat.gz`. Where it comes
//! first, as `pg_dump` writes it, files are read as they come; where a file comes before it, the container is read again with what it
//! says (`Known`). Large objects (`blob_16401.dat`) are members like others; `restore.sql` is a dump without rows.
//!
//! Memory: the entries of each table of contents, together at most [`MOST`] bytes.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use super::script::{Lead, Script};
use super::toc::{Bytes, Entry, Form, Head};
use super::{CUSTOM, MOST};
use crate::error::{Error, Kind, Result};
use crate::input::{Input, Source};
use crate::layer::bundle::{Bundle, Bundler};
use crate::layer::cx::Leaf;
use crate::layer::{Cx, Found, raw};

/// The name in `layers`.
const NAME: &str = "pg_dump tar";
/// Archives in one container.
const ARCHIVES: usize = 1 << 10;
/// Extensions of compressed files, and their codecs.
const CODECS: [(&[u8], &str); 3] = [(b".gz", "gzip"), (b".lz4", "lz4"), (b".zst", "zstd")];

/// Finds archives of several files among the members of a container.
pub static FILES: Archives = Archives;

/// See [`FILES`].
pub struct Archives;

impl Bundler for Archives {
    fn open<'s>(&self, cx: &mut Cx<'s>) -> Result<Box<dyn Bundle<'s> + 's>> {
        let place = cx.place();
        let known = cx.settled::<Known>();
        let mut files = Files {
            place,
            known: known.clone(),
            dumps: Vec::new(),
            late: Vec::new(),
            early: BTreeSet::new(),
            bytes: 0,
        };
        for contents in known.iter().flat_map(|known| &known.contents) {
            files.begin(Arc::clone(contents), cx)?;
        }
        Ok(Box::new(files))
    }
}

/// What a reading of the container has learnt for the next one.
struct Known {
    contents: Vec<Arc<Contents>>,
    /// Folders without a table of contents.
    plain: BTreeSet<Vec<u8>>,
}

/// A table of contents.
struct Contents {
    /// Its folder, with the slash at the end.
    folder: Vec<u8>,
    head: Head,
    entries: Vec<(Entry, Vec<u8>)>,
}

/// An archive that is being read.
struct Dump<'s> {
    contents: Arc<Contents>,
    script: Script<'s>,
    /// Files that are to come, and came: each with what stands before its rows.
    files: BTreeMap<Vec<u8>, (Lead, bool)>,
}

struct Files<'s> {
    /// The container's place.
    place: (usize, usize),
    known: Option<Arc<Known>>,
    dumps: Vec<Rc<RefCell<Dump<'s>>>>,
    /// Tables of contents that came behind files of theirs.
    late: Vec<Arc<Contents>>,
    /// Folders of files that came before any table of contents.
    early: BTreeSet<Vec<u8>>,
    /// Bytes that tables of contents take.
    bytes: usize,
}

impl<'s> Files<'s> {
    fn begin(&mut self, contents: Arc<Contents>, cx: &mut Cx<'s>) -> Result<()> {
        if self.dumps.len() >= ARCHIVES {
            return Err(Error::limit("pg_dump archives in one container (1024)").layer(CUSTOM));
        }
        // No member has such a number.
        let place = (usize::MAX - self.place.0 * ARCHIVES - self.dumps.len(), self.place.1);
        if place.0 == usize::MAX && !cx.tally.layers.contains(&NAME) {
            cx.tally.layers.push(NAME);
        }
        let mut script = Script::new(place, cx)?;
        script.head(&contents.head, cx)?;
        let mut files = BTreeMap::new();
        for (entry, file) in &contents.entries {
            script.entry(entry, cx)?;
            // Large objects have a list of theirs, whatever file is said.
            let rows = entry.data && !file.is_empty() && entry.kind != b"BLOBS";
            if rows && files.insert(file.clone(), (script.lead(entry)?, false)).is_some() {
                return Err(Error::new(Kind::Damaged, "two entries of one file").layer(CUSTOM));
            }
        }
        self.dumps.push(Rc::new(RefCell::new(Dump { contents, script, files })));
        Ok(())
    }

    fn dump(&self, folder: &[u8]) -> Option<&Rc<RefCell<Dump<'s>>>> {
        self.dumps.iter().find(|dump| dump.borrow().contents.folder == folder)
    }

    /// Reads a table of contents.
    fn contents(&mut self, folder: &[u8], input: &mut Input<'_>, cx: &mut Cx<'s>) -> Result<()> {
        let mut own = Noted { input, leaf: Leaf::default(), bytes: 0 };
        let head = Head::read(&mut own)?;
        if head.form != Form::Files {
            return Err(Error::new(Kind::Damaged, "a table of contents that is an archive itself").layer(CUSTOM));
        }
        let mut entries = Vec::new();
        for _ in 0..head.entries {
            cx.check()?;
            let entry = head.entry(&mut own)?;
            let file = head.file(&mut own)?;
            entries.push((entry, file));
            if own.bytes + entries.len() * size_of::<(Entry, Vec<u8>)>() + self.bytes > MOST {
                return Err(Error::limit(format!("tables of contents of pg_dump archives ({MOST} bytes)")));
            }
            cx.need(2 * own.bytes as u64)?;
        }
        cx.leaf("toc", &own.leaf);
        let bytes = own.bytes;
        if !input.window(1)?.is_empty() {
            return Err(Error::damaged(CUSTOM, input.offset(), "bytes behind the table of contents"));
        }
        if self.dump(folder).is_some() {
            let known = self.known.as_ref().is_some_and(|known| known.contents.iter().any(|c| c.folder == folder));
            return if known { Ok(()) } else { Err(Error::new(Kind::Damaged, "two tables of contents").layer(CUSTOM)) };
        }
        self.bytes += bytes;
        let contents = Arc::new(Contents { folder: folder.to_vec(), head, entries });
        if self.early.contains(folder) {
            self.late.push(contents);
            return Ok(());
        }
        self.begin(contents, cx)
    }
}

impl<'s> Bundle<'s> for Files<'s> {
    fn member(&mut self, name: &[u8], input: &mut Input<'_>, cx: &mut Cx<'s>) -> Result<Option<Found>> {
        let at = name.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
        let (folder, base) = name.split_at_checked(at).unwrap_or((b"", name));
        if base == b"toc.dat" && input.window(5)?.starts_with(b"PGDMP") {
            return cx.member(name, |cx| self.contents(folder, input, cx).map(|()| Some(nothing(cx))));
        }
        let (stem, codec) = uncoded(base);
        if let Some(dump) = self.dump(folder).cloned() {
            if is_list(base) {
                return cx.member(name, |cx| list(&dump, input, cx).map(Some));
            }
            if !dump.borrow().files.contains_key(stem) {
                return Ok(None);
            }
            let stem = stem.to_vec();
            let rows = move |input: &mut Input<'_>, cx: &mut Cx<'s>| rows(&dump, &stem, input, cx);
            let Some(codec) = codec else { return cx.member(name, |cx| rows(input, cx)).map(Some) };
            let Some(layer) = cx.search.detect.codec_layer(codec) else {
                return Err(Error::unsupported(codec).layer(CUSTOM));
            };
            return cx
                .member(name, |cx| {
                    cx.claim(Box::new(rows));
                    layer.find(input, cx)
                })
                .map(Some);
        }
        let plain = self.known.as_ref().is_some_and(|known| known.plain.contains(folder));
        if plain || !(is_data(stem) || is_list(base)) {
            return Ok(None);
        }
        // Whose it is may be told behind it.
        self.early.insert(folder.to_vec());
        if self.early.len() > ARCHIVES {
            return Err(Error::limit("folders with files named as those of pg_dump (1024)").layer(CUSTOM));
        }
        loop {
            cx.check()?;
            let n = input.window(1)?.len();
            if n == 0 {
                return Ok(Some(nothing(cx)));
            }
            input.consume(n);
        }
    }

    fn finish(&mut self, cx: &mut Cx<'s>) -> Result<bool> {
        if !self.early.is_empty() {
            let open = self.dumps.iter().map(|dump| Arc::clone(&dump.borrow().contents));
            let contents: Vec<Arc<Contents>> = open.chain(std::mem::take(&mut self.late)).collect();
            let mut plain = std::mem::take(&mut self.early);
            plain.extend(self.known.iter().flat_map(|known| known.plain.iter().cloned()));
            plain.retain(|folder| contents.iter().all(|contents| contents.folder != *folder));
            cx.at_place(self.place, |cx| cx.settle(Arc::new(Known { contents, plain })));
            return Ok(false);
        }
        let mut refused = false;
        for dump in &self.dumps {
            let mut dump = dump.borrow_mut();
            if !dump.files.values().all(|(_, done)| *done) {
                return Err(Error::new(Kind::Damaged, "a file of the archive is missing").layer(CUSTOM));
            }
            refused |= dump.script.finish(cx)?;
        }
        Ok(refused)
    }
}

fn nothing(cx: &Cx<'_>) -> Found {
    Found { layer: &raw::RAW, own: cx.edits(), parts: Vec::new() }
}

/// The rows of a file.
fn rows<'s>(dump: &RefCell<Dump<'s>>, file: &[u8], input: &mut Input<'_>, cx: &mut Cx<'s>) -> Result<Found> {
    let mut dump = dump.borrow_mut();
    let Dump { script, files, .. } = &mut *dump;
    let Some((lead, done)) = files.get_mut(file).filter(|(_, done)| !done) else {
        return Err(Error::new(Kind::Damaged, "two files of one entry").layer(CUSTOM));
    };
    *done = true;
    let (_, own) = script.rows(lead, All(input), cx)?;
    Ok(Found { layer: &raw::RAW, own, parts: Vec::new() })
}

/// A list of large objects: numbers and names of files, which must stay what they are.
fn list<'s>(dump: &RefCell<Dump<'s>>, input: &mut Input<'_>, cx: &mut Cx<'s>) -> Result<Found> {
    const LINE: usize = 4096;
    let mut leaf = Leaf::default();
    loop {
        let window = input.window(LINE)?;
        let window = window.get(..window.len().min(LINE)).unwrap_or_default();
        let len = window.iter().rposition(|byte| *byte == b'\n').map_or(window.len(), |at| at + 1);
        let lines = window.get(..len).unwrap_or_default().to_vec();
        if lines.is_empty() {
            break;
        }
        leaf.update(&lines);
        input.consume(len);
        dump.borrow_mut().script.note(&lines, cx)?;
    }
    cx.leaf("list", &leaf);
    Ok(nothing(cx))
}

/// A name without the extension of a codec, and the codec.
fn uncoded(base: &[u8]) -> (&[u8], Option<&'static str>) {
    let coded = CODECS.iter().find_map(|(end, codec)| Some((base.strip_suffix(*end)?, Some(*codec))));
    coded.unwrap_or((base, None))
}

/// Whether a file is named as those with rows are.
fn is_data(stem: &[u8]) -> bool {
    let digits = stem.strip_suffix(b".dat").unwrap_or_default();
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

/// Whether a file is a list of large objects: `blobs.toc`, and since version 17 `blobs_3375.toc`.
fn is_list(base: &[u8]) -> bool {
    base.starts_with(b"blobs") && base.ends_with(b".toc")
}

/// A table of contents, noted as it is read.
struct Noted<'n, 'a> {
    input: &'n mut Input<'a>,
    leaf: Leaf,
    bytes: usize,
}

impl Bytes for Noted<'_, '_> {
    fn offset(&self) -> u64 {
        self.input.offset()
    }
    fn window(&mut self, min: usize) -> Result<&[u8]> {
        self.input.window(min)
    }
    fn step(&mut self, n: usize) -> Result<()> {
        self.leaf.update(self.input.unread().get(..n).unwrap_or_default());
        self.bytes += n;
        self.input.consume(n);
        Ok(())
    }
}

/// All that is left of an input.
struct All<'i, 'a>(&'i mut Input<'a>);

impl Source for All<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let window = self.0.window(1)?;
        let n = window.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..n), window.get(..n)) {
            to.copy_from_slice(from);
        }
        self.0.consume(n);
        Ok(n)
    }
}
