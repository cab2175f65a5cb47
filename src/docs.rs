//! The handbook: pages to read, no code.
//!
//! | page | for the question |
//! |---|---|
//! | [`ordering`] | what runs before what, and when does the loop end? |
//! | [`context`] | which values does this line of code see? |
//! | [`from_node`] | what is this Node API called here, and what differs? |
//! | [`from_tokio`] | what is this tokio API called here, and what differs? |
//!
//! Every example is compiled and run by the tests. They use a runtime whose clock is virtual
//! ([`start_paused`](crate::Builder::start_paused)), so that waiting takes no time.

/// What runs before what: the loop's contract.
pub mod ordering {
    #![doc = include_str!("docs/ordering.md")]
}

/// Which values a line of code sees: where each context begins and ends.
pub mod context {
    #![doc = include_str!("docs/context.md")]
    #![cfg_attr(feature = "http", doc = include_str!("docs/context_http.md"))]
}

/// Node's APIs, ours, and the differences.
pub mod from_node {
    #![doc = include_str!("docs/from_node.md")]
    #![cfg_attr(feature = "http", doc = include_str!("docs/from_node_http.md"))]
    #![doc = include_str!("docs/from_node_missing.md")]
}

/// Tokio's APIs, ours, and the differences.
pub mod from_tokio {
    #![doc = include_str!("docs/from_tokio.md")]
}
