//! Recordings: the event stream in a file.
