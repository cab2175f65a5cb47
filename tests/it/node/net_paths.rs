//! Node's tests of Unix sockets.

use super::activity::Activities;
use super::net::{counted_connection, ended_client, ending_server};
use super::support::async_script;
use lunation::net::{UnixListener, UnixStream};
use std::path::PathBuf;

/// A path for a socket, removed at the end.
struct Place(PathBuf);

impl Place {
    fn new(test: &str) -> Place {
        let name = format!("lunation-{test}-{}", std::process::id());
        Place(std::env::temp_dir().join(name))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn test_pipeconnectwrap() {
    // Node: async-hooks/test-pipeconnectwrap. Assertions: 26 there, 18 here; left out: kinds and
    // ids that are numbers (7: types), the must-calls and who comes first (4: the code is one
    // async function). DIFFERENCE: as in `test_tcpwrap`. Added: the triggers.
    let (seen, place) = (Activities::enabled(), Place::new("pipeconnectwrap"));
    async_script(async {
        let listener = UnixListener::bind(&place.0).expect("a free path");
        let kinds = ["PIPESERVERWRAP", "PIPEWRAP", "PIPECONNECTWRAP"];
        counted_connection(&seen, kinds, listener, UnixStream::connect(&place.0)).await;
    });
    seen.disable();
}

#[test]
fn test_graph_pipeconnect() {
    // Node: async-hooks/test-graph.pipeconnect. Assertions: 3 there, 6 here; left out: must-calls
    // (2: the end that the client reads comes from the server). DIFFERENCE: `listening` is no
    // event, so the client is no child of the server.
    let (seen, place) = (Activities::enabled(), Place::new("pipeconnect"));
    async_script(async {
        let listener = UnixListener::bind(&place.0).expect("a free path");
        ended_client(UnixStream::connect(&place.0), ending_server(listener)).await;
    });
    seen.disable();
    assert_eq!(
        seen.graph(&["PIPESERVERWRAP", "PIPEWRAP", "PIPECONNECTWRAP", "SHUTDOWNWRAP"]),
        "1:PIPESERVERWRAP 2:PIPEWRAP 3:PIPECONNECTWRAP<2 4:PIPEWRAP<1 5:SHUTDOWNWRAP<4"
    );
}
