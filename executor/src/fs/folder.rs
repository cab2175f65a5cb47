//! Listing a folder.

use crate::operation::Operation;
use crate::os_error::during;
use lunation_context::ResourceKind;
use std::ffi::{OsStr, OsString};
use std::fs::FileType;
use std::io;
use std::panic::Location;
use std::path::{Path, PathBuf};

/// What a folder says of one thing in it.
#[derive(Debug, Clone)]
pub struct DirEntry {
    name: OsString,
    path: PathBuf,
    file_type: FileType,
}

impl DirEntry {
    /// Its name in the folder.
    pub fn file_name(&self) -> &OsStr {
        &self.name
    }

    /// The folder's path and its name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is, links not followed. Unlike std's, this asks nobody any more.
    pub fn file_type(&self) -> FileType {
        self.file_type
    }
}

/// All that is in a folder, in the system's order, in one operation. Tokio: `fs::read_dir`, which
/// takes an operation per batch; Node: `fs.readdir` with `withFileTypes`.
///
/// # Errors
/// There is no such folder, it is none, or it may not be read.
#[track_caller]
pub fn read_dir(path: impl AsRef<Path>) -> Operation<Vec<DirEntry>> {
    let path = path.as_ref().to_owned();
    Operation::new(ResourceKind::FsReqCallback, Location::caller(), move || {
        list(&path).map_err(|error| during("read_dir", path.display(), error))
    })
}

fn list(path: &Path) -> io::Result<Vec<DirEntry>> {
    let entries = std::fs::read_dir(path)?.map(|entry| {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        Ok(DirEntry { name, path, file_type: entry.file_type()? })
    });
    entries.collect()
}
