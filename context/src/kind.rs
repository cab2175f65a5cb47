//! What an async resource is: Node's `type` strings.

use std::fmt;

/// The kind of an async resource, Node's `type`.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ResourceKind {
    /// The root: the main future, and all that runs outside of a runtime.
    Root,
    /// A spawned task (Node has promises instead).
    Task,
    /// A timer.
    Timeout,
    /// A `set_immediate` callback.
    Immediate,
    /// A `next_tick` callback.
    TickObject,
    /// A `queue_microtask` callback.
    Microtask,
    /// A function bound to a context by `bind` or `snapshot`.
    BoundAnonymousFn,
    /// A listening TCP socket.
    TcpServerWrap,
    /// A TCP connection.
    TcpWrap,
    /// A TCP connect request.
    TcpConnectWrap,
    /// A listening Unix socket.
    PipeServerWrap,
    /// A Unix connection or a pipe.
    PipeWrap,
    /// A Unix connect request.
    PipeConnectWrap,
    /// A UDP socket.
    UdpWrap,
    /// A UDP send request.
    UdpSendWrap,
    /// A file system request.
    FsReqCallback,
    /// A host name lookup.
    GetAddrInfoReqWrap,
    /// A signal subscription.
    SignalWrap,
    /// A child process.
    ProcessWrap,
    /// One request on the server side.
    HttpIncomingMessage,
    /// One request on the client side.
    HttpClientRequest,
    /// A shutdown request of a stream.
    ShutdownWrap,
    /// A write request of a stream.
    WriteWrap,
    /// Blocking work on another thread.
    Job,
    /// A kind of the user's own; prefix it with a package name.
    User(&'static str),
}

use ResourceKind as K;

impl ResourceKind {
    /// All kinds but `User`, ordered by their code.
    pub const PROVIDERS: &'static [ResourceKind] = &[
        K::Root,
        K::Task,
        K::Timeout,
        K::Immediate,
        K::TickObject,
        K::Microtask,
        K::BoundAnonymousFn,
        K::TcpServerWrap,
        K::TcpWrap,
        K::TcpConnectWrap,
        K::PipeServerWrap,
        K::PipeWrap,
        K::PipeConnectWrap,
        K::UdpWrap,
        K::UdpSendWrap,
        K::FsReqCallback,
        K::GetAddrInfoReqWrap,
        K::SignalWrap,
        K::ProcessWrap,
        K::HttpIncomingMessage,
        K::HttpClientRequest,
        K::ShutdownWrap,
        K::WriteWrap,
        K::Job,
    ];

    /// The code of `User`: the name is kept elsewhere.
    const USER_CODE: u8 = 63;
    /// The bits of a code that are the position in `PROVIDERS`.
    pub(crate) const POSITION: u8 = 63;
    /// The bit of the code of a task. The one above it is free.
    pub(crate) const TASK_BIT: u8 = 64;

    /// Node's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            K::Root => "ROOT",
            K::Task => "TASK",
            K::Timeout => "Timeout",
            K::Immediate => "Immediate",
            K::TickObject => "TickObject",
            K::Microtask => "Microtask",
            K::BoundAnonymousFn => "bound-anonymous-fn",
            K::TcpServerWrap => "TCPSERVERWRAP",
            K::TcpWrap => "TCPWRAP",
            K::TcpConnectWrap => "TCPCONNECTWRAP",
            K::PipeServerWrap => "PIPESERVERWRAP",
            K::PipeWrap => "PIPEWRAP",
            K::PipeConnectWrap => "PIPECONNECTWRAP",
            K::UdpWrap => "UDPWRAP",
            K::UdpSendWrap => "UDPSENDWRAP",
            K::FsReqCallback => "FSREQCALLBACK",
            K::GetAddrInfoReqWrap => "GETADDRINFOREQWRAP",
            K::SignalWrap => "SIGNALWRAP",
            K::ProcessWrap => "PROCESSWRAP",
            K::HttpIncomingMessage => "HTTPINCOMINGMESSAGE",
            K::HttpClientRequest => "HTTPCLIENTREQUEST",
            K::ShutdownWrap => "SHUTDOWNWRAP",
            K::WriteWrap => "WRITEWRAP",
            K::Job => "JOB",
            K::User(name) => name,
        }
    }

    /// In six bits its position in `PROVIDERS`, or `USER_CODE`; above them whether it is a task.
    #[inline]
    pub(crate) const fn code(self) -> u8 {
        match self {
            K::Root => 0,
            K::Task => Self::TASK_BIT | 1,
            K::Timeout => 2,
            K::Immediate => 3,
            K::TickObject => 4,
            K::Microtask => 5,
            K::BoundAnonymousFn => 6,
            K::TcpServerWrap => 7,
            K::TcpWrap => 8,
            K::TcpConnectWrap => 9,
            K::PipeServerWrap => 10,
            K::PipeWrap => 11,
            K::PipeConnectWrap => 12,
            K::UdpWrap => 13,
            K::UdpSendWrap => 14,
            K::FsReqCallback => 15,
            K::GetAddrInfoReqWrap => 16,
            K::SignalWrap => 17,
            K::ProcessWrap => 18,
            K::HttpIncomingMessage => 19,
            K::HttpClientRequest => 20,
            K::ShutdownWrap => 21,
            K::WriteWrap => 22,
            K::Job => 23,
            K::User(_) => Self::USER_CODE,
        }
    }
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&'static str> for ResourceKind {
    fn from(name: &'static str) -> Self {
        K::User(name)
    }
}

/// The named kinds with their numbers: Node's `asyncWrapProviders`.
pub fn async_wrap_providers() -> impl ExactSizeIterator<Item = (&'static str, usize)> {
    K::PROVIDERS.iter().enumerate().map(|(number, kind)| (kind.as_str(), number))
}

#[cfg(test)]
mod tests {
    use super::ResourceKind;

    #[test]
    fn codes_are_positions() {
        for (position, kind) in ResourceKind::PROVIDERS.iter().enumerate() {
            let code = kind.code();
            assert_eq!(usize::from(code & ResourceKind::POSITION), position, "{kind}");
            assert_eq!(code & ResourceKind::TASK_BIT != 0, *kind == ResourceKind::Task, "{kind}");
        }
        assert!(ResourceKind::PROVIDERS.len() < usize::from(ResourceKind::USER_CODE));
    }
}
