//! The table type and the two ways to print a number with it.

use std::fmt::Write;

/// Names of bits, or of values.
#[derive(Debug)]
pub struct Names {
    /// Printed when no bit is set; `None` prints `0`.
    pub zero: Option<&'static str>,
    /// Comment after a number without any name, for instance `MAP_???`; empty for none.
    pub unknown: &'static str,
    /// Value and name. For flags, multi-bit entries come before their parts.
    pub names: &'static [(u64, &'static str)],
}

impl Names {
    /// Name of exactly this value.
    #[must_use]
    pub fn get(&self, value: u64) -> Option<&'static str> {
        self.names.iter().find(|n| n.0 == value).map(|n| n.1)
    }

    /// Appends `A|B|0x40`, the name of zero, or `0x40 /* X_??? */` when no bit has a name.
    pub fn flags(&self, out: &mut String, value: u64) {
        if value == 0 {
            out.push_str(self.zero.unwrap_or("0"));
            return;
        }
        let start = out.len();
        let rest = self.named_bits(out, value);
        if rest == 0 {
            return;
        }
        let any = out.len() > start;
        hex(out, if any { "|" } else { "" }, rest);
        if !any {
            self.comment(out);
        }
    }

    /// Appends the names of known bits, joined by `|`; returns the bits without a name.
    pub fn named_bits(&self, out: &mut String, value: u64) -> u64 {
        let mut rest = value;
        let mut separator = "";
        for &(bits, name) in self.names {
            if bits != 0 && rest & bits == bits {
                out.push_str(separator);
                out.push_str(name);
                separator = "|";
                rest &= !bits;
            }
        }
        rest
    }

    /// As [`Self::named_bits`], with a `|` before each name.
    pub fn named_bits_after(&self, out: &mut String, value: u64) -> u64 {
        let mut names = String::new();
        let rest = self.named_bits(&mut names, value);
        if !names.is_empty() {
            out.push('|');
            out.push_str(&names);
        }
        rest
    }

    /// Appends the name of a value, or `0x40 /* X_??? */`.
    pub fn value(&self, out: &mut String, value: u64) {
        match self.get(value) {
            Some(name) => out.push_str(name),
            None => {
                hex(out, "", value);
                self.comment(out);
            }
        }
    }

    fn comment(&self, out: &mut String) {
        if !self.unknown.is_empty() {
            let _ = write!(out, " /* {} */", self.unknown);
        }
    }
}

/// C's `%#x`: no prefix for zero.
fn hex(out: &mut String, separator: &str, value: u64) {
    let _ = match value {
        0 => write!(out, "{separator}0"),
        _ => write!(out, "{separator}{value:#x}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    static COLORS: Names = Names {
        zero: None,
        unknown: "C_???",
        names: &[(3, "C_BOTH"), (1, "C_RED"), (2, "C_BLUE")],
    };

    fn flags(value: u64) -> String {
        let mut out = String::new();
        COLORS.flags(&mut out, value);
        out
    }

    #[test]
    fn flags_print_names_then_the_rest() {
        assert_eq!(flags(0), "0");
        assert_eq!(flags(1), "C_RED");
        assert_eq!(flags(3), "C_BOTH");
        assert_eq!(flags(0x12), "C_BLUE|0x10");
        assert_eq!(flags(0x10), "0x10 /* C_??? */");
    }

    #[test]
    fn values_print_one_name() {
        let mut out = String::new();
        COLORS.value(&mut out, 2);
        COLORS.value(&mut out, 0);
        COLORS.value(&mut out, 9);
        assert_eq!(out, "C_BLUE0 /* C_??? */0x9 /* C_??? */");
    }
}
