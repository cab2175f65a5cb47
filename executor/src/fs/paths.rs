//! What is done to a path as a whole.

use crate::operation::Operation;
use crate::os_error::during;
use lunation_context::ResourceKind;
use std::fs::{Metadata, Permissions};
use std::io;
use std::panic::Location;
use std::path::{Path, PathBuf};

/// An operation on one path.
#[track_caller]
fn on<T: Send + 'static>(
    operation: &'static str,
    path: impl AsRef<Path>,
    call: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> Operation<T> {
    let path = path.as_ref().to_owned();
    Operation::new(ResourceKind::FsReqCallback, Location::caller(), move || {
        call(&path).map_err(|error| during(operation, path.display(), error))
    })
}

/// An operation from one path to another.
#[track_caller]
fn between<T: Send + 'static>(
    operation: &'static str,
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
    call: impl FnOnce(&Path, &Path) -> io::Result<T> + Send + 'static,
) -> Operation<T> {
    let (from, to) = (from.as_ref().to_owned(), to.as_ref().to_owned());
    Operation::new(ResourceKind::FsReqCallback, Location::caller(), move || {
        call(&from, &to).map_err(|error| {
            during(operation, format_args!("{} -> {}", from.display(), to.display()), error)
        })
    })
}

/// The whole contents of a file. std: [`std::fs::read`]; Node: `fs.readFile`.
///
/// # Errors
/// The file does not exist, is a folder, or may not be read.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use lunation_executor::{Runtime, fs};
///
/// Runtime::new().block_on(async {
///     let path = std::env::temp_dir().join(format!("lunation-{}", std::process::id()));
///     fs::write(&path, "what is read later").await?;
///     assert_eq!(fs::read(&path).await?, b"what is read later");
///     fs::remove_file(&path).await
/// })
/// # }
/// ```
#[track_caller]
pub fn read(path: impl AsRef<Path>) -> Operation<Vec<u8>> {
    on("read", path, |path| std::fs::read(path))
}

/// The whole contents of a text file. std: [`std::fs::read_to_string`].
///
/// # Errors
/// As [`read`]; `InvalidData` if the contents are not UTF-8.
#[track_caller]
pub fn read_to_string(path: impl AsRef<Path>) -> Operation<String> {
    on("read", path, |path| std::fs::read_to_string(path))
}

/// Makes `contents` the whole contents of a file. std: [`std::fs::write`]; Node: `fs.writeFile`.
///
/// # Errors
/// The folder does not exist, the path is a folder, it may not be written, or the disk is full.
#[track_caller]
pub fn write(path: impl AsRef<Path>, contents: impl Into<Vec<u8>>) -> Operation<()> {
    let contents = contents.into();
    on("write", path, move |path| std::fs::write(path, contents))
}

/// What the system says of a file or folder; links are followed. std: [`std::fs::metadata`]; Node:
/// `fs.stat`.
///
/// # Errors
/// The path does not exist, or a folder on the way may not be searched.
#[track_caller]
pub fn metadata(path: impl AsRef<Path>) -> Operation<Metadata> {
    on("metadata", path, |path| std::fs::metadata(path))
}

/// [`metadata`] of a link itself. std: [`std::fs::symlink_metadata`]; Node: `fs.lstat`.
///
/// # Errors
/// As [`metadata`].
#[track_caller]
pub fn symlink_metadata(path: impl AsRef<Path>) -> Operation<Metadata> {
    on("symlink_metadata", path, |path| std::fs::symlink_metadata(path))
}

/// Whether a path leads to something. std: [`std::fs::exists`].
///
/// # Errors
/// It cannot be said: a folder on the way may not be searched, or the path is invalid.
#[track_caller]
pub fn exists(path: impl AsRef<Path>) -> Operation<bool> {
    on("exists", path, |path| std::fs::exists(path))
}

/// The absolute path without links. std: [`std::fs::canonicalize`]; Node: `fs.realpath`.
///
/// # Errors
/// The path does not exist, or something on the way is no folder.
#[track_caller]
pub fn canonicalize(path: impl AsRef<Path>) -> Operation<PathBuf> {
    on("canonicalize", path, |path| std::fs::canonicalize(path))
}

/// Where a link leads. std: [`std::fs::read_link`]; Node: `fs.readlink`.
///
/// # Errors
/// The path does not exist, or is no link.
#[track_caller]
pub fn read_link(path: impl AsRef<Path>) -> Operation<PathBuf> {
    on("read_link", path, |path| std::fs::read_link(path))
}

/// Makes a folder. std: [`std::fs::create_dir`]; Node: `fs.mkdir`.
///
/// # Errors
/// The path exists already, or the folder it is to lie in does not.
#[track_caller]
pub fn create_dir(path: impl AsRef<Path>) -> Operation<()> {
    on("create_dir", path, |path| std::fs::create_dir(path))
}

/// Makes a folder and those it is to lie in. std: [`std::fs::create_dir_all`].
///
/// # Errors
/// Something on the way is no folder, or may not be written.
#[track_caller]
pub fn create_dir_all(path: impl AsRef<Path>) -> Operation<()> {
    on("create_dir_all", path, |path| std::fs::create_dir_all(path))
}

/// Removes a file or a link. std: [`std::fs::remove_file`]; Node: `fs.unlink`.
///
/// # Errors
/// The path does not exist, or is a folder.
#[track_caller]
pub fn remove_file(path: impl AsRef<Path>) -> Operation<()> {
    on("remove_file", path, |path| std::fs::remove_file(path))
}

/// Removes an empty folder. std: [`std::fs::remove_dir`]; Node: `fs.rmdir`.
///
/// # Errors
/// The path does not exist, is no folder, or the folder is not empty.
#[track_caller]
pub fn remove_dir(path: impl AsRef<Path>) -> Operation<()> {
    on("remove_dir", path, |path| std::fs::remove_dir(path))
}

/// Removes a folder and all that is in it. std: [`std::fs::remove_dir_all`]; Node: `fs.rm`.
///
/// # Errors
/// The path does not exist, is no folder, or something in it may not be removed.
#[track_caller]
pub fn remove_dir_all(path: impl AsRef<Path>) -> Operation<()> {
    on("remove_dir_all", path, |path| std::fs::remove_dir_all(path))
}

/// Changes who may do what. std: [`std::fs::set_permissions`]; Node: `fs.chmod`.
///
/// # Errors
/// The path does not exist, or belongs to somebody else.
#[track_caller]
pub fn set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> Operation<()> {
    on("set_permissions", path, |path| std::fs::set_permissions(path, permissions))
}

/// Moves a file or folder within a file system. std: [`std::fs::rename`].
///
/// # Errors
/// `from` does not exist, or `to` lies on another file system or is a folder that is not empty.
#[track_caller]
pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Operation<()> {
    between("rename", from, to, |from, to| std::fs::rename(from, to))
}

/// Copies a file with its permissions; gives how many bytes. std: [`std::fs::copy`]; Node:
/// `fs.copyFile`.
///
/// # Errors
/// `from` does not exist or is no file, or `to` may not be written.
#[track_caller]
pub fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Operation<u64> {
    between("copy", from, to, |from, to| std::fs::copy(from, to))
}

/// Gives a file another name. std: [`std::fs::hard_link`]; Node: `fs.link`.
///
/// # Errors
/// `original` does not exist or is a folder, or `link` exists or lies on another file system.
#[track_caller]
pub fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> Operation<()> {
    between("hard_link", original, link, |original, link| std::fs::hard_link(original, link))
}

/// Makes a symbolic link. std: [`std::os::unix::fs::symlink`].
///
/// # Errors
/// `link` exists, or its folder does not.
#[cfg(unix)]
#[track_caller]
pub fn symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> Operation<()> {
    between("symlink", original, link, |original, link| std::os::unix::fs::symlink(original, link))
}
