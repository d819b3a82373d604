//! Terminal settings (`struct termios` of `asm-generic/termbits.h`).

use crate::syscall::flags::Names;

use super::printer::Printer;
use super::struct_bytes::StructBytes;

static INPUT: Names = Names {
    zero: None,
    unknown: "",
    names: &[
        (0o1, "IGNBRK"),
        (0o2, "BRKINT"),
        (0o4, "IGNPAR"),
        (0o10, "PARMRK"),
        (0o20, "INPCK"),
        (0o40, "ISTRIP"),
        (0o100, "INLCR"),
        (0o200, "IGNCR"),
        (0o400, "ICRNL"),
        (0o1000, "IUCLC"),
        (0o2000, "IXON"),
        (0o4000, "IXANY"),
        (0o10000, "IXOFF"),
        (0o20000, "IMAXBEL"),
        (0o40000, "IUTF8"),
    ],
};

static OUTPUT: Names = Names {
    zero: None,
    unknown: "",
    names: &[
        (0o1, "OPOST"),
        (0o2, "OLCUC"),
        (0o4, "ONLCR"),
        (0o10, "OCRNL"),
        (0o20, "ONOCR"),
        (0o40, "ONLRET"),
        (0o100, "OFILL"),
        (0o200, "OFDEL"),
    ],
};

static CONTROL: Names = Names {
    zero: None,
    unknown: "",
    names: &[
        (0o100, "CSTOPB"),
        (0o200, "CREAD"),
        (0o400, "PARENB"),
        (0o1000, "PARODD"),
        (0o2000, "HUPCL"),
        (0o4000, "CLOCAL"),
        (0o10_000_000_000, "CMSPAR"),
        (0o20_000_000_000, "CRTSCTS"),
    ],
};

static LOCAL: Names = Names {
    zero: None,
    unknown: "",
    names: &[
        (0o1, "ISIG"),
        (0o2, "ICANON"),
        (0o4, "XCASE"),
        (0o10, "ECHO"),
        (0o20, "ECHOE"),
        (0o40, "ECHOK"),
        (0o100, "ECHONL"),
        (0o200, "NOFLSH"),
        (0o400, "TOSTOP"),
        (0o100_000, "IEXTEN"),
        (0o1000, "ECHOCTL"),
        (0o2000, "ECHOPRT"),
        (0o4000, "ECHOKE"),
        (0o10000, "FLUSHO"),
        (0o40000, "PENDIN"),
        (0o200_000, "EXTPROC"),
    ],
};

/// Speeds up to 38400 by their code; from 57600 on bit 12 is set.
static SPEEDS: [&str; 16] = [
    "B0", "B50", "B75", "B110", "B134", "B150", "B200", "B300", "B600", "B1200", "B1800", "B2400",
    "B4800", "B9600", "B19200", "B38400",
];
static FAST_SPEEDS: [&str; 16] = [
    "BOTHER", "B57600", "B115200", "B230400", "B460800", "B500000", "B576000", "B921600",
    "B1000000", "B1152000", "B1500000", "B2000000", "B2500000", "B3000000", "B3500000", "B4000000",
];

/// Fields of `c_oflag` with several bits: mask, shift, prefix.
static DELAYS: [(u32, u32, &str); 6] = [
    (0o400, 8, "NL"),
    (0o3000, 9, "CR"),
    (0o14000, 11, "TAB"),
    (0o20000, 13, "BS"),
    (0o40000, 14, "VT"),
    (0o100_000, 15, "FF"),
];

/// Prints the four flag words.
pub(super) fn print_termios(p: &mut Printer<'_>, b: &[u8]) {
    p.text("{c_iflag=");
    p.flags(&INPUT, b.u32_at(0).into());
    p.text(", c_oflag=");
    output(p, b.u32_at(4));
    p.text(", c_cflag=");
    control(p, b.u32_at(8));
    p.text(", c_lflag=");
    p.flags(&LOCAL, b.u32_at(12).into());
    p.text(", ...}");
}

fn output(p: &mut Printer<'_>, flags: u32) {
    let mut rest = flags;
    for (i, (mask, shift, prefix)) in DELAYS.into_iter().enumerate() {
        p.text(if i > 0 { "|" } else { "" });
        p.text(prefix);
        p.text(&((flags & mask) >> shift).to_string());
        rest &= !mask;
    }
    if rest != 0 {
        p.text("|");
        p.flags(&OUTPUT, rest.into());
    }
}

fn control(p: &mut Printer<'_>, flags: u32) {
    const SPEED: u32 = 0o17;
    const FAST: u32 = 0o10000;
    const BITS: u32 = 0o60;
    let speeds = if flags & FAST == 0 {
        &SPEEDS
    } else {
        &FAST_SPEEDS
    };
    p.text(speeds[(flags & SPEED) as usize]);
    p.text(["|CS5", "|CS6", "|CS7", "|CS8"][((flags & BITS) >> 4) as usize]);
    let rest = flags & !(SPEED | FAST | BITS);
    if rest != 0 {
        p.text("|");
        p.flags(&CONTROL, rest.into());
    }
}
