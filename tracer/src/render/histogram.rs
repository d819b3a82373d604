//! Histograms as bars of text.

use std::fmt::Write;

use crate::analysis::Octave;

/// Width of the longest bar.
const BAR: usize = 40;

/// A power-of-two histogram in the layout of the BCC tools, one line a bucket below a header;
/// empty without buckets. `unit` names the values, for instance `nsecs`.
#[must_use]
pub fn log2_histogram(unit: &str, octaves: &[Octave]) -> String {
    let Some(last) = octaves.last() else {
        return String::new();
    };
    // Wider columns when a bound has more than ten digits, as there.
    let digits = if last.high_ns > u64::from(u32::MAX) {
        20
    } else {
        10
    };
    let longest = octaves.iter().map(|o| o.count).max().unwrap_or(0);
    let mut text = String::new();
    let indent = digits / 2;
    let name = 2 * digits + 4 - indent;
    writeln!(text, "{:indent$}{unit:<name$} : count     distribution", "").expect(MEMORY);
    for octave in octaves {
        let bar = "*".repeat(bar_length(octave.count, longest));
        writeln!(
            text,
            "{:>digits$} -> {:<digits$} : {:<8} |{bar:<BAR$}|",
            octave.low_ns, octave.high_ns, octave.count
        )
        .expect(MEMORY);
    }
    text
}

const MEMORY: &str = "writing to memory does not fail";

fn bar_length(count: u64, longest: u64) -> usize {
    if longest == 0 {
        return 0;
    }
    (u128::from(count) * BAR as u128 / u128::from(longest)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octave(low_ns: u64, high_ns: u64, count: u64) -> Octave {
        Octave {
            low_ns,
            high_ns,
            count,
        }
    }

    #[test]
    fn bars_are_relative_to_the_longest() {
        let text = log2_histogram(
            "nsecs",
            &[
                octave(0, 1, 1),
                octave(2, 3, 0),
                octave(4, 7, 40),
                octave(8, 15, 21),
            ],
        );
        assert_eq!(
            text,
            "     nsecs               : count     distribution\n\
             \x20        0 -> 1          : 1        |*                                       |\n\
             \x20        2 -> 3          : 0        |                                        |\n\
             \x20        4 -> 7          : 40       |****************************************|\n\
             \x20        8 -> 15         : 21       |*********************                   |\n"
        );
        assert_eq!(log2_histogram("nsecs", &[]), "");
    }

    #[test]
    fn large_bounds_and_counts_fit() {
        let text = log2_histogram("nsecs", &[octave(1 << 33, (1 << 34) - 1, u64::MAX)]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[1],
            format!(
                "{:>20} -> {:<20} : {} |{}|",
                8_589_934_592u64,
                17_179_869_183u64,
                u64::MAX,
                "*".repeat(40)
            )
        );
        assert_eq!(lines[0].find(':'), lines[1].find(':'));
    }
}
