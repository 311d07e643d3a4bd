//! HTTP/1.1 by hand: heads, bodies and replies over one buffer for each connection. Only what storage clients send is spoken.

pub(crate) mod body;
pub(crate) mod chunks;
pub(crate) mod connection;
pub(crate) mod reply;
pub(crate) mod request;
