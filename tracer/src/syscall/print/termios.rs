//! Terminal settings (`struct termios` of `asm-generic/termbits.h`).

use crate::syscall::flags::Names;

use super::options::Constants;
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

/// Prints `struct termios`: four words of flags, the line discipline and the control characters.
pub(super) fn print_termios(p: &mut Printer<'_>, b: &[u8]) {
    let flags = [0, 4, 8, 12].map(|at| b.u32_at(at));
    settings(p, flags, b.u8_at(16), &b[17..36]);
}

/// Prints `struct termio`, which has half as many bits and 8 control characters.
pub(super) fn print_termio(p: &mut Printer<'_>, b: &[u8]) {
    let flags = [0, 2, 4, 6].map(|at| b.u16_at(at).into());
    settings(p, flags, b.u8_at(8), &b[9..17]);
}

fn settings(p: &mut Printer<'_>, flags: [u32; 4], line: u8, characters: &[u8]) {
    let [input, out, modes, local] = flags;
    p.text("{c_iflag=");
    // strace writes nothing where no flag is set.
    if input != 0 || p.constants() != Constants::Names {
        p.flags(&INPUT, input.into());
    }
    p.text(", c_oflag=");
    output(p, out);
    p.text(", c_cflag=");
    control(p, modes);
    p.text(", c_lflag=");
    if local != 0 || p.constants() != Constants::Names {
        p.flags(&LOCAL, local.into());
    }
    if p.is_abbreviated() {
        return p.text(", ...}");
    }
    p.text(", c_line=");
    p.name(&LINE, line.into());
    p.text(", c_cc=[");
    for (i, value) in characters.iter().enumerate() {
        p.text(if i > 0 { ", [" } else { "[" });
        match CONTROL_CHARACTERS.get(i) {
            Some(name) => p.text(name),
            None => p.text(&i.to_string()),
        }
        p.text("]=");
        p.hex((*value).into());
    }
    p.text("]}");
}

/// Places in `c_cc`.
static CONTROL_CHARACTERS: [&str; 17] = [
    "VINTR", "VQUIT", "VERASE", "VKILL", "VEOF", "VTIME", "VMIN", "VSWTC", "VSTART", "VSTOP",
    "VSUSP", "VEOL", "VREPRINT", "VDISCARD", "VWERASE", "VLNEXT", "VEOL2",
];

/// Line disciplines (`linux/tty.h`).
static LINE: Names = Names {
    zero: None,
    unknown: "N_???",
    names: &[
        (0, "N_TTY"),
        (1, "N_SLIP"),
        (2, "N_MOUSE"),
        (3, "N_PPP"),
        (4, "N_STRIP"),
        (5, "N_AX25"),
        (6, "N_X25"),
        (7, "N_6PACK"),
        (11, "N_IRDA"),
        (13, "N_HDLC"),
        (14, "N_SYNC_PPP"),
        (15, "N_HCI"),
        (21, "N_GSM0710"),
    ],
};

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
