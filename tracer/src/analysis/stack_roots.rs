//! Whether user stacks are whole: from the innermost function to the one with which the thread
//! began.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::stack_trim::{LEAVE_GOROUTINE, ROOTS};
use crate::event::StackEnd;
use crate::report::{Frame, ModuleRoots, StackRoots};

/// Functions of the C library that call the first one of a program or thread. Their callers have no
/// name in stripped libraries, nor are they reached along frame pointers.
const CALLERS_OF_FIRST: &[&str] = &[
    "main",
    "__libc_start_main",
    "__libc_start_call_main",
    "__libc_start_main_impl",
    "start_thread",
];
/// Outermost addresses among which a root is looked for.
const OUTERMOST: usize = 4;
/// Modules that are told apart.
const MAX_MODULES: usize = 1024;

/// Counts stacks by the module of their innermost function.
#[derive(Debug, Default)]
pub(super) struct Roots {
    all: (u64, u64),
    guessed: u64,
    modules: BTreeMap<String, (u64, u64)>,
}

impl Roots {
    /// Counts a stack, outermost address first, that was seen `times`; whether it is whole.
    pub(super) fn count(&mut self, end: StackEnd, stack: &[Rc<[Frame]>], times: u64) -> bool {
        let Some(innermost) = stack.last() else {
            return false;
        };
        let is_whole = match end {
            StackEnd::Root => true,
            StackEnd::Unknown | StackEnd::Guessed => {
                stack.iter().take(OUTERMOST).any(|frames| is_root(frames))
            }
            StackEnd::Missing | StackEnd::Lost => false,
        };
        add(&mut self.all, is_whole, times);
        if end == StackEnd::Guessed {
            self.guessed = self.guessed.saturating_add(times);
        }
        let module = innermost.iter().find_map(|f| f.module.clone());
        let module = module.unwrap_or_else(|| "[unknown]".to_owned());
        if self.modules.len() < MAX_MODULES || self.modules.contains_key(&module) {
            add(self.modules.entry(module).or_default(), is_whole, times);
        }
        is_whole
    }

    /// The sums, modules with the most incomplete stacks first.
    pub(super) fn finish(self) -> StackRoots {
        let mut modules: Vec<_> = self
            .modules
            .into_iter()
            .map(|(module, (stacks, whole))| ModuleRoots {
                module,
                stacks,
                whole,
            })
            .collect();
        modules.sort_by_key(|m| std::cmp::Reverse(m.stacks - m.whole));
        StackRoots {
            stacks: self.all.0,
            whole: self.all.1,
            guessed: self.guessed,
            modules,
        }
    }
}

fn add((stacks, whole): &mut (u64, u64), is_whole: bool, times: u64) {
    *stacks = stacks.saturating_add(times);
    if is_whole {
        *whole = whole.saturating_add(times);
    }
}

fn is_root(frames: &[Frame]) -> bool {
    let known = |name: &str| {
        [ROOTS, CALLERS_OF_FIRST, LEAVE_GOROUTINE]
            .iter()
            .any(|names| names.contains(&name))
    };
    frames.iter().any(|f| known(&f.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::FrameKind;

    fn stack(names: &[(&str, &str)]) -> Vec<Rc<[Frame]>> {
        let frame = |&(name, module): &(&str, &str)| -> Rc<[Frame]> {
            Rc::new([Frame {
                name: name.to_owned(),
                module: Some(module.to_owned()),
                kind: FrameKind::Native,
                inlined: false,
                file: None,
                line: None,
                code: None,
            }])
        };
        names.iter().map(frame).collect()
    }

    #[test]
    fn stacks_count_where_they_end() {
        let mut roots = Roots::default();
        let whole = stack(&[("_start", "/a"), ("main", "/a"), ("read", "/libc")]);
        let nameless = stack(&[("[a+0x10]", "/a"), ("read", "/libc")]);
        let goroutine = stack(&[("runtime.goexit", "/go"), ("main.f", "/go")]);
        roots.count(StackEnd::Unknown, &whole, 5);
        roots.count(StackEnd::Lost, &whole, 1);
        roots.count(StackEnd::Unknown, &nameless, 2);
        roots.count(StackEnd::Root, &nameless, 3);
        roots.count(StackEnd::Unknown, &goroutine, 7);
        roots.count(StackEnd::Missing, &[], 9);
        assert!(roots.count(StackEnd::Guessed, &whole, 10));
        assert!(!roots.count(StackEnd::Guessed, &nameless, 20));
        let all = roots.finish();
        assert_eq!((all.stacks, all.whole, all.guessed), (48, 25, 30));
        let of = |m: &ModuleRoots| (m.module.clone(), m.stacks, m.whole);
        assert_eq!(
            all.modules.iter().map(of).collect::<Vec<_>>(),
            [("/libc".to_owned(), 41, 18), ("/go".to_owned(), 7, 7)]
        );
    }
}
