//! What changed between two dumps of goroutines.

use std::collections::{HashMap, HashSet};

use crate::go::traceback::{Traceback, TracedCall, TracedGoroutine};

/// Two dumps, group by group.
#[derive(Clone, Debug)]
pub struct GoroutineDiff<'a> {
    /// How many there were.
    pub before: usize,
    pub after: usize,
    /// Whether ids mean the same goroutines in both.
    pub is_one_process: bool,
    /// Those that grew, the greatest growth first; those that shrank, the same way; the others.
    pub groups: Vec<GroupChange<'a>>,
}

/// Goroutines with equal stacks, states and creators, in both dumps.
#[derive(Clone, Copy, Debug)]
pub struct GroupChange<'a> {
    /// One of them, of the later dump if there is any.
    pub member: &'a TracedGoroutine<'a>,
    pub before: usize,
    pub after: usize,
    /// In the group both times; `None` when ids tell nothing.
    pub stayed: Option<usize>,
}

impl GroupChange<'_> {
    /// How many more there are.
    #[must_use]
    pub fn change(&self) -> i64 {
        self.after as i64 - self.before as i64
    }

    /// Whether other goroutines are in it, or another number.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.change() != 0 || self.stayed.is_some_and(|stayed| stayed != self.after)
    }
}

/// What members of a group share.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key<'a> {
    state: &'a str,
    is_locked: bool,
    calls: &'a [TracedCall<'a>],
    creator: Option<&'a TracedCall<'a>>,
}

impl<'a> Key<'a> {
    fn of(goroutine: &'a TracedGoroutine<'a>) -> Self {
        Self {
            state: &goroutine.state,
            is_locked: goroutine.is_locked,
            calls: &goroutine.calls,
            creator: goroutine.creator.as_ref(),
        }
    }
}

/// The members of a group in each dump.
#[derive(Default)]
struct Members<'a> {
    before: Vec<&'a TracedGoroutine<'a>>,
    after: Vec<&'a TracedGoroutine<'a>>,
}

impl<'a> GoroutineDiff<'a> {
    /// Compares.
    #[must_use]
    pub fn of(before: &'a Traceback<'a>, after: &'a Traceback<'a>) -> Self {
        let is_one_process = is_one_process(before, after);
        let mut places: HashMap<Key<'a>, usize> = HashMap::new();
        let mut all: Vec<Members<'a>> = Vec::new();
        let mut put = |goroutine: &'a TracedGoroutine<'a>, is_after: bool| {
            let next = all.len();
            let place = *places.entry(Key::of(goroutine)).or_insert(next);
            if place == next {
                all.push(Members::default());
            }
            let members = &mut all[place];
            match is_after {
                false => members.before.push(goroutine),
                true => members.after.push(goroutine),
            }
        };
        before.goroutines.iter().for_each(|g| put(g, false));
        after.goroutines.iter().for_each(|g| put(g, true));
        let change = |members: &Members<'a>| members.change(is_one_process);
        let mut groups: Vec<GroupChange<'a>> = all.iter().filter_map(change).collect();
        groups.sort_by_key(|g| (-g.change().signum(), -g.change().abs()));
        // Zero would stand between growth and shrinking.
        groups.sort_by_key(|g| g.change() == 0);
        Self {
            before: before.goroutines.len(),
            after: after.goroutines.len(),
            is_one_process,
            groups,
        }
    }
}

impl<'a> Members<'a> {
    fn change(&self, is_one_process: bool) -> Option<GroupChange<'a>> {
        let ids: HashSet<u64> = self.before.iter().map(|g| g.id).collect();
        let stayed = self.after.iter().filter(|g| ids.contains(&g.id)).count();
        Some(GroupChange {
            member: self.after.first().or(self.before.first())?,
            before: self.before.len(),
            after: self.after.len(),
            stayed: is_one_process.then_some(stayed),
        })
    }
}

/// A goroutine's id is never used again by its process, so one that two dumps have was made by the
/// same `go` statement in both.
fn is_one_process(before: &Traceback<'_>, after: &Traceback<'_>) -> bool {
    if let (Some(before), Some(after)) = (before.pid, after.pid)
        && before != after
    {
        return false;
    }
    let creators: HashMap<u64, _> = before
        .goroutines
        .iter()
        .map(|g| (g.id, g.creator.as_ref()))
        .collect();
    let mut in_both = after.goroutines.iter();
    in_both.all(|g| {
        let creator = creators.get(&g.id);
        creator.is_none_or(|creator| *creator == g.creator.as_ref())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump(goroutines: &[(u64, &str, &str, &str)]) -> String {
        let one = |(id, state, function, creator): &(u64, &str, &str, &str)| {
            format!(
                "goroutine {id} [{state}]:\n{function}(0x{id:x})\n\t/m.go:3 +0x1\ncreated by \
                 {creator} in goroutine 1\n\t/m.go:9 +0x2\n\n"
            )
        };
        goroutines.iter().map(one).collect()
    }

    /// Name, before, after, stayed.
    type Row = (String, usize, usize, Option<usize>);

    fn rows(before: &str, after: &str) -> (bool, Vec<Row>) {
        let before = Traceback::parse(before.as_bytes()).expect("a dump");
        let after = Traceback::parse(after.as_bytes()).expect("a dump");
        let diff = GoroutineDiff::of(&before, &after);
        let row = |g: &GroupChange<'_>| {
            let name = g.member.calls[0].function.to_string();
            (name, g.before, g.after, g.stayed)
        };
        (diff.is_one_process, diff.groups.iter().map(row).collect())
    }

    #[test]
    fn growth_comes_first_then_shrinking_then_what_stayed() {
        let before = dump(&[
            (1, "select", "main.same", "main.main"),
            (2, "select", "main.fewer", "main.main"),
            (3, "select", "main.more, 2 minutes", "main.main"),
            (4, "IO wait", "main.gone", "main.main"),
            (5, "IO wait", "main.gone", "main.main"),
        ]);
        let after = dump(&[
            (1, "select, 7 minutes", "main.same", "main.main"),
            (3, "select", "main.more, 2 minutes", "main.main"),
            (8, "select", "main.more, 2 minutes", "main.main"),
            (9, "chan send", "main.new", "main.main"),
            (10, "chan send", "main.new", "main.main"),
        ]);
        let name = |name: &str, before, after, stayed| (name.to_owned(), before, after, stayed);
        assert_eq!(
            rows(&before, &after),
            (
                true,
                vec![
                    name("main.new", 0, 2, Some(0)),
                    name("main.more, 2 minutes", 1, 2, Some(1)),
                    name("main.gone", 2, 0, Some(0)),
                    name("main.fewer", 1, 0, Some(0)),
                    name("main.same", 1, 1, Some(1)),
                ]
            )
        );
    }

    #[test]
    fn ids_of_two_processes_tell_nothing() {
        let before = dump(&[(7, "select", "main.a", "main.main")]);
        let after = dump(&[(7, "select", "main.b", "main.other")]);
        let (is_one, rows) = rows(&before, &after);
        assert!(!is_one);
        assert!(rows.iter().all(|row| row.3.is_none()), "{rows:?}");
    }
}
