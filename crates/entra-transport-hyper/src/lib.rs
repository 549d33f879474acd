//! entra-transport over hyper, and over any tower service.
