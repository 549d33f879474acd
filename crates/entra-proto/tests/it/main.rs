//! Tests of the public behavior of entra-proto: one binary, a module per subject.

mod acquisition;
mod advice;
mod assertions;
mod authorize;
mod browser;
mod canaries;
mod canaries_cases;
mod captures;
mod challenges;
mod codes_once;
mod corpora;
mod device;
mod device_limits;
mod device_responses;
mod federation;
mod fuzzed;
mod grants;
mod grants_laws;
mod laws;
mod legs;
mod presented;
mod redirects;
mod redirects_laws;
mod secrets;
mod user_captures;
mod user_tokens;
