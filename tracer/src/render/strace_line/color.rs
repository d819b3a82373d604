//! Colours of lines.

use std::borrow::Cow;

/// What a piece of a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Name,
    Error,
    Signal,
    End,
}

impl Part {
    /// Parameters of the terminal's SGR sequence.
    const fn sgr(self) -> &'static str {
        match self {
            Self::Name => "36",
            Self::Error => "31",
            Self::Signal => "33",
            Self::End => "35",
        }
    }
}

/// `text` in the colour of a part.
pub(super) fn paint(on: bool, part: Part, text: &str) -> Cow<'_, str> {
    match on {
        false => Cow::Borrowed(text),
        true => Cow::Owned(format!("\x1b[{}m{text}\x1b[0m", part.sgr())),
    }
}

/// Characters of `text` that a terminal shows: all but colours.
pub(super) fn shown_width(text: &str) -> usize {
    if !text.contains('\x1b') {
        return text.len();
    }
    let mut pieces = text.split("\x1b[");
    let first = pieces.next().map_or(0, str::len);
    let shown = |piece: &str| piece.split_once('m').map_or(0, |(_, after)| after.len());
    first + pieces.map(shown).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_have_no_width() {
        let text = paint(true, Part::Name, "close").into_owned() + "(3)";
        assert_eq!(text, "\x1b[36mclose\x1b[0m(3)");
        assert_eq!((shown_width(&text), shown_width("close(3)")), (8, 8));
        assert_eq!(paint(false, Part::Error, "-1 E"), "-1 E");
    }
}
