//! `.unwr`: a compiled registry wherever a registry is taken, and the verb that makes one.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::args::RegistryCompile;
use super::reading::Reading;
use super::{Exit, build, s3, say};
use crate::error::{Error, Result};
use crate::registry::compiled::{Compiled, EXTENSION, Source};
use crate::registry::{Form, Options, Registry};

/// The registry that the compiled one at `path` stands for; read itself where only it can tell. Usage errors: either cannot be
/// read, or the registry changed since.
pub fn registry(path: &Path, options: &Options, reading: &Reading) -> Result<Registry> {
    let (compiled, source) = open(path)?;
    if !Compiled::must_read(options) {
        return compiled.registry(options);
    }
    let registry = build::plain(&source, &compiled.options(options)?, reading)?;
    compiled.is_of_digest(&registry.sha256)?;
    Ok(registry)
}

/// The files of the registry at `path`: it, and what it was compiled from.
pub fn files(path: &Path) -> Vec<PathBuf> {
    let source = || Some(place(path, &Compiled::source_of(&build::regular(path).ok()?.0).ok()?));
    let source = Compiled::is(path).then(source).flatten();
    [Some(path.to_owned()), source].into_iter().flatten().collect()
}

/// Where the registry is that was compiled to `path`. A link's target knows.
fn place(path: &Path, source: &Source) -> PathBuf {
    let target = path.canonicalize();
    source.path(target.as_deref().unwrap_or(path))
}

/// Opens a compiled registry whose registry is as it was. Its path comes with it.
fn open(path: &Path) -> Result<(Compiled, PathBuf)> {
    let (file, _) = build::regular(path)?;
    let compiled = Compiled::open(&file)?;
    let source = place(path, compiled.source());
    let meta = std::fs::metadata(&source).map_err(|error| {
        let what = format!("cannot read the registry that was compiled: {}", error.kind());
        Error::usage(what).help("`unwrite registry compile` writes it anew")
    })?;
    compiled.is_of(&meta)?;
    Ok((compiled, source))
}

/// `registry compile`.
pub fn compile(typed: &RegistryCompile) -> Result<Exit> {
    if !Compiled::is(&typed.output) {
        return Err(Error::usage(format!("-o: the name of a compiled registry ends in .{EXTENSION}")));
    }
    s3::on_disk("REGISTRY", Some(&typed.file.file))?;
    s3::on_disk("-o", Some(&typed.output))?;
    // `now` is the run's that opens it.
    let options = build::registry_options(&typed.file.read, Timestamp::now())?;
    let form = Form::of(&typed.file.file).map_err(|error| error.layer("registry"))?;
    let (file, _) = build::open(&typed.file.file, form, options.now)?;
    let cannot = |e: std::io::Error| Error::usage(format!("cannot read the registry: {}", e.kind()));
    let before = file.metadata().map_err(cannot)?;
    let source = source(&typed.file.file, &typed.output, &before)?;
    let again = file.try_clone().map_err(cannot)?;
    let reading = Reading::default();
    let input = reading.input(file, before.len());
    let made =
        Compiled::make(&reading.pool(), input, form, source, &options).map_err(|error| error.layer("registry"))?;
    let after = again.metadata().map_err(cannot)?;
    if !same(&before, &after) || std::fs::metadata(&typed.file.file).is_ok_and(|now| !same(&before, &now)) {
        return Err(Error::usage("the registry changed while it was read; compile it again"));
    }
    made.save(&typed.output)?;
    if typed.file.verbose > 0 {
        say(&format!("{} values", made.values()));
    }
    Ok(Exit::Ok)
}

fn same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    let what = |meta: &Metadata| (meta.len(), meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec());
    what(a) == what(b)
}

/// Where the registry is, seen from the compiled one, and what tells that it is as it was.
fn source(registry: &Path, output: &Path, meta: &Metadata) -> Result<Source> {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::MetadataExt;
    let cannot = |_| Error::usage("the folder of the registry or of the compiled one cannot be found");
    let absolute = registry.canonicalize().map_err(cannot)?;
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().map_err(cannot)?;
    let path = absolute.strip_prefix(&folder).unwrap_or(&absolute);
    Ok(Source {
        path: path.as_os_str().as_bytes().to_vec(),
        bytes: meta.len(),
        mtime: meta.mtime(),
        mtime_nanos: meta.mtime_nsec(),
        inode: meta.ino(),
    })
}
