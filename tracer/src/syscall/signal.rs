//! Signal names of x86_64 and arm64 (`asm/signal.h`).

use std::fmt::Write;

/// Names without `SIG` of signals 1 to 31; the index is one less than the number.
static NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// Appends a signal's name as strace prints it: `SIGCHLD`, `SIGRTMIN`, `SIGRT_2`, or the number.
pub fn push_signal(out: &mut String, number: u32) {
    if (1..=64).contains(&number) {
        out.push_str("SIG");
        push_short(out, number);
    } else {
        let _ = write!(out, "{}", number.cast_signed());
    }
}

/// Appends the name without `SIG`, as in signal sets.
fn push_short(out: &mut String, number: u32) {
    match number {
        1..=31 => out.push_str(NAMES[number as usize - 1]),
        32 => out.push_str("RTMIN"),
        _ => {
            let _ = write!(out, "RT_{}", number - 32);
        }
    }
}

/// Appends `[INT CHLD]`, or `~[KILL STOP]` when at least two thirds of all signals are in the set.
pub fn push_signal_set(out: &mut String, mask: u64) {
    push_signal_set_as(out, mask, push_short);
}

/// As [`push_signal_set`], with each signal in a form of its own: `form` is given the text
/// so far, the number and the name.
pub fn push_signal_set_with(
    out: &mut String,
    mask: u64,
    mut form: impl FnMut(&mut String, u32, &str),
) {
    push_signal_set_as(out, mask, |out, number| {
        let mut name = String::new();
        push_short(&mut name, number);
        form(out, number, &name);
    });
}

fn push_signal_set_as(out: &mut String, mask: u64, mut push: impl FnMut(&mut String, u32)) {
    let inverted = mask.count_ones() >= 64 * 2 / 3;
    let shown = if inverted { !mask } else { mask };
    out.push_str(if inverted { "~[" } else { "[" });
    let mut separator = "";
    for number in 1..=64 {
        if shown & (1 << (number - 1)) != 0 {
            out.push_str(separator);
            push(out, number);
            separator = " ";
        }
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_the_names_strace_gives_them() {
        let name = |n| {
            let mut out = String::new();
            push_signal(&mut out, n);
            out
        };
        assert_eq!(name(17), "SIGCHLD");
        assert_eq!(name(31), "SIGSYS");
        assert_eq!(name(32), "SIGRTMIN");
        assert_eq!(name(34), "SIGRT_2");
        assert_eq!((name(0), name(65)), ("0".into(), "65".into()));
    }

    #[test]
    fn full_sets_print_what_is_missing() {
        let set = |mask| {
            let mut out = String::new();
            push_signal_set(&mut out, mask);
            out
        };
        assert_eq!(set(0), "[]");
        assert_eq!(set(0x10002), "[INT CHLD]");
        assert_eq!(set(!0), "~[]");
        assert_eq!(set(0xffff_fffe_7ffb_feff), "~[KILL STOP RTMIN RT_1]");
    }
}
