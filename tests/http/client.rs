//! A client that shows what is on the wire.

use std::io;
use std::net::SocketAddr;

use lunation::net::TcpStream;

/// A connection to the server.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// A response with its body, decoded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: String,
}

pub(crate) fn reply(status: u16, body: &str) -> Reply {
    Reply { status, body: body.to_owned() }
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        Client { stream, unread: Vec::new() }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.expect("the server reads");
    }

    /// As [`send`](Self::send), but the server may have closed the connection.
    pub(crate) async fn try_send(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes()).await
    }

    /// Ends this side of the connection.
    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.expect("it is open");
    }

    pub(crate) async fn get(&mut self, path: &str) -> Reply {
        self.send(&get(path)).await;
        self.reply().await
    }

    pub(crate) async fn post(&mut self, path: &str, body: &str) -> Reply {
        self.send(&post(path, body)).await;
        self.reply().await
    }

    /// The next response, whose length is given or which comes in chunks.
    pub(crate) async fn reply(&mut self) -> Reply {
        self.try_reply().await.expect("a response")
    }

    /// `None` if the connection ends before a whole response.
    pub(crate) async fn try_reply(&mut self) -> Option<Reply> {
        let head = self.line_block().await?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let body = match header(&head, "content-length") {
            Some(length) => self.take(length.parse().ok()?).await?,
            None => self.chunks().await?,
        };
        Some(Reply { status, body })
    }

    /// Whether the server has closed the connection, after nothing more than was read.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.unread.is_empty() && !self.fill().await
    }

    /// A body that comes in chunks.
    pub(crate) async fn chunks(&mut self) -> Option<String> {
        let mut body = String::new();
        loop {
            let size = usize::from_str_radix(&self.until("\r\n").await?, 16).ok()?;
            let chunk = self.take(size + 2).await?;
            if size == 0 {
                return Some(body);
            }
            body.push_str(&chunk[..size]);
        }
    }

    /// What stands before the next empty line.
    pub(crate) async fn line_block(&mut self) -> Option<String> {
        self.until("\r\n\r\n").await
    }

    /// What stands before the next `end`, which is taken too.
    async fn until(&mut self, end: &str) -> Option<String> {
        loop {
            let found = self.unread.windows(end.len()).position(|window| window == end.as_bytes());
            if let Some(position) = found {
                let mut taken = self.take(position + end.len()).await?;
                taken.truncate(position);
                return Some(taken);
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    async fn take(&mut self, length: usize) -> Option<String> {
        while self.unread.len() < length {
            if !self.fill().await {
                return None;
            }
        }
        let rest = self.unread.split_off(length);
        let taken = std::mem::replace(&mut self.unread, rest);
        Some(String::from_utf8(taken).expect("the tests send text"))
    }

    /// Reads on. False at the end, also when the connection was reset.
    async fn fill(&mut self) -> bool {
        let mut chunk = [0; 4096];
        let length = self.stream.read(&mut chunk).await.unwrap_or(0);
        self.unread.extend_from_slice(&chunk[..length]);
        length > 0
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")
}

pub(crate) fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n{body}")
}
