//! The reverse proxy, over real sockets.

mod forms;
mod hostile;
mod http2;
mod rejections;
mod setup;
mod streams;
mod tls;
mod upgrades;
