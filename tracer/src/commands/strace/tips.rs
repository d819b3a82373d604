//! `--tips`: what users of strace may not know of this program.

use std::time::{SystemTime, UNIX_EPOCH};

const TIPS: &[&str] = &[
    "--min-time 10ms shows slow calls only; nothing else is printed, whatever the rate",
    "--slowest 5 shows the longest calls of a run with their arguments, at its end",
    "-c -U calls,p50,p99,max,name adds latency percentiles to the table; -i 1s repeats it",
    "--goroutines names the goroutine of each line of a Go program",
    "the target is never stopped: -p is safe where strace would slow a service down",
    "`tracer record -o FILE.trc` keeps a trace, and `tracer report` shows it anywhere",
];

/// How a tip is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tips {
    /// The number of the tip; by default any.
    id: Option<usize>,
    shown: bool,
}

/// Reads `[[id:]ID][,[format:]FORMAT]`. Both formats of strace are one line here.
pub(super) fn parse_tips(text: &str) -> Result<Tips, String> {
    let mut tips = Tips {
        id: None,
        shown: true,
    };
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let value = part.strip_prefix("id:").or(part.strip_prefix("format:"));
        match value.unwrap_or(part) {
            "random" | "compact" | "full" => {}
            "none" => tips.shown = false,
            number => match number.parse() {
                Ok(id) => tips.id = Some(id),
                Err(_) => return Err("use a number or random; none, compact or full".to_owned()),
            },
        }
    }
    Ok(tips)
}

impl Tips {
    /// The line, unless none is wanted.
    pub(super) fn line(self) -> Option<&'static str> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let any = || now.map_or(0, |t| t.subsec_micros() as usize);
        let at = self.id.unwrap_or_else(any) % TIPS.len();
        self.shown.then(|| TIPS[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tip_is_chosen_by_its_number() {
        let line = |text| parse_tips(text).expect("valid").line();
        assert_eq!(line("1"), Some(TIPS[1]));
        assert_eq!(line("id:8,format:full"), Some(TIPS[2]));
        assert_eq!(line("none"), None);
        assert!(line("").is_some() && line("random,compact").is_some());
        assert!(parse_tips("foo").is_err());
    }
}
