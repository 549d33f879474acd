//! Client assertions: every form the official clients send is accepted, and each wrong field has its own number.

mod fields;
mod forms;
