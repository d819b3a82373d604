//! Folds of the event stream into reports. No I/O.
