//! The language of `-e trace=`.

use regex_lite::Regex;
use tracer_common::capture::MAX_SYSCALLS;

use super::class::{CLASS_NAMES, Class, LEGACY_CLASSES};
use super::machine::Machine;
use super::table;

const WORDS: usize = MAX_SYSCALLS as usize / 64;

/// A set of syscall numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SyscallSet {
    bits: [u64; WORDS],
    /// Numbers from [`MAX_SYSCALLS`] on.
    others: bool,
}

impl SyscallSet {
    /// No syscall.
    pub const NONE: Self = Self {
        bits: [0; WORDS],
        others: false,
    };
    /// Every syscall, also those without a name.
    pub const ALL: Self = Self {
        bits: [u64::MAX; WORDS],
        others: true,
    };

    /// Whether a number is in the set.
    #[must_use]
    pub fn contains(&self, nr: u32) -> bool {
        match self.bits.get(nr as usize / 64) {
            Some(word) => word & (1 << (nr % 64)) != 0,
            None => self.others,
        }
    }

    /// Adds a number below [`MAX_SYSCALLS`]; larger ones are ignored.
    pub fn insert(&mut self, nr: u32) {
        if let Some(word) = self.bits.get_mut(nr as usize / 64) {
            *word |= 1 << (nr % 64);
        }
    }

    /// The numbers below [`MAX_SYSCALLS`] in the set, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        (0..MAX_SYSCALLS).filter(|&nr| self.contains(nr))
    }

    /// Whether the set has no number at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    /// The same calls by their numbers on `machine`; those that this machine has not are in the
    /// set when numbers without a name are. Of an unknown machine nothing changes.
    #[must_use]
    pub fn on(&self, machine: Option<Machine>) -> Self {
        let Some(machine) = machine.filter(|&machine| machine != Machine::HOST) else {
            return *self;
        };
        let has = |nr: u32| match table::lookup_on(machine, nr) {
            None if table::lookup(nr).is_none() => self.contains(nr),
            None => self.others,
            Some(row) => match table::by_name(row.name) {
                Some(here) => self.contains(here),
                None => self.others,
            },
        };
        let mut there = Self {
            others: self.others,
            ..Self::NONE
        };
        (0..MAX_SYSCALLS)
            .filter(|&nr| has(nr))
            .for_each(|nr| there.insert(nr));
        there
    }

    fn add(&mut self, other: &Self) {
        for (word, more) in self.bits.iter_mut().zip(other.bits) {
            *word |= more;
        }
        self.others |= other.others;
    }

    fn complement(&self) -> Self {
        Self {
            bits: self.bits.map(|word| !word),
            others: !self.others,
        }
    }
}

impl std::fmt::Debug for SyscallSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter().map(table::name)).finish()
    }
}

/// Why an expression is refused.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// strace's wording, and what was perhaps meant.
    #[error("invalid system call '{name}'{}", remedy(*.closest))]
    Unknown {
        name: String,
        closest: Option<&'static str>,
    },
    /// The text between the slashes is no regular expression.
    #[error("invalid regular expression '{pattern}': {source}; write it as in '/^open/'")]
    Pattern {
        pattern: String,
        source: regex_lite::Error,
    },
}

fn remedy(closest: Option<&'static str>) -> String {
    match closest {
        Some(name) => format!("; did you mean '{name}'?"),
        None => "; use a name, a number, %class or /regex".to_owned(),
    }
}

/// Reads `open,read`, `trace=open`, `t=%file,!…`: what follows `-e` of strace.
///
/// Grammar: `[trace=|t=][!]all|none|TERM[,TERM…]` with a term `[?]NAME`, `[?]NUMBER`,
/// `[?]%CLASS`, `[?]/REGEX`, or a class of old without `%`. `?` makes a term that names nothing
/// harmless. `!` takes the complement of the whole list.
///
/// # Errors
/// [`FilterError`] naming the term.
pub fn parse(expression: &str) -> Result<SyscallSet, FilterError> {
    let terms = ["trace=", "t="]
        .iter()
        .find_map(|prefix| expression.strip_prefix(prefix))
        .unwrap_or(expression);
    let (inverted, terms) = strip_bangs(terms);
    let set = match terms {
        "all" => SyscallSet::ALL,
        "none" => SyscallSet::NONE,
        _ => union(terms)?,
    };
    Ok(if inverted { set.complement() } else { set })
}

/// Each `!` inverts once more.
fn strip_bangs(mut terms: &str) -> (bool, &str) {
    let mut inverted = false;
    while let Some(rest) = terms.strip_prefix('!') {
        inverted = !inverted;
        terms = rest;
    }
    (inverted, terms)
}

fn union(terms: &str) -> Result<SyscallSet, FilterError> {
    let mut set = SyscallSet::NONE;
    for term in terms.split(',') {
        let (optional, name) = match term.strip_prefix('?') {
            Some(name) => (true, name),
            None => (false, term),
        };
        match one(name)? {
            Some(found) => set.add(&found),
            None if optional => {}
            None => {
                return Err(FilterError::Unknown {
                    name: name.to_owned(),
                    closest: closest(name),
                });
            }
        }
    }
    Ok(set)
}

/// The set of one term; `None` when it names nothing.
fn one(term: &str) -> Result<Option<SyscallSet>, FilterError> {
    // strace names the ABI after an `@`. Calls of the 32-bit ones are shown by number, and only
    // when everything is.
    let name = match term.rsplit_once('@') {
        Some((name, "64")) => name,
        Some((_, "32" | "x32")) => return Ok(Some(SyscallSet::NONE)),
        _ => term,
    };
    if let Some(pattern) = name.strip_prefix('/') {
        return matching(pattern).map(Some);
    }
    if name == "all" {
        return Ok(Some(SyscallSet::ALL));
    }
    if let Some(class) = name.strip_prefix('%') {
        return Ok(class_named(class).map(of_class));
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(of_number(name));
    }
    if let Some(nr) = table::by_name(name) {
        return Ok(Some(of_numbers([nr])));
    }
    let legacy = LEGACY_CLASSES.contains(&name);
    Ok(class_named(name).filter(|_| legacy).map(of_class))
}

fn of_number(text: &str) -> Option<SyscallSet> {
    let number = text.parse().ok()?;
    table::lookup(number).map(|_| of_numbers([number]))
}

fn matching(pattern: &str) -> Result<SyscallSet, FilterError> {
    let regex = Regex::new(pattern).map_err(|source| FilterError::Pattern {
        pattern: pattern.to_owned(),
        source,
    })?;
    Ok(of_numbers(
        table::all()
            .filter(|(_, row)| regex.is_match(row.name))
            .map(|(nr, _)| nr),
    ))
}

fn class_named(name: &str) -> Option<Class> {
    CLASS_NAMES.iter().find(|c| c.0 == name).map(|c| c.1)
}

fn of_class(class: Class) -> SyscallSet {
    of_numbers(
        table::all()
            .filter(|(_, row)| row.classes.meets(class))
            .map(|(nr, _)| nr),
    )
}

fn of_numbers(numbers: impl IntoIterator<Item = u32>) -> SyscallSet {
    let mut set = SyscallSet::NONE;
    for nr in numbers {
        set.insert(nr);
    }
    set
}

/// The name with the fewest edits, if they are few.
fn closest(name: &str) -> Option<&'static str> {
    if name.is_empty() || name.len() > 40 {
        return None;
    }
    let limit = name.len() / 3 + 1;
    table::all()
        .map(|(_, row)| (edits(name.as_bytes(), row.name.as_bytes()), row.name))
        .min()
        .filter(|(distance, _)| *distance <= limit)
        .map(|(_, name)| name)
}

/// Levenshtein distance.
fn edits(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(expression: &str) -> Vec<String> {
        let set = parse(expression).expect("a valid expression");
        set.iter()
            .filter(|&nr| table::lookup(nr).is_some())
            .map(table::name)
            .collect()
    }

    #[test]
    fn names_numbers_and_shorthand() {
        assert_eq!(names("trace=openat,read"), ["read", "openat"]);
        assert_eq!(names("openat,read"), ["read", "openat"]);
        assert_eq!(names("t=0,1"), ["read", "write"]);
        assert_eq!(names("read@64"), ["read"]);
        assert_eq!(names("?nonsense,close"), ["close"]);
        assert_eq!(names("none"), [] as [&str; 0]);
        assert!(parse("all").is_ok_and(|set| set == SyscallSet::ALL && set.contains(9999)));
    }

    #[test]
    fn calls_have_other_numbers_on_another_machine() {
        let other = match Machine::HOST {
            Machine::X86_64 => Machine::Aarch64,
            Machine::Aarch64 => Machine::X86_64,
        };
        let there = |expression: &str| parse(expression).expect("valid").on(Some(other));
        let number = |name: &str| {
            let is_named =
                |&nr: &u32| table::lookup_on(other, nr).is_some_and(|row| row.name == name);
            (0..MAX_SYSCALLS).find(is_named).expect(name)
        };
        let chosen: Vec<u32> = there("openat,read").iter().collect();
        let mut expected = [number("openat"), number("read")];
        expected.sort_unstable();
        assert_eq!(chosen, expected);
        assert!(there("all") == SyscallSet::ALL);
        assert!(there("none").is_empty());
        assert!(!there("!read").contains(number("read")) && there("!read").contains(9999));
        let read = parse("read").expect("valid");
        assert!(read.on(None) == read && read.on(Some(Machine::HOST)) == read);
    }

    #[test]
    fn classes_are_those_of_strace() {
        assert_eq!(names("%lstat"), ["lstat"]);
        assert_eq!(names("%fstat"), ["fstat", "newfstatat", "statx"]);
        assert_eq!(
            names("%%stat"),
            ["stat", "fstat", "lstat", "newfstatat", "statx"]
        );
        assert_eq!(names("%clock").len(), 8);
        assert_eq!(names("process"), names("%process"));
        assert_eq!(names("%net"), names("%network"));
        assert!(parse("clock").is_err(), "only old classes work without %");
    }

    #[test]
    fn regular_expressions_and_complement() {
        assert_eq!(names("/^pipe"), ["pipe", "pipe2"]);
        let without = parse("!read,write").expect("valid");
        assert!(!without.contains(0) && !without.contains(1) && without.contains(2));
        assert!(without.contains(510) && without.contains(100_000));
        assert_eq!(parse("!all").ok(), Some(SyscallSet::NONE));
    }

    #[test]
    fn errors_name_the_term_and_the_remedy() {
        let message = |e: &str| parse(e).expect_err("invalid").to_string();
        assert_eq!(
            message("trace=foo"),
            "invalid system call 'foo'; did you mean 'fork'?"
        );
        assert_eq!(
            message("read,opennat"),
            "invalid system call 'opennat'; did you mean 'openat'?"
        );
        assert_eq!(
            message("%fil"),
            "invalid system call '%fil'; use a name, a number, %class or /regex"
        );
        assert!(message("").starts_with("invalid system call ''"));
        assert!(message("9999").starts_with("invalid system call '9999'"));
        assert!(message("/[").starts_with("invalid regular expression '['"));
    }
}
