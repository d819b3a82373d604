//! Sets other than those of syscalls that strace's `-e KEY=[!]all|none|VALUE[,VALUE…]` describes.

use std::collections::BTreeSet;

use super::signal::push_signal;

/// Why a set is refused: strace's wording and the values there are.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid {what} '{value}'; use {remedy}")]
pub struct QualifyError {
    what: &'static str,
    value: String,
    remedy: &'static str,
}

/// The names of one kind of set, with their bits.
struct Vocabulary {
    what: &'static str,
    remedy: &'static str,
    all: u64,
    find: fn(&str) -> Option<u64>,
}

impl Vocabulary {
    /// Reads `[!]all|none|VALUE[,VALUE…]`; each `!` takes the complement.
    fn parse(&self, list: &str) -> Result<u64, QualifyError> {
        let terms = list.trim_start_matches('!');
        let inverted = (list.len() - terms.len()) % 2 == 1;
        let mut bits = 0;
        for term in terms.split(',') {
            bits |= match term {
                "all" => self.all,
                "none" => 0,
                _ => (self.find)(term).ok_or_else(|| QualifyError {
                    what: self.what,
                    value: term.to_owned(),
                    remedy: self.remedy,
                })?,
            };
        }
        Ok(if inverted { self.all & !bits } else { bits })
    }
}

fn find_in(names: &[(&str, u64)], name: &str) -> Option<u64> {
    names.iter().find(|n| n.0 == name).map(|n| n.1)
}

/// Signals to show: `-e signal=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalSet(u64);

static SIGNALS: Vocabulary = Vocabulary {
    what: "signal",
    remedy: "a name such as SIGINT or int, or a number from 1 to 64",
    all: u64::MAX,
    find: |term| signal_number(term).map(|number| 1 << (number - 1)),
};

/// The number of a signal given as `SIGINT`, `int` or `2`.
fn signal_number(term: &str) -> Option<u32> {
    if let Ok(number) = term.parse() {
        return (1..=64).contains(&number).then_some(number);
    }
    let upper = term.to_ascii_uppercase();
    let short = upper.strip_prefix("SIG").unwrap_or(&upper);
    (1..=64).find(|&number| {
        let mut name = String::new();
        push_signal(&mut name, number);
        name.strip_prefix("SIG") == Some(short)
    })
}

impl SignalSet {
    /// Every signal.
    pub const ALL: Self = Self(u64::MAX);

    /// Reads the set of `-e signal=`.
    ///
    /// # Errors
    /// A value that is no signal.
    pub fn parse(list: &str) -> Result<Self, QualifyError> {
        SIGNALS.parse(list).map(Self)
    }

    /// Whether a signal number is in the set. Numbers beyond 64 are when all are.
    #[must_use]
    pub const fn contains(self, number: u32) -> bool {
        match number {
            1..=64 => self.0 >> (number - 1) & 1 != 0,
            _ => self.0 == u64::MAX,
        }
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    Successful = 1,
    Failed = 2,
    /// Its thread ended first, as in `exit_group`.
    Unfinished = 4,
    /// Its result could not be read; this never happens here.
    Unavailable = 8,
    /// The trace ended first.
    Detached = 16,
}

/// Calls to show by how they ended: `-e status=`, `-z`, `-Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusSet(u8);

static STATUSES: Vocabulary = Vocabulary {
    what: "status",
    remedy: "successful, failed, unfinished, unavailable or detached",
    all: 31,
    find: |name| {
        find_in(
            &[
                ("successful", Status::Successful as u64),
                ("failed", Status::Failed as u64),
                ("unfinished", Status::Unfinished as u64),
                ("unavailable", Status::Unavailable as u64),
                ("detached", Status::Detached as u64),
            ],
            name,
        )
    },
};

impl StatusSet {
    /// However they ended.
    pub const ALL: Self = Self(31);
    /// `-z`
    pub const SUCCESSFUL: Self = Self(Status::Successful as u8);
    /// `-Z`
    pub const FAILED: Self = Self(Status::Failed as u8);

    /// Reads the set of `-e status=`.
    ///
    /// # Errors
    /// A value that is no status.
    pub fn parse(list: &str) -> Result<Self, QualifyError> {
        STATUSES.parse(list).map(|bits| Self(bits as u8))
    }

    /// Whether calls that ended so are shown.
    #[must_use]
    pub const fn contains(self, status: Status) -> bool {
        self.0 & status as u8 != 0
    }
}

/// A kind of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Message {
    /// `strace: Process 12 attached`, and detached.
    Attach = 1,
    /// `+++ exited with 0 +++`
    Exit = 2,
    /// What a path of `-P` resolved to.
    PathResolution = 4,
    /// The program is of another ABI.
    Personality = 8,
    /// `+++ superseded by execve in pid 12 +++`
    ThreadExecve = 16,
}

/// Messages to leave out: `-q`, `-e quiet=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietSet(u8);

static MESSAGES: Vocabulary = Vocabulary {
    what: "quiet",
    remedy: "attach, exit, path-resolution, personality or thread-execve",
    all: 31,
    find: |name| {
        find_in(
            &[
                ("attach", Message::Attach as u64),
                ("exit", Message::Exit as u64),
                ("path-resolution", Message::PathResolution as u64),
                ("path-resolve", Message::PathResolution as u64),
                ("personality", Message::Personality as u64),
                ("thread-execve", Message::ThreadExecve as u64),
                ("superseded", Message::ThreadExecve as u64),
            ],
            name,
        )
    },
};

impl QuietSet {
    /// Nothing is left out.
    pub const NONE: Self = Self(0);
    /// Everything is left out.
    pub const ALL: Self = Self(31);

    /// Reads the set of `-e quiet=`.
    ///
    /// # Errors
    /// A value that is no kind of message.
    pub fn parse(list: &str) -> Result<Self, QualifyError> {
        MESSAGES.parse(list).map(|bits| Self(bits as u8))
    }

    /// What `-q`, `-qq` and `-qqq` leave out.
    #[must_use]
    pub const fn of_count(count: u8) -> Self {
        const ATTACH: u8 = Message::Attach as u8 | Message::Personality as u8;
        match count {
            0 => Self::NONE,
            1 => Self(ATTACH),
            2 => Self(ATTACH | Message::Exit as u8),
            _ => Self::ALL,
        }
    }

    /// Whether messages of a kind are left out.
    #[must_use]
    pub const fn contains(self, message: Message) -> bool {
        self.0 & message as u8 != 0
    }
}

/// What is said of a descriptor after its number: `-y`, `-yy`, `-e decode-fds=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DescriptorDetails(u8);

const PATH: u64 = 1;
const DEVICE: u64 = 2;
const SOCKET: u64 = 4;
const PIDFD: u64 = 8;

static DETAILS: Vocabulary = Vocabulary {
    what: "decode-fds",
    remedy: "path, socket, dev or pidfd",
    all: PATH | DEVICE | SOCKET | PIDFD,
    find: |name| {
        find_in(
            &[
                ("path", PATH),
                ("dev", DEVICE),
                ("socket", SOCKET),
                ("pidfd", PIDFD),
            ],
            name,
        )
    },
};

impl DescriptorDetails {
    /// Numbers alone.
    pub const NONE: Self = Self(0);
    /// `-y`
    pub const PATH: Self = Self(PATH as u8);
    /// Protocols and addresses of sockets.
    pub const SOCKET: Self = Self(SOCKET as u8);
    /// `-yy`
    pub const ALL: Self = Self((PATH | DEVICE | SOCKET | PIDFD) as u8);

    /// Reads the set of `-e decode-fds=`.
    ///
    /// # Errors
    /// A value that is no detail.
    pub fn parse(list: &str) -> Result<Self, QualifyError> {
        DETAILS.parse(list).map(|bits| Self(bits as u8))
    }

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether numbers stand alone.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Paths of files.
    #[must_use]
    pub const fn path(self) -> bool {
        self.0 & PATH as u8 != 0
    }

    /// Kind and number of devices.
    #[must_use]
    pub const fn device(self) -> bool {
        self.0 & DEVICE as u8 != 0
    }

    /// Protocol and addresses of sockets.
    #[must_use]
    pub const fn socket(self) -> bool {
        self.0 & SOCKET as u8 != 0
    }

    /// Processes of pidfds.
    #[must_use]
    pub const fn pidfd(self) -> bool {
        self.0 & PIDFD as u8 != 0
    }
}

/// Descriptors whose data is dumped: `-e read=`, `-e write=`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescriptorSet {
    numbers: BTreeSet<i32>,
    inverted: bool,
}

impl DescriptorSet {
    /// Reads `[!]all|none|FD[,FD…]`.
    ///
    /// # Errors
    /// A value that is no descriptor.
    pub fn parse(list: &str) -> Result<Self, QualifyError> {
        let terms = list.trim_start_matches('!');
        let mut inverted = (list.len() - terms.len()) % 2 == 1;
        let mut numbers = BTreeSet::new();
        for term in terms.split(',') {
            match term {
                "all" if numbers.is_empty() => inverted = !inverted,
                "none" => {}
                _ => {
                    let number = term.parse::<i32>().ok().filter(|n| *n >= 0);
                    numbers.insert(number.ok_or_else(|| QualifyError {
                        what: "descriptor",
                        value: term.to_owned(),
                        remedy: "numbers such as 3,5, or all",
                    })?);
                }
            }
        }
        Ok(Self { numbers, inverted })
    }

    /// Whether the data of a descriptor is dumped.
    #[must_use]
    pub fn contains(&self, fd: i32) -> bool {
        self.numbers.contains(&fd) != self.inverted
    }

    /// Whether nothing is dumped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.inverted && self.numbers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_named_in_any_way_strace_takes() {
        for name in ["SIGCHLD", "chld", "CHLD", "17"] {
            let set = SignalSet::parse(name).expect(name);
            assert!(set.contains(17) && !set.contains(16), "{name}");
        }
        let without = SignalSet::parse("!SIGCHLD,io").expect("valid");
        assert!(!without.contains(17) && !without.contains(29) && without.contains(2));
        assert!(!SignalSet::parse("none").expect("valid").contains(9));
        let error = SignalSet::parse("foo").expect_err("no signal").to_string();
        assert!(error.starts_with("invalid signal 'foo'; use "), "{error}");
        assert!(SignalSet::parse("65").is_err() && SignalSet::parse("0").is_err());
    }

    #[test]
    fn statuses_and_messages_are_sets() {
        let set = StatusSet::parse("!failed").expect("valid");
        assert!(set.contains(Status::Successful) && set.contains(Status::Detached));
        assert!(!set.contains(Status::Failed));
        assert_eq!(StatusSet::parse("successful"), Ok(StatusSet::SUCCESSFUL));
        assert_eq!(StatusSet::parse("all"), Ok(StatusSet::ALL));
        assert!(StatusSet::parse("good").is_err());
        assert_eq!(
            QuietSet::parse("attach,personality,exit"),
            Ok(QuietSet::of_count(2))
        );
        assert_eq!(QuietSet::parse("all"), Ok(QuietSet::of_count(3)));
        assert!(!QuietSet::of_count(1).contains(Message::Exit));
    }

    #[test]
    fn descriptors_are_numbers() {
        let set = DescriptorSet::parse("3,5").expect("valid");
        assert!(set.contains(3) && !set.contains(4) && !set.is_empty());
        let all = DescriptorSet::parse("all").expect("valid");
        assert!(all.contains(0) && all.contains(1000));
        let most = DescriptorSet::parse("!3").expect("valid");
        assert!(!most.contains(3) && most.contains(4));
        assert!(DescriptorSet::parse("none").expect("valid").is_empty());
        assert!(DescriptorSet::parse("x").is_err());
        assert!(DescriptorSet::parse("-1").is_err());
        assert!(DescriptorDetails::parse("socket").expect("valid").socket());
        assert_eq!(DescriptorDetails::parse("all"), Ok(DescriptorDetails::ALL));
    }
}
