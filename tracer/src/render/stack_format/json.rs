//! The profile itself as one line of JSON.

use std::io::{self, Write};

use super::Shown;
use crate::render::costed::Costed;

pub(super) fn write(shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    let costed = Costed {
        report: shown.profile,
        cost: shown.cost,
    };
    serde_json::to_writer(&mut *out, &costed)?;
    writeln!(out)
}
