//! `cargo xtask dist`: what is handed to people, the same bytes wherever it is built.

mod build;
mod deb;
mod licences;
mod reproduce;
mod run;
mod source;
mod sums;
mod texts;
mod verify;

pub(crate) use run::{Options, dist};
