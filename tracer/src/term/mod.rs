//! Text for people: numbers, times, columns, and what the terminal can show.
