//! The connect page, tested with plain requests, and in a browser if one is installed.

mod browser;
mod handlers;
mod visitor;
mod world;
