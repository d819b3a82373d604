//! What this host, and one process on it, allow.
