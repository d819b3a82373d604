//! Results as plain data: what renderers accept.
