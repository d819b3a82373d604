//! `cargo xtask dist --verify`: what was made, looked at as those who get it will.

mod bare_debian;
mod check;
mod texts;

pub(super) use check::verify;
