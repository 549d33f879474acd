//! entra-transport over ureq: blocking, no runtime.
