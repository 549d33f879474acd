//! Public behaviour of entra-redis, with the client of redis-rs and the server of Redis.

mod connections;
mod server;
mod support;
