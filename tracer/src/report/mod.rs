//! Results as plain data: what renderers accept.

pub mod histogram;
pub mod table;
