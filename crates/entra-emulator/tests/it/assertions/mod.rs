//! Client assertions: every format of the official clients is accepted, and each invalid field has
//! its own AADSTS code.

mod fields;
mod forms;
