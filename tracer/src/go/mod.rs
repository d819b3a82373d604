//! Everything this project knows about Go.
pub mod gc;
