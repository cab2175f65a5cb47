//! Files and folders: what they do, what they are as resources, and their faults.

use crate::support::{HookEvents, Journal, alone};
use lunation::fs::{self, File};
use lunation::{Runtime, create_hook, spawn_blocking};
use std::error::Error;
use std::future::Future;
use std::io::{self, ErrorKind, SeekFrom};
use std::path::PathBuf;
use std::pin::pin;
use std::task::{Context, Waker};

/// A folder of one test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("lunation-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs `main` and expects it to succeed.
fn run(main: impl Future<Output = io::Result<()>>) {
    Runtime::new().block_on(main).expect("no fault");
}

#[test]
fn whole_files_are_written_read_moved_and_removed() {
    let folder = Folder::new("whole");
    let (a, b, c) = (folder.at("a"), folder.at("b"), folder.at("c"));
    run(async {
        assert!(!fs::exists(&a).await?);
        fs::write(&a, "text").await?;
        assert!(fs::exists(&a).await?);
        assert_eq!(fs::read(&a).await?, b"text");
        fs::rename(&a, &b).await?;
        assert_eq!(fs::copy(&b, &a).await?, 4);
        fs::hard_link(&a, &c).await?;
        fs::write(&a, b"both").await?;
        assert_eq!(fs::read_to_string(&c).await?, "both");
        assert_eq!(fs::read_to_string(&b).await?, "text");
        let mut permissions = fs::metadata(&b).await?.permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&b, permissions).await?;
        assert!(fs::metadata(&b).await?.permissions().readonly());
        fs::remove_file(&b).await?;
        assert!(!fs::exists(&b).await?);
        Ok(())
    });
}

#[test]
fn folders_are_made_listed_and_removed() {
    let folder = Folder::new("folders");
    run(async {
        fs::create_dir(folder.at("one")).await?;
        fs::create_dir_all(folder.at("two/deep/er")).await?;
        fs::write(folder.at("file"), "").await?;
        let mut listed: Vec<_> = fs::read_dir(&folder.0).await?;
        listed.sort_by(|a, b| a.file_name().cmp(b.file_name()));
        let listed: Vec<_> = listed
            .iter()
            .map(|entry| (entry.path().to_owned(), entry.file_type().is_dir()))
            .collect();
        let expected = [("file", false), ("one", true), ("two", true)];
        assert_eq!(listed, expected.map(|(name, is_dir)| (folder.at(name), is_dir)));
        let real = fs::canonicalize(folder.at("two/../one")).await?;
        assert_eq!(real, fs::canonicalize(folder.at("one")).await?);
        fs::remove_dir(folder.at("one")).await?;
        fs::remove_dir_all(folder.at("two")).await?;
        assert_eq!(fs::read_dir(&folder.0).await?.len(), 1);
        Ok(())
    });
}

#[cfg(unix)]
#[test]
fn links_are_made_and_followed() {
    let folder = Folder::new("links");
    run(async {
        fs::write(folder.at("file"), "text").await?;
        fs::symlink("file", folder.at("link")).await?;
        assert_eq!(fs::read(folder.at("link")).await?, b"text");
        assert_eq!(fs::read_link(folder.at("link")).await?, PathBuf::from("file"));
        assert!(fs::symlink_metadata(folder.at("link")).await?.file_type().is_symlink());
        assert!(fs::metadata(folder.at("link")).await?.is_file());
        Ok(())
    });
}

#[test]
fn an_open_file_is_read_and_written_here_and_there() {
    let folder = Folder::new("open");
    run(async {
        let options = File::options().read(true).write(true).create_new(true).clone();
        let mut file = options.open(folder.at("file")).await?;
        file.write_all("0123456789").await?;
        assert_eq!(file.seek(SeekFrom::Start(2)).await?, 2);
        let mut buf = [0; 3];
        assert_eq!(file.read(&mut buf).await?, 3);
        assert_eq!(&buf, b"234");
        assert_eq!(file.read_at(&mut buf, 8).await?, 2);
        assert_eq!(&buf, b"894");
        assert_eq!(file.write_at(b"xy", 0).await?, 2);
        assert_eq!(file.write(b"z").await?, 1);
        assert_eq!(file.read_to_end().await?, b"6789");
        assert_eq!(file.read(&mut buf).await?, 0);
        assert_eq!(file.read(&mut []).await?, 0);
        file.set_len(6).await?;
        file.sync_data().await?;
        file.sync_all().await?;
        assert_eq!(file.metadata().await?.len(), 6);
        file.set_permissions(file.metadata().await?.permissions()).await?;
        assert_eq!(fs::read(folder.at("file")).await?, b"xy234z");
        assert_eq!(file.try_into_std().expect("nothing is under way").metadata()?.len(), 6);
        let mut appended = File::options().append(true).open(folder.at("file")).await?;
        appended.write_all(b"!".to_vec()).await?;
        drop(File::create(folder.at("other")).await?);
        assert_eq!(fs::read(folder.at("file")).await?, b"xy234z!");
        Ok(())
    });
}

/// The error of an operation on a path that does not exist, or is a folder.
fn check(error: io::Error, kind: ErrorKind, start: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().starts_with(start), "{error}");
    let source = error.get_ref().and_then(Error::source).expect("the system's error");
    let source = source.downcast_ref::<io::Error>().expect("an io::Error");
    assert_eq!(source.kind(), kind);
}

#[test]
fn errors_name_operation_and_path_and_the_loop_goes_on() {
    let folder = Folder::new("errors");
    let (missing, there) = (folder.at("missing"), folder.at("there"));
    let text = |operation| format!("{operation} {}: ", missing.display());
    run(async {
        use ErrorKind::{AlreadyExists, DirectoryNotEmpty, InvalidData, InvalidInput, NotFound};
        let not_found = |error, operation| check(error, NotFound, &text(operation));
        not_found(fs::read(&missing).await.expect_err("missing"), "read");
        not_found(fs::read_to_string(&missing).await.expect_err("missing"), "read");
        not_found(fs::metadata(&missing).await.expect_err("missing"), "metadata");
        not_found(fs::read_dir(&missing).await.expect_err("missing"), "read_dir");
        not_found(fs::remove_file(&missing).await.expect_err("missing"), "remove_file");
        not_found(fs::remove_dir(&missing).await.expect_err("missing"), "remove_dir");
        not_found(fs::remove_dir_all(&missing).await.expect_err("missing"), "remove_dir_all");
        not_found(fs::canonicalize(&missing).await.expect_err("missing"), "canonicalize");
        not_found(File::open(&missing).await.expect_err("missing"), "open");
        let inside = missing.join("file");
        let start = format!("write {}: ", inside.display());
        check(fs::write(&inside, "").await.expect_err("missing"), NotFound, &start);
        let start = format!("rename {} -> {}: ", missing.display(), there.display());
        check(fs::rename(&missing, &there).await.expect_err("missing"), NotFound, &start);
        fs::create_dir_all(there.join("deeper")).await?;
        check(fs::create_dir(&there).await.expect_err("it is there"), AlreadyExists, "create_dir ");
        check(
            fs::remove_dir(&there).await.expect_err("not empty"),
            DirectoryNotEmpty,
            "remove_dir ",
        );
        let is_folder = fs::read(&there).await.expect_err("a folder");
        assert!(is_folder.to_string().starts_with("read "), "{is_folder}");
        check(fs::read("nul\0byte").await.expect_err("NUL"), InvalidInput, "read nul");
        let nothing = File::options().open(&there).await.expect_err("no access");
        check(nothing, InvalidInput, "open ");
        fs::write(folder.at("binary"), [0xff]).await?;
        let binary = fs::read_to_string(folder.at("binary")).await.expect_err("not UTF-8");
        check(binary, InvalidData, "read ");
        let mut file = File::open(folder.at("binary")).await?;
        let refused = file.write_all("x").await.expect_err("opened for reading");
        assert!(refused.raw_os_error().is_some(), "as it is: {refused}");
        assert_eq!(fs::read(folder.at("binary")).await?, [0xff]);
        Ok(())
    });
}

#[test]
fn an_operation_is_one_request_of_its_caller() {
    let journal = Journal::default();
    let hook = create_hook(HookEvents(journal.clone()));
    Runtime::new().block_on(async {
        hook.enable();
        let read = fs::read("Cargo.toml");
        journal.add("called");
        read.await.expect("it is there");
        lunation::yield_now().await;
        hook.disable();
    });
    assert_eq!(journal.take(), "called FSREQCALLBACK tests/it/fs.rs before after destroy");
}

#[test]
fn an_operation_that_is_dropped_before_it_begins_is_not_done() {
    if !alone("fs::an_operation_that_is_dropped_before_it_begins_is_not_done") {
        return;
    }
    let folder = Folder::new("dropped");
    let path = folder.at("file");
    run(async {
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let busy = spawn_blocking(move || wait.recv().is_err());
        {
            let mut write = pin!(fs::write(&path, "text"));
            assert!(write.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        drop(release);
        assert!(busy.await.expect("no panic"));
        assert!(!fs::exists(&path).await?);
        Ok(())
    });
}

#[test]
fn an_operation_that_the_runtime_does_not_live_to_begin_is_an_error() {
    if !alone("fs::an_operation_that_the_runtime_does_not_live_to_begin_is_an_error") {
        return;
    }
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let runtime = Runtime::new();
    let mut read = fs::read("Cargo.toml");
    runtime.enter(|| {
        drop(spawn_blocking(move || wait.recv().is_err()));
        let polled = pin!(&mut read).poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
    });
    drop(runtime);
    drop(release);
    let error = Runtime::new().block_on(read).expect_err("it has not begun");
    assert_eq!(error.to_string(), "the runtime ended before this operation began");
}
