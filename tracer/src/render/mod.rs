//! Text, graphics and data formats of what was found.
