//! Public behaviour of entra-proto: one binary, a module for each subject.

mod acquisition;
mod advice;
mod assertions;
mod authorize;
mod browser;
mod canaries;
mod captures;
mod challenges;
mod codes_once;
mod corpora;
mod device;
mod device_answers;
mod fuzzed;
mod grants;
mod laws;
mod legs;
mod redirects;
mod secrets;
mod user_captures;
