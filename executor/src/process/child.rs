//! A running child.

use crate::current;
use crate::pool;
use crate::process::descriptor::Descriptor;
use crate::process::exit::watch;
use crate::process::pipe::{ChildStderr, ChildStdin, ChildStdout, Pipe};
use crate::spawn::spawn_detached;
use futures_util::future::join3;
use lunation_context::ResourceKind;
use lunation_reactor::{Interest, Registration};
use rustix::process::Pid;
use std::io;
use std::os::fd::OwnedFd;
use std::process::{ExitStatus, Output};

/// A child process, a `PROCESSWRAP` resource. Tokio: `process::Child`; Node: `ChildProcess`.
///
/// It keeps `run_to_idle` going while somebody waits for it or for one of its pipes. Dropping it
/// does not end the process, unless [`kill_on_drop`] was asked for; the runtime still takes its
/// status when it ends, so that no zombie stays. What outlives the runtime is left to the operating
/// system.
///
/// [`kill_on_drop`]: crate::process::Command::kill_on_drop
#[derive(Debug)]
pub struct Child {
    /// Its standard input, if that is a pipe.
    pub stdin: Option<ChildStdin>,
    /// Its standard output, if that is a pipe.
    pub stdout: Option<ChildStdout>,
    /// Its standard error, if that is a pipe.
    pub stderr: Option<ChildStderr>,
    /// There until the drop.
    process: Option<Process>,
    kill_on_drop: bool,
}

/// A process whose end is watched.
#[derive(Debug)]
struct Process {
    child: std::process::Child,
    exit: Registration<Descriptor<OwnedFd>>,
}

impl Process {
    /// Watches `child`; ends it if that fails.
    #[track_caller]
    fn new(mut child: std::process::Child) -> io::Result<Process> {
        match Process::watch(&child) {
            Ok(exit) => Ok(Process { child, exit }),
            Err(error) => {
                // Killed, it ends at once.
                let _ = child.kill().and_then(|()| child.wait());
                Err(error)
            }
        }
    }

    #[track_caller]
    fn watch(child: &std::process::Child) -> io::Result<Registration<Descriptor<OwnedFd>>> {
        let exit = Descriptor(watch(Pid::from_child(child))?);
        Registration::new(exit, Interest::READABLE, ResourceKind::ProcessWrap)
    }

    async fn wait(&mut self) -> io::Result<ExitStatus> {
        let Process { child, exit } = self;
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        let ended = |_: &_| child.try_wait()?.ok_or_else(|| io::ErrorKind::WouldBlock.into());
        exit.async_io(Interest::READABLE, ended).await
    }
}

impl Child {
    /// Takes over what std has started; ends it if that fails.
    #[track_caller]
    pub(super) fn adopt(mut started: std::process::Child, kill_on_drop: bool) -> io::Result<Child> {
        let (stdin, stdout, stderr) =
            (started.stdin.take(), started.stdout.take(), started.stderr.take());
        let process = Some(Process::new(started)?);
        let mut child =
            Child { stdin: None, stdout: None, stderr: None, process, kill_on_drop: true };
        if let Some(end) = stdin {
            child.stdin = Some(ChildStdin(Pipe::new(end, Interest::WRITABLE)?));
        }
        if let Some(end) = stdout {
            child.stdout = Some(ChildStdout(Pipe::new(end, Interest::READABLE)?));
        }
        if let Some(end) = stderr {
            child.stderr = Some(ChildStderr(Pipe::new(end, Interest::READABLE)?));
        }
        child.kill_on_drop = kill_on_drop;
        Ok(child)
    }

    fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("it is there until the drop")
    }

    /// The system's number of the process.
    pub fn id(&self) -> u32 {
        self.process.as_ref().map_or(0, |process| process.child.id())
    }

    /// Closes `stdin`, then waits until the process has ended; the same status every time. Node:
    /// the event `exit`.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// The system's: somebody else has taken the status. The runtime is not that of the child.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        self.process().wait().await
    }

    /// The status, if the process has ended.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.process().child.try_wait()
    }

    /// Closes `stdin`, reads what the process writes to its pipes and waits until it has ended.
    ///
    /// # Errors
    /// As [`wait`](Self::wait), or those of the pipes.
    pub async fn wait_with_output(mut self) -> io::Result<Output> {
        let (out, err) = (self.stdout.take(), self.stderr.take());
        let read_out = async {
            let mut bytes = Vec::new();
            if let Some(mut pipe) = out {
                pipe.read_to_end(&mut bytes).await?;
            }
            io::Result::Ok(bytes)
        };
        let read_err = async {
            let mut bytes = Vec::new();
            if let Some(mut pipe) = err {
                pipe.read_to_end(&mut bytes).await?;
            }
            io::Result::Ok(bytes)
        };
        let (status, stdout, stderr) = join3(self.wait(), read_out, read_err).await;
        Ok(Output { status: status?, stdout: stdout?, stderr: stderr? })
    }

    /// Kills the process (SIGKILL) without waiting for its end. Nothing if it has ended.
    ///
    /// # Errors
    /// The system's: it may not be killed.
    pub fn start_kill(&mut self) -> io::Result<()> {
        self.process().child.kill()
    }

    /// Kills the process and waits for its end.
    ///
    /// # Errors
    /// As [`start_kill`](Self::start_kill) and [`wait`](Self::wait).
    pub async fn kill(&mut self) -> io::Result<()> {
        self.start_kill()?;
        self.wait().await.map(drop)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        if !matches!(process.child.try_wait(), Ok(None)) {
            return;
        }
        if self.kill_on_drop {
            let _ = process.child.kill();
        }
        if current::try_current().is_some_and(|event_loop| !event_loop.core.is_closing()) {
            process.exit.unref();
            drop(spawn_detached(async move { process.wait().await.map(drop) }));
        } else if self.kill_on_drop {
            pool::run(move || drop(process.child.wait()));
        }
    }
}
