//! From rows of the table to the rules that the BPF side interprets.

use tracer_common::capture::{CaptureRule, CaptureRules, MAX_SYSCALLS, kind, len, phase};

use super::arg::{Form, Kind, Syscall};
use super::filter::SyscallSet;
use super::table;

/// Rules for every number below [`MAX_SYSCALLS`], for the map that the BPF side reads; the index is
/// the number. Numbers without a row get no rules. The strings of an environment are copied only
/// with `environments`: there are many, and they are seldom shown.
#[must_use]
pub fn all_rules(environments: bool) -> Vec<CaptureRules> {
    let of = |nr| {
        let mut rules = table::lookup(nr).map_or_else(CaptureRules::default, rules);
        if !environments {
            leave_out_environment(&mut rules);
        }
        rules
    };
    (0..MAX_SYSCALLS).map(of).collect()
}

/// An environment is the vector whose strings are also counted. Its rule is the last one.
fn leave_out_environment(rules: &mut CaptureRules) {
    let counted = rules.rules.iter().find(|r| r.kind == kind::COUNT);
    let Some(arg) = counted.map(|r| r.arg) else {
        return;
    };
    let mut all = rules.rules.iter_mut();
    if let Some(strings) = all.find(|r| r.kind == kind::STRINGS && r.arg == arg) {
        *strings = CaptureRule::default();
    }
}

/// As [`all_rules`], but none for calls that are not in the set.
#[must_use]
pub fn rules_of(calls: &SyscallSet, environments: bool) -> Vec<CaptureRules> {
    (0..)
        .zip(all_rules(environments))
        .map(|(nr, rules)| match calls.contains(nr) {
            true => rules,
            false => CaptureRules::default(),
        })
        .collect()
}

/// Rules of one syscall.
#[must_use]
pub fn rules(row: &Syscall) -> CaptureRules {
    let mut compiled = CaptureRules::default();
    let wanted = row
        .args
        .iter()
        .enumerate()
        .flat_map(|(index, (_, kind))| argument_rules(kind, index as u8));
    for (slot, rule) in compiled.rules.iter_mut().zip(wanted) {
        *slot = rule;
    }
    compiled
}

fn argument_rules(argument: &Kind, index: u8) -> Vec<CaptureRule> {
    let rule = match *argument {
        Kind::Path | Kind::Text => simple(kind::STRING, phase::ENTER),
        Kind::BytesIn(n) => by_arg(kind::BUFFER, phase::ENTER, n, 1),
        Kind::BytesOut => by_ret(kind::BUFFER, 1),
        Kind::In(layout) => fixed(phase::ENTER, layout.size),
        Kind::Out(layout) => fixed(phase::EXIT, layout.size),
        Kind::ArrayIn(layout, n) => by_arg(kind::STRUCT, phase::ENTER, n, layout.size),
        Kind::ArrayOut(layout) => by_ret(kind::STRUCT, layout.size),
        Kind::SockaddrIn(n) => by_arg(kind::STRUCT, phase::ENTER, n, 1),
        Kind::SockaddrOut(n) => CaptureRule {
            len_from: len::DEREF,
            ..by_arg(kind::STRUCT, phase::EXIT, n, 1)
        },
        Kind::LenPtr => fixed(phase::ENTER | phase::EXIT, 4),
        Kind::IovecIn(n) => by_arg(kind::IOVEC, phase::ENTER, n, 16),
        Kind::IovecOut(n) => by_arg(kind::IOVEC, phase::EXIT, n, 16),
        Kind::MsgIn => simple(kind::MSGHDR, phase::ENTER),
        Kind::MsgOut => simple(kind::MSGHDR, phase::ENTER | phase::EXIT),
        Kind::Argv => simple(kind::STRINGS, phase::ENTER),
        Kind::MessageIn(n) => by_arg(kind::MESSAGE, phase::ENTER, n, 1),
        Kind::MessageOut => by_ret(kind::MESSAGE, 1),
        Kind::Envp => {
            let of = |kind| CaptureRule {
                arg: index,
                ..simple(kind, phase::ENTER)
            };
            return vec![of(kind::COUNT), of(kind::STRINGS)];
        }
        Kind::Custom(custom) => {
            let bit = match custom.form {
                Some(Form::Any) => kind::MAYBE,
                _ => 0,
            };
            let of = |rule: &CaptureRule| CaptureRule {
                arg: index,
                kind: rule.kind | bit,
                ..*rule
            };
            return custom.rules.iter().map(of).collect();
        }
        _ => return Vec::new(),
    };
    vec![CaptureRule { arg: index, ..rule }]
}

fn simple(kind: u8, phase: u8) -> CaptureRule {
    CaptureRule {
        kind,
        phase,
        ..CaptureRule::default()
    }
}

fn fixed(phase: u8, size: u16) -> CaptureRule {
    CaptureRule {
        size,
        len_from: len::FIXED,
        ..simple(kind::STRUCT, phase)
    }
}

fn by_arg(kind: u8, phase: u8, len_arg: u8, size: u16) -> CaptureRule {
    CaptureRule {
        size,
        len_from: len::ARG,
        len_arg,
        ..simple(kind, phase)
    }
}

fn by_ret(kind: u8, size: u16) -> CaptureRule {
    CaptureRule {
        size,
        len_from: len::RET,
        ..simple(kind, phase::EXIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracer_common::capture::MAX_RULES;

    #[test]
    fn no_row_needs_more_rules_than_there_are() {
        for row in table::rows() {
            let wanted: usize = row
                .args
                .iter()
                .enumerate()
                .map(|(i, (_, kind))| argument_rules(kind, i as u8).len())
                .sum();
            assert!(wanted <= MAX_RULES, "{} wants {wanted}", row.name);
        }
    }

    #[test]
    fn rules_are_well_formed() {
        let all = all_rules(true);
        assert_eq!(all.len(), MAX_SYSCALLS as usize);
        for (nr, rules) in all.iter().enumerate() {
            for rule in rules.rules.iter().filter(|r| r.kind != kind::NONE) {
                assert!(rule.arg < 6, "{nr}");
                assert!(rule.len_arg < 6 || rule.len_from == len::FIELD, "{nr}");
                assert!(
                    rule.phase & !(phase::ENTER | phase::EXIT) == 0 && rule.phase != 0,
                    "{nr}"
                );
                if rule.len_from == len::RET {
                    assert_eq!(rule.phase, phase::EXIT, "{nr}: no result at entry");
                }
                if rule.kind & kind::MASK == kind::STRUCT {
                    assert!(rule.size > 0, "{nr}");
                }
            }
        }
    }

    #[test]
    fn environments_are_copied_only_when_they_are_asked_for() {
        let execve = table::by_name("execve").expect("a call") as usize;
        let kinds = |environments| {
            let rules = all_rules(environments)[execve].rules;
            let kinds = rules.map(|r| r.kind & kind::MASK);
            kinds
                .into_iter()
                .filter(|&k| k != kind::NONE)
                .collect::<Vec<_>>()
        };
        let count = [kind::STRING, kind::STRINGS, kind::COUNT];
        assert_eq!(kinds(false), count);
        assert_eq!(kinds(true), [&count[..], &[kind::STRINGS]].concat());
    }

    #[test]
    fn read_and_connect_have_the_rules_one_expects() {
        let all = all_rules(true);
        let read = all[0].rules[0];
        assert_eq!(
            (read.kind, read.arg, read.phase, read.len_from, read.size),
            (kind::BUFFER, 1, phase::EXIT, len::RET, 1)
        );
        assert_eq!(all[0].rules[1], CaptureRule::default());
        let connect = all[42].rules[0];
        assert_eq!(
            (connect.kind, connect.arg, connect.len_from, connect.len_arg),
            (kind::STRUCT, 1, len::ARG, 2)
        );
        assert_eq!(all[511], CaptureRules::default());
        let mut only = SyscallSet::NONE;
        only.insert(42);
        let of = rules_of(&only, true);
        assert_eq!((of[42], of[0]), (all[42], CaptureRules::default()));
    }
}
