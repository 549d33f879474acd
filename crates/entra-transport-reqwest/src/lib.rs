//! entra-transport over reqwest.
