//! What the receiver of the output can show.

use std::env;
use std::io::IsTerminal;
use std::os::fd::{AsFd, AsRawFd};

/// Whether to colour text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    On,
    Off,
}

/// A terminal, or what stands in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    pub is_terminal: bool,
    pub color: Color,
    /// Columns; `None` when lines may be as long as they like (a file or pipe).
    pub width: Option<usize>,
}

impl Terminal {
    /// Asks the descriptor and the environment (`NO_COLOR`, `TERM`, `COLUMNS`).
    #[must_use]
    pub fn of(output: impl AsFd) -> Self {
        let fd = output.as_fd();
        Self::decide(fd.is_terminal(), window_columns(fd.as_raw_fd()), |name| {
            env::var(name).ok()
        })
    }

    fn decide(
        is_terminal: bool,
        window: Option<usize>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let set = |name| variable(name).is_some_and(|value| !value.is_empty());
        let dumb = variable("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let columns = variable("COLUMNS").and_then(|c| c.trim().parse().ok());
        let width = columns.filter(|&c: &usize| c > 0).or(window).or(Some(80));
        Self {
            is_terminal,
            color: if is_terminal && !dumb && !set("NO_COLOR") {
                Color::On
            } else {
                Color::Off
            },
            width: width.filter(|_| is_terminal),
        }
    }
}

fn window_columns(fd: i32) -> Option<usize> {
    // SAFETY: `winsize` is plain integers, for which all bits zero is a valid value.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    // SAFETY: TIOCGWINSZ writes one `winsize` to the pointer, which is valid for it.
    let failed = unsafe { libc::ioctl(fd, libc::TIOCGWINSZ, &raw mut size) } != 0;
    (!failed && size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// The first `width` characters of `line`; the last is `…` when some are left out.
#[must_use]
pub fn clip(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    let mut clipped: String = line.chars().take(width.saturating_sub(1)).collect();
    if width > 0 {
        clipped.push('…');
    }
    clipped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(is_terminal: bool, variables: &[(&str, &str)]) -> Terminal {
        Terminal::decide(is_terminal, Some(132), |name| {
            let found = variables.iter().find(|v| v.0 == name);
            found.map(|v| v.1.to_owned())
        })
    }

    #[test]
    fn colour_needs_a_capable_terminal_and_no_objection() {
        for (is_terminal, variables, want) in [
            (true, &[("TERM", "xterm")][..], Color::On),
            (false, &[("TERM", "xterm")], Color::Off),
            (true, &[("TERM", "dumb")], Color::Off),
            (true, &[], Color::Off),
            (true, &[("TERM", "xterm"), ("NO_COLOR", "1")], Color::Off),
            (true, &[("TERM", "xterm"), ("NO_COLOR", "")], Color::On),
        ] {
            assert_eq!(decide(is_terminal, variables).color, want, "{variables:?}");
        }
    }

    #[test]
    fn width_is_the_window_s_unless_told_otherwise() {
        assert_eq!(decide(true, &[]).width, Some(132));
        assert_eq!(decide(true, &[("COLUMNS", "40")]).width, Some(40));
        assert_eq!(decide(true, &[("COLUMNS", "0")]).width, Some(132));
        assert_eq!(decide(false, &[("COLUMNS", "40")]).width, None);
    }

    #[test]
    fn a_file_is_no_terminal() {
        let file = tempfile::tempfile().expect("a file");
        let terminal = Terminal::of(&file);
        assert!(!terminal.is_terminal);
        assert_eq!((terminal.color, terminal.width), (Color::Off, None));
    }

    #[test]
    fn clipping_shows_that_it_clipped() {
        assert_eq!(clip("µµµµ", 4), "µµµµ");
        assert_eq!(clip("µµµµµ", 4), "µµµ…");
        assert_eq!(clip("ab", 0), "");
    }
}
