//! The connect page, by requests made by hand, and in a browser where there is one.

mod browser;
mod handlers;
mod visitor;
mod world;
