//! The arguments of a call one by one, for programs.

use std::borrow::Cow;
use std::ops::Range;

use crate::event::{SyscallEnter, SyscallExit};
use crate::syscall::arg::{Comma, Form, Kind, Syscall};

use super::decoder::{Decoder, split};
use super::options::{Constants, DecodeOptions, Escapes};
use super::printer::Printer;

/// One argument of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// As in the table, or as the text says (`child_stack=NULL`).
    pub name: Cow<'static, str>,
    pub form: Form,
    /// What the kernel got in the register.
    pub word: u64,
    /// As it stands in a line.
    pub text: String,
    /// The text with named constants, octal escapes and bare descriptors, where it is another.
    pub plain: Option<String>,
    /// Some memory behind it could not be read.
    pub unread: bool,
}

/// Registers of a call, by which those without a row are shown.
static REGISTERS: [&str; 6] = ["arg0", "arg1", "arg2", "arg3", "arg4", "arg5"];

impl Decoder {
    /// The arguments that [`Self::begin`] prints: those known at entry.
    pub fn first_arguments(&mut self, enter: &SyscallEnter) -> Vec<Argument> {
        let row = self.row(enter.nr, enter.compat);
        match row {
            Some(row) if !self.is_raw(enter.nr) => {
                let first = 0..split(row, &enter.args);
                let decoded = self.arguments(row, first, enter, None);
                decoded.into_iter().map(|(argument, _)| argument).collect()
            }
            _ => raw_arguments(row, &enter.args),
        }
    }

    /// The arguments that [`Self::rest`] prints: those that wait for the end of the call. They
    /// follow on `first`, the last of which may get a text that says what became of it.
    pub fn last_arguments(
        &mut self,
        enter: &SyscallEnter,
        exit: &SyscallExit,
        first: &mut Vec<Argument>,
    ) {
        let Some(row) = self.row(exit.nr, exit.compat) else {
            return;
        };
        if self.is_raw(exit.nr) {
            return;
        }
        let last = split(row, &enter.args)..row.args.len();
        for (argument, comma) in self.arguments(row, last, enter, Some(exit)) {
            add(first, argument, comma);
        }
    }

    /// Arguments of a range, each with its comma.
    fn arguments(
        &mut self,
        row: &'static Syscall,
        range: Range<usize>,
        enter: &SyscallEnter,
        exit: Option<&SyscallExit>,
    ) -> Vec<(Argument, Comma)> {
        let plain = (!self.options.is_plain()).then(|| self.options.plain());
        let mut p = self.printer(Some(enter), exit);
        let mut decoded = Vec::with_capacity(range.len());
        for (index, (name, kind)) in row.args.iter().enumerate().take(range.end) {
            if index < range.start || !kind.shown(&enter.args) {
                continue;
            }
            let mut argument = one(&mut p, (row.name, name), kind, index);
            if let Some(options) = &plain {
                let mut p = Printer::new(Some(enter), exit, options);
                argument.plain = Some(one(&mut p, (row.name, name), kind, index).text);
            }
            decoded.push((argument, kind.comma()));
        }
        let (_, faults) = p.finish();
        self.faults += faults;
        decoded
    }
}

fn one(
    p: &mut Printer<'_>,
    (call, name): (&str, &'static str),
    kind: &Kind,
    index: usize,
) -> Argument {
    let faults = p.faults();
    kind.print(p, index);
    p.name_argument(call, index);
    let text = std::mem::take(&mut p.out);
    Argument {
        name: key(&text).map_or(Cow::Borrowed(name), |key| Cow::Owned(key.to_owned())),
        form: kind.form(),
        word: p.arg(kind.register(index)),
        text,
        plain: None,
        unread: p.faults() > faults,
    }
}

/// The name that stands in the text of an argument.
fn key(text: &str) -> Option<&str> {
    let (key, _) = text.split_once('=')?;
    let is_name = |b: u8| b.is_ascii_lowercase() || b == b'_';
    (!key.is_empty() && key.bytes().all(is_name)).then_some(key)
}

/// An argument with a comma of its own prints what became of the one before it first:
/// ` => [80], 100`.
fn add(arguments: &mut Vec<Argument>, mut argument: Argument, comma: Comma) {
    if let (Comma::Own, Some(before)) = (comma, arguments.last_mut()) {
        for (mine, theirs) in [
            (Some(&mut argument.text), Some(&mut before.text)),
            (argument.plain.as_mut(), before.plain.as_mut()),
        ] {
            if let (Some(mine), Some(theirs)) = (mine, theirs)
                && let Some((became, text)) = mine.rsplit_once(", ")
            {
                theirs.push_str(became);
                *mine = text.to_owned();
            }
        }
    }
    arguments.push(argument);
}

fn raw_arguments(row: Option<&'static Syscall>, words: &[u64; 6]) -> Vec<Argument> {
    let count = row.map_or(words.len(), |row| row.args.len());
    let names = words.iter().zip(REGISTERS).enumerate().take(count);
    let raw = |(index, (&word, register)): (usize, (&u64, &'static str))| Argument {
        name: Cow::Borrowed(row.map_or(register, |row| row.args[index].0)),
        form: Form::UInt64,
        word,
        text: match word {
            0 => "0".to_owned(),
            _ => format!("{word:#x}"),
        },
        plain: None,
        unread: false,
    };
    names.map(raw).collect()
}

impl DecodeOptions {
    /// Whether values can be read from the text.
    fn is_plain(&self) -> bool {
        self.escapes == Escapes::Octal
            && self.constants == Constants::Names
            && self.descriptors.is_empty()
            && !self.thread_names
    }

    fn plain(&self) -> Self {
        Self {
            escapes: Escapes::Octal,
            constants: Constants::Names,
            ..self.clone()
        }
    }
}
