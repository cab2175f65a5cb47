//! Files, child processes and signals.

use crate::world::World;
use lunation::fs;
use lunation::process::{Command, Stdio};
use lunation::signal::{SignalKind, signal};
use lunation::time;
use std::io;
use std::rc::Rc;
use std::time::Duration;

pub async fn round(world: Rc<World>) {
    let path = world.folder().join("file");
    let contents = vec![b'y'; 1 + world.random(100_000) as usize];
    let work = async {
        fs::write(&path, contents.clone()).await?;
        assert_eq!(fs::read(&path).await?, contents);
        // Given up at once.
        drop(fs::read(&path));
        assert_eq!(fs::metadata(&path).await?.len(), contents.len() as u64);
        fs::remove_file(&path).await
    };
    work.await.expect("files work");
    assert!(fs::read(&path).await.is_err());
}

pub async fn processes(_: Rc<World>) {
    children().await.expect("children run");
}

async fn children() -> io::Result<()> {
    let output = Command::new("echo").arg("hello").output().await?;
    assert_eq!(output.stdout, b"hello\n");
    let mut long = Command::new("sleep").arg("1000").stdin(Stdio::piped()).spawn()?;
    assert!(time::timeout(Duration::from_millis(1), long.wait()).await.is_err());
    long.kill().await?;
    drop(Command::new("sleep").arg("1000").kill_on_drop(true).spawn()?);
    assert!(Command::new("/no such program").spawn().is_err());

    let mut signals = signal(SignalKind::user_defined1())?;
    let sent = Command::new("sh").args(["-c", "kill -USR1 $PPID"]).status().await?;
    assert!(sent.success());
    signals.recv().await
}
