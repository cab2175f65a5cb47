//! Open files.

use crate::fs::positioned::{read_at, write_at};
use crate::limits::FILE_BUFFER_BYTES;
use crate::operation::Operation;
use crate::os_error::during;
use lunation_context::ResourceKind;
use std::fs::{Metadata, Permissions};
use std::future::Future;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::panic::Location;
use std::path::Path;
use std::sync::Arc;

/// An open file. Tokio: `fs::File`; Node: `FileHandle`.
///
/// Each method is one operation on the thread pool, and its errors are the system's, unchanged.
/// Bytes are copied between the caller's buffer and the operation's, at most 2 MiB at a time by
/// `read`, `write` and their `_at` forms. Dropping the last handle closes the file, on this thread.
///
/// # Cancel safety
/// An operation that is dropped after it has begun is done all the same, and the next may overtake
/// it: give up the file then, or use the `_at` forms, which share no position.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use lunation_executor::{Runtime, fs::File};
///
/// Runtime::new().block_on(async {
///     let mut file = File::open("Cargo.toml").await?;
///     let mut start = [0; 9];
///     assert_eq!(file.read(&mut start).await?, 9);
///     assert_eq!(&start, b"[package]");
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct File {
    file: Arc<std::fs::File>,
}

impl File {
    /// Opens a file for reading. Node: `fs.open`.
    ///
    /// # Errors
    /// The file does not exist or may not be read; with operation and path.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> Operation<File> {
        OpenOptions::new().read(true).open(path)
    }

    /// Opens a file for writing; it is made, or emptied, before.
    ///
    /// # Errors
    /// The folder does not exist, the path is a folder, or may not be written; with operation and
    /// path.
    #[track_caller]
    pub fn create(path: impl AsRef<Path>) -> Operation<File> {
        OpenOptions::new().write(true).create(true).truncate(true).open(path)
    }

    /// How to open a file.
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Takes over a file of std.
    pub fn from_std(file: std::fs::File) -> File {
        File { file: Arc::new(file) }
    }

    /// The file of std.
    ///
    /// # Errors
    /// The handle itself: an operation that was dropped has not ended yet.
    pub fn try_into_std(self) -> Result<std::fs::File, File> {
        Arc::try_unwrap(self.file).map_err(|file| File { file })
    }

    #[track_caller]
    fn operate<T: Send + 'static>(
        &self,
        call: impl FnOnce(&std::fs::File) -> io::Result<T> + Send + 'static,
    ) -> Operation<T> {
        let file = Arc::clone(&self.file);
        let site = Location::caller();
        Operation::new(ResourceKind::FsReqCallback, site, move || call(&file))
    }

    /// One operation that fills a buffer as large as `buf`, copied into it afterwards.
    #[track_caller]
    fn fill<'a, F>(
        &self,
        buf: &'a mut [u8],
        call: F,
    ) -> impl Future<Output = io::Result<usize>> + use<'a, F>
    where
        F: FnOnce(&std::fs::File, &mut [u8]) -> io::Result<usize> + Send + 'static,
    {
        let length = buf.len().min(FILE_BUFFER_BYTES);
        let operation = self.operate(move |file| {
            let mut bytes = vec![0; length];
            let done = call(file, &mut bytes)?;
            bytes.truncate(done);
            Ok(bytes)
        });
        async move {
            let bytes = operation.await?;
            buf[..bytes.len()].copy_from_slice(&bytes);
            Ok(bytes.len())
        }
    }

    /// Reads what comes next, at most `buf.len()` bytes; 0 means the end of the file.
    ///
    /// # Errors
    /// The system's.
    #[track_caller]
    pub fn read(&mut self, buf: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        self.fill(buf, |mut file, buf| file.read(buf))
    }

    /// Reads what is at `offset`, at most `buf.len()` bytes; 0 means that the file ends before. The
    /// position of `read` and `write` stays (on Windows it moves).
    ///
    /// # Errors
    /// The system's.
    #[track_caller]
    pub fn read_at(&self, buf: &mut [u8], offset: u64) -> impl Future<Output = io::Result<usize>> {
        self.fill(buf, move |file, buf| read_at(file, buf, offset))
    }

    /// Reads all that is left, in one operation.
    ///
    /// # Errors
    /// The system's.
    #[track_caller]
    pub fn read_to_end(&mut self) -> Operation<Vec<u8>> {
        self.operate(|mut file| {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        })
    }

    /// Writes some of `buf`; gives how much.
    ///
    /// # Errors
    /// The system's: the disk is full, or the file was not opened for writing.
    #[track_caller]
    pub fn write(&mut self, buf: &[u8]) -> Operation<usize> {
        let bytes = buf[..buf.len().min(FILE_BUFFER_BYTES)].to_vec();
        self.operate(move |mut file| file.write(&bytes))
    }

    /// Writes some of `buf` at `offset`; gives how much. The position of `read` and `write` stays
    /// (on Windows it moves).
    ///
    /// # Errors
    /// As [`write`](Self::write).
    #[track_caller]
    pub fn write_at(&self, buf: &[u8], offset: u64) -> Operation<usize> {
        let bytes = buf[..buf.len().min(FILE_BUFFER_BYTES)].to_vec();
        self.operate(move |file| write_at(file, &bytes, offset))
    }

    /// Writes all of `bytes`, in one operation. A vector is not copied.
    ///
    /// # Errors
    /// As [`write`](Self::write); how much was written is lost then.
    #[track_caller]
    pub fn write_all(&mut self, bytes: impl Into<Vec<u8>>) -> Operation<()> {
        let bytes = bytes.into();
        self.operate(move |mut file| file.write_all(&bytes))
    }

    /// Moves the position of `read` and `write`; gives the new one.
    ///
    /// # Errors
    /// `InvalidInput`: the position would be before the start. `NotSeekable`: it is a pipe.
    #[track_caller]
    pub fn seek(&mut self, to: SeekFrom) -> Operation<u64> {
        self.operate(move |mut file| file.seek(to))
    }

    /// Waits until contents and metadata are on the disk. Node: `fsync`.
    ///
    /// # Errors
    /// The system's: what was written before may be lost.
    #[track_caller]
    pub fn sync_all(&self) -> Operation<()> {
        self.operate(std::fs::File::sync_all)
    }

    /// Waits until the contents are on the disk. Node: `fdatasync`.
    ///
    /// # Errors
    /// As [`sync_all`](Self::sync_all).
    #[track_caller]
    pub fn sync_data(&self) -> Operation<()> {
        self.operate(std::fs::File::sync_data)
    }

    /// Cuts the file, or fills it up with zeros. Node: `ftruncate`.
    ///
    /// # Errors
    /// The system's: it was not opened for writing, or the length is too large.
    #[track_caller]
    pub fn set_len(&self, length: u64) -> Operation<()> {
        self.operate(move |file| file.set_len(length))
    }

    /// What the system says of the file. Node: `fstat`.
    ///
    /// # Errors
    /// The system's.
    #[track_caller]
    pub fn metadata(&self) -> Operation<Metadata> {
        self.operate(std::fs::File::metadata)
    }

    /// Changes who may do what. Node: `fchmod`.
    ///
    /// # Errors
    /// The file belongs to somebody else.
    #[track_caller]
    pub fn set_permissions(&self, permissions: Permissions) -> Operation<()> {
        self.operate(move |file| file.set_permissions(permissions))
    }
}

impl From<std::fs::File> for File {
    fn from(file: std::fs::File) -> File {
        File::from_std(file)
    }
}

/// How to open a file. std: [`std::fs::OpenOptions`], from which one can be made.
#[derive(Debug, Clone)]
pub struct OpenOptions(std::fs::OpenOptions);

impl OpenOptions {
    /// Everything off: at least one way of access must be set.
    #[expect(clippy::new_without_default, reason = "std has none either: it opens nothing")]
    pub fn new() -> OpenOptions {
        OpenOptions(std::fs::OpenOptions::new())
    }

    /// For reading.
    pub fn read(&mut self, on: bool) -> &mut OpenOptions {
        self.0.read(on);
        self
    }

    /// For writing.
    pub fn write(&mut self, on: bool) -> &mut OpenOptions {
        self.0.write(on);
        self
    }

    /// For writing at the end, wherever that is by then.
    pub fn append(&mut self, on: bool) -> &mut OpenOptions {
        self.0.append(on);
        self
    }

    /// Emptied when it is opened.
    pub fn truncate(&mut self, on: bool) -> &mut OpenOptions {
        self.0.truncate(on);
        self
    }

    /// Made if it does not exist.
    pub fn create(&mut self, on: bool) -> &mut OpenOptions {
        self.0.create(on);
        self
    }

    /// Made, and an error if it exists.
    pub fn create_new(&mut self, on: bool) -> &mut OpenOptions {
        self.0.create_new(on);
        self
    }

    /// Opens the file.
    ///
    /// # Errors
    /// The system's, with operation and path; `InvalidInput` for options that contradict each
    /// other.
    #[track_caller]
    pub fn open(&self, path: impl AsRef<Path>) -> Operation<File> {
        let (options, path) = (self.0.clone(), path.as_ref().to_owned());
        Operation::new(ResourceKind::FsReqCallback, Location::caller(), move || {
            let file = options.open(&path);
            file.map(File::from_std).map_err(|error| during("open", path.display(), error))
        })
    }
}

impl From<std::fs::OpenOptions> for OpenOptions {
    fn from(options: std::fs::OpenOptions) -> OpenOptions {
        OpenOptions(options)
    }
}
