//! The example server as a process of its own.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use lunation::task::JoinSet;
use lunation::{spawn, time};

use crate::client::{Client, get, post, reply};
use crate::program::program;
use crate::support::run;

/// A running example. Its lines are read by a thread, so that it never waits for us.
struct Server {
    child: Child,
    address: SocketAddr,
    lines: Receiver<String>,
}

impl Server {
    fn start() -> Server {
        Server::start_with(Command::new(program("http_echo")).args(["--port", "0"]))
    }

    fn start_with(command: &mut Command) -> Server {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the example starts");
        let output = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let first = lines.recv().expect("the example prints its address");
        let address = first.rsplit('/').next().and_then(|address| address.parse().ok());
        Server { child, address: address.expect("an address"), lines }
    }

    fn interrupt(&self) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-INT", &pid]).status();
        assert!(status.is_ok_and(|status| status.success()));
    }

    /// Ends it: its status and the rest of its log.
    fn stop(mut self) -> (ExitStatus, Vec<String>) {
        self.interrupt();
        let status = self.child.wait().expect("it ends");
        (status, self.lines.iter().collect())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn routes_answer() {
    let server = Server::start();
    run(async {
        let mut client = Client::connect(server.address).await;
        assert_eq!(client.get("/").await, reply(200, "hello"));
        assert_eq!(client.post("/echo", "moon").await, reply(200, "moon"));
        assert_eq!(client.get("/sleep/5").await, reply(200, "slept 5 ms"));
        assert_eq!(client.get("/whoami").await, reply(200, "4"));
        for (path, status) in [
            ("/sleep/", 400),
            ("/sleep/-1", 400),
            ("/sleep/60001", 400),
            ("/sleep/99999999999999999999999", 400),
            ("/nothing", 404),
            ("/echo", 405),
            ("/panic", 500),
        ] {
            assert_eq!(client.get(path).await.status, status, "{path}");
        }
        assert_eq!(client.post("/whoami", "").await.status, 405);
        assert_eq!(client.post("/echo", &"x".repeat(1 << 20)).await.status, 200);
        let large = "x".repeat((1 << 20) + 1);
        assert_eq!(client.post("/echo", &large).await.status, 413);

        let mut chunked = Client::connect(server.address).await;
        let head = "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let _ = chunked.try_send(&format!("{head}100001\r\n{large}\r\n0\r\n\r\n")).await;
        assert_eq!(chunked.reply().await.status, 413);

        let mut after = Client::connect(server.address).await;
        assert_eq!(after.get("/").await, reply(200, "hello"));
    });
    assert_eq!(server.stop().0.code(), Some(0));
}

#[test]
fn a_thousand_requests_know_their_ids() {
    const CONNECTIONS: usize = 50;
    const REQUESTS: usize = 20;
    let server = Server::start();
    let answers = run(async {
        let mut clients = JoinSet::new();
        for connection in 0..CONNECTIONS {
            clients.spawn(async move {
                let paths: Vec<_> =
                    (0..REQUESTS).map(|n| format!("/whoami?{connection}-{n}")).collect();
                let mut client = Client::connect(server.address).await;
                client.send(&paths.iter().map(|path| get(path)).collect::<String>()).await;
                let mut answers = Vec::new();
                for path in paths {
                    let answer = client.reply().await;
                    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
                    answers.push((path, answer.body));
                }
                answers
            });
        }
        clients.join_all().await.into_iter().flatten().collect::<Vec<_>>()
    });
    let (status, log) = server.stop();
    assert!(status.success());
    let ids: HashSet<_> = answers.iter().map(|(_, id)| id).collect();
    assert_eq!(ids.len(), CONNECTIONS * REQUESTS);

    let mut lines: HashMap<&str, Vec<&str>> = HashMap::new();
    for line in &log {
        let (id, text) = line.split_once("] ").expect("a stamped line");
        lines.entry(id.trim_start_matches('[')).or_default().push(text);
    }
    for (path, id) in &answers {
        let expected = [format!("GET {path}"), "200 OK".to_owned()];
        assert_eq!(lines[id.as_str()], expected, "request {id}");
    }
}

#[test]
fn keep_alive_connections_get_their_own_answers() {
    let server = Server::start();
    run(async {
        let mut clients = JoinSet::new();
        for n in 0..200 {
            clients.spawn(async move {
                let mut client = Client::connect(server.address).await;
                for round in 0..5 {
                    let text = format!("client {n}, round {round}");
                    assert_eq!(client.post("/echo", &text).await, reply(200, &text));
                    let ms = (n * 7 + round) % 20;
                    let slept = client.get(&format!("/sleep/{ms}")).await;
                    assert_eq!(slept, reply(200, &format!("slept {ms} ms")));
                    let pair = get("/whoami") + &post("/echo", &text);
                    client.send(&pair).await;
                    assert_eq!(client.reply().await.status, 200);
                    assert_eq!(client.reply().await, reply(200, &text));
                }
            });
        }
        assert_eq!(clients.join_all().await.len(), 200);
    });
    assert!(server.stop().0.success());
}

#[test]
fn ctrl_c_lets_requests_finish() {
    let server = Server::start();
    run(async {
        let mut client = Client::connect(server.address).await;
        client.send(&get("/sleep/300")).await;
        let running = spawn(async move { client.reply().await });
        let mut idle = Client::connect(server.address).await;
        assert_eq!(idle.get("/").await, reply(200, "hello"));
        server.interrupt();
        assert!(idle.is_closed().await);
        assert!(TcpStream::connect(server.address).is_err());
        assert_eq!(running.await.expect("no panic"), reply(200, "slept 300 ms"));
    });
    let mut server = server;
    assert_eq!(server.child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_port_in_use_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address");
    let mut command = Command::new(program("http_echo"));
    let output = command.args(["--port", &address.port().to_string()]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains(&address.to_string()) && text.contains("in use"), "{text}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_server_out_of_descriptors_serves_and_waits() {
    let mut command = Command::new("sh");
    let server = Server::start_with(
        command.args(["-c", "ulimit -n 32; exec \"$0\" --port 0"]).arg(program("http_echo")),
    );
    run(async {
        let mut early = Client::connect(server.address).await;
        assert_eq!(early.get("/").await, reply(200, "hello"));
        let crowd: Vec<_> =
            (0..60).map(|_| TcpStream::connect(server.address).expect("it queues")).collect();
        time::sleep(Duration::from_millis(100)).await;

        let before = cpu_ticks(server.child.id());
        for _ in 0..10 {
            time::sleep(Duration::from_millis(100)).await;
            assert_eq!(early.get("/").await, reply(200, "hello"));
        }
        let spent = cpu_ticks(server.child.id()) - before;
        assert!(spent < 50, "{spent} ticks of CPU in about a hundred: it spins");

        drop(crowd);
        let mut late = Client::connect(server.address).await;
        assert_eq!(late.get("/").await, reply(200, "hello"));
    });
    let (status, log) = server.stop();
    assert!(status.success());
    let told = log.iter().filter(|line| line.contains("no connection accepted")).count();
    assert!((1..100).contains(&told), "told {told} times");
}

/// User and system time of a process, in hundredths of a second.
#[cfg(target_os = "linux")]
fn cpu_ticks(pid: u32) -> u64 {
    let mut stat = String::new();
    let file = fs::File::open(format!("/proc/{pid}/stat"));
    file.and_then(|mut file| file.read_to_string(&mut stat)).expect("the process lives");
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
}
