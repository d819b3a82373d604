//! Who waits for what, as text and as JSON.

use std::collections::HashMap;
use std::fmt::{self, Write};

use serde_json::{Value, json};

use super::goroutine_dump::{location, shown_calls};
use crate::go::goroutine::{Code, Goroutine, Stack, function_name};
use crate::go::pclntab::Call;
use crate::go::waits::{Cycle, Holder, Object, ObjectKind, Operation, Waiter, Waits};
use crate::go::{Origin, origin};
use crate::term::plural;

/// Ids of goroutines that are shown of many.
const MOST_IDS: usize = 8;
/// Holders that are shown one by one: of more it is not known which it is.
const MOST_HOLDERS: usize = 4;

/// All that is shown.
#[derive(Clone, Copy, Debug)]
pub struct Waiters<'a> {
    pub code: &'a Code,
    /// Those that [`Waits`] counts.
    pub goroutines: &'a [Goroutine],
    pub waits: &'a Waits,
    pub cycles: &'a [Cycle],
    /// What descriptors refer to, by number.
    pub descriptors: &'a HashMap<u64, String>,
}

/// Prints the circles, then each object with who waits for it and who has it.
///
/// # Errors
/// Those of `out`.
pub fn write_waiters(out: &mut impl Write, shown: &Waiters<'_>) -> fmt::Result {
    let waiting: usize = shown.waits.objects.iter().map(|o| o.waiters.len()).sum();
    writeln!(
        out,
        "{} for {}",
        plural(waiting as u64, "wait", "waits"),
        plural(shown.waits.objects.len() as u64, "object", "objects"),
    )?;
    let cycles = shown.cycles.iter();
    cycles
        .clone()
        .try_for_each(|cycle| shown.write_cycle(out, cycle))?;
    let objects = shown.waits.objects.iter();
    objects
        .clone()
        .try_for_each(|object| shown.write_object(out, object))?;
    shown.write_unknown(out)
}

impl Waiters<'_> {
    fn write_cycle(&self, out: &mut impl Write, cycle: &Cycle) -> fmt::Result {
        let (what, holds) = match cycle.is_known {
            true => ("deadlock", "has"),
            false => ("perhaps a deadlock", "perhaps has"),
        };
        writeln!(out, "\n{what}: none of these goes on before the next does")?;
        for (at, &(goroutine, object)) in cycle.steps.iter().enumerate() {
            let next = cycle.steps[(at + 1) % cycle.steps.len()].0;
            writeln!(
                out,
                "  {} waits for {}, which goroutine {} {holds}",
                self.goroutine(goroutine),
                name(&self.waits.objects[object]),
                self.goroutines[next].descriptor.id,
            )?;
        }
        Ok(())
    }

    fn write_object(&self, out: &mut impl Write, object: &Object) -> fmt::Result {
        let mut what = name(object);
        if let ObjectKind::Descriptor { fd } | ObjectKind::DescriptorLock { fd } = object.kind
            && let Some(name) = self.descriptors.get(&fd)
        {
            let _ = write!(what, " {name}");
        }
        let state = state(&object.kind);
        writeln!(
            out,
            "\n{what}{}{state}: {}",
            if state.is_empty() { "" } else { ", " },
            plural(object.waiters.len() as u64, "waiter", "waiters")
        )?;
        for group in self.groups(object) {
            let (operation, place) = (group.operation.name(), &group.place);
            let ids = ids(&group.ids);
            writeln!(
                out,
                "  {} to {operation} in {place} ({ids})",
                group.ids.len()
            )?;
        }
        self.write_holders(out, object)
    }

    fn write_holders(&self, out: &mut impl Write, object: &Object) -> fmt::Result {
        let may_be_held = match object.kind {
            ObjectKind::Mutex(state) => state.is_locked,
            ObjectKind::RwMutex(_) | ObjectKind::Once | ObjectKind::DescriptorLock { .. } => true,
            _ => false,
        };
        // Who refers to a group of tasks may be the one that ends them.
        let is_group = matches!(object.kind, ObjectKind::WaitGroup { .. });
        match &object.holders[..] {
            [] if may_be_held => {
                writeln!(
                    out,
                    "  holder unknown: Go does not record it, and no stack refers to it"
                )
            }
            [] => Ok(()),
            holders if holders.len() > MOST_HOLDERS => writeln!(
                out,
                "  holder unknown: Go does not record it, and {} stacks refer to it",
                holders.len()
            ),
            holders => holders.iter().try_for_each(|holder| {
                let what = match (holder.is_known, is_group) {
                    (true, _) => "held by",
                    (false, false) => "perhaps held by (its stack refers to it)",
                    (false, true) => "perhaps waits for (its stack refers to it)",
                };
                writeln!(out, "  {what} {}", self.goroutine(holder.goroutine))
            }),
        }
    }

    fn write_unknown(&self, out: &mut impl Write) -> fmt::Result {
        let unknown = &self.waits.unknown;
        if unknown.is_empty() {
            return Ok(());
        }
        let count = plural(unknown.len() as u64, "goroutine waits", "goroutines wait");
        let all: Vec<u64> = unknown.iter().map(|&g| self.id(g)).collect();
        writeln!(out, "\n{count} for what could not be found ({})", ids(&all))
    }

    fn id(&self, goroutine: usize) -> u64 {
        self.goroutines[goroutine].descriptor.id
    }

    /// `goroutine 7 [sleep] in main.hold /src/main.go:35`.
    fn goroutine(&self, index: usize) -> String {
        let goroutine = &self.goroutines[index];
        let status = goroutine.descriptor.status.name();
        let state = goroutine.wait_reason.as_deref().unwrap_or(status);
        let id = goroutine.descriptor.id;
        format!("goroutine {id} [{state}] in {}", self.place(goroutine))
    }

    /// The innermost call of the program's own code, or of any.
    fn place(&self, goroutine: &Goroutine) -> String {
        match self.call(goroutine) {
            Some(call) => {
                let name = function_name(&call.frame.function);
                format!("{name} {}", location(call))
            }
            None => "an unknown place".to_owned(),
        }
    }

    fn call<'g>(&self, goroutine: &'g Goroutine) -> Option<&'g Call> {
        let Stack::Frames { frames, .. } = &goroutine.stack else {
            return None;
        };
        let calls = shown_calls(self.code, frames);
        let own = |call: &&Call| origin(&call.frame.function) == Origin::Program;
        let program = calls.iter().map(|shown| shown.call).find(own);
        program.or(calls.first().map(|shown| shown.call))
    }

    /// Waiters at the same place for the same, the most first.
    fn groups(&self, object: &Object) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        let mut places: HashMap<(Operation, String), usize> = HashMap::new();
        for waiter in &object.waiters {
            let place = self.place(&self.goroutines[waiter.goroutine]);
            let next = groups.len();
            let at = *places
                .entry((waiter.operation, place.clone()))
                .or_insert(next);
            if at == next {
                groups.push(Group {
                    operation: waiter.operation,
                    place,
                    ids: Vec::new(),
                });
            }
            groups[at].ids.push(self.id(waiter.goroutine));
        }
        groups.sort_by_key(|group| std::cmp::Reverse(group.ids.len()));
        groups
    }
}

/// Goroutines that wait at one place for one thing.
struct Group {
    operation: Operation,
    place: String,
    ids: Vec<u64>,
}

/// `goroutines 1, 2, 3 and 17 more`.
fn ids(all: &[u64]) -> String {
    let shown: Vec<String> = all.iter().take(MOST_IDS).map(u64::to_string).collect();
    let noun = if all.len() == 1 {
        "goroutine"
    } else {
        "goroutines"
    };
    let mut text = format!("{noun} {}", shown.join(", "));
    if all.len() > MOST_IDS {
        let _ = write!(text, " and {} more", all.len() - MOST_IDS);
    }
    text
}

/// `sync.Mutex 0xc000012345`, `descriptor 7`.
fn name(object: &Object) -> String {
    match object.kind {
        ObjectKind::Nothing => "nothing".to_owned(),
        ObjectKind::Descriptor { fd } | ObjectKind::DescriptorLock { fd } => {
            format!("{} {fd}", object.kind.name())
        }
        _ => format!("{} {:#x}", object.kind.name(), object.address),
    }
}

fn state(kind: &ObjectKind) -> String {
    match kind {
        ObjectKind::Channel(channel) => {
            let buffer = match channel.capacity {
                0 => "unbuffered".to_owned(),
                capacity => format!("{} of {capacity} buffered", channel.buffered),
            };
            let closed = if channel.is_closed { ", closed" } else { "" };
            let timer = if channel.has_timer {
                ", a timer sends to it"
            } else {
                ""
            };
            format!("{buffer}{closed}{timer}")
        }
        ObjectKind::Nothing => "nobody can wake them".to_owned(),
        ObjectKind::Mutex(state) => match (state.is_locked, state.is_starving) {
            (true, true) => "locked, starving".to_owned(),
            (true, false) => "locked".to_owned(),
            (false, _) => "being passed on".to_owned(),
        },
        ObjectKind::RwMutex(state) => {
            let readers = plural(u64::from(state.readers.unsigned_abs()), "reader", "readers");
            match (state.has_writer, state.readers) {
                (true, 0) => "locked by a writer".to_owned(),
                (true, _) => format!("a writer waits for {readers}"),
                (false, _) => format!("locked by {readers}"),
            }
        }
        ObjectKind::WaitGroup { counter } => format!("{counter} not done"),
        _ => String::new(),
    }
}

/// The same; addresses and states as numbers.
#[must_use]
pub fn waiters_json(shown: &Waiters<'_>) -> Value {
    let objects = shown.waits.objects.iter().map(|object| {
        json!({
            "kind": object.kind.name(),
            "address": object.address,
            "state": state(&object.kind),
            "descriptor": shown.descriptor_json(&object.kind),
            "waiters": object.waiters.iter().map(|w| shown.waiter_json(*w)).collect::<Vec<_>>(),
            "holders": object.holders.iter().map(|h| shown.holder_json(*h)).collect::<Vec<_>>(),
        })
    });
    let cycles = shown.cycles.iter().map(|cycle| {
        let step = |&(goroutine, object): &(usize, usize)| {
            json!({"goroutine": shown.id(goroutine), "waits_for": object})
        };
        json!({
            "known": cycle.is_known,
            "steps": cycle.steps.iter().map(step).collect::<Vec<_>>(),
        })
    });
    let unknown = shown.waits.unknown.iter().map(|&g| shown.id(g));
    json!({
        "objects": objects.collect::<Vec<_>>(),
        "cycles": cycles.collect::<Vec<_>>(),
        "unknown": unknown.collect::<Vec<_>>(),
        "locks_known": shown.waits.has_semaphores,
    })
}

impl Waiters<'_> {
    fn descriptor_json(&self, kind: &ObjectKind) -> Value {
        match kind {
            ObjectKind::Descriptor { fd } | ObjectKind::DescriptorLock { fd } => {
                json!({"number": fd, "name": self.descriptors.get(fd)})
            }
            _ => Value::Null,
        }
    }

    fn waiter_json(&self, waiter: Waiter) -> Value {
        let mut value = self.goroutine_json(waiter.goroutine);
        value["operation"] = waiter.operation.name().into();
        value
    }

    fn holder_json(&self, holder: Holder) -> Value {
        let mut value = self.goroutine_json(holder.goroutine);
        value["known"] = holder.is_known.into();
        value
    }

    fn goroutine_json(&self, index: usize) -> Value {
        let goroutine = &self.goroutines[index];
        let call = self.call(goroutine);
        json!({
            "goroutine": goroutine.descriptor.id,
            "status": goroutine.descriptor.status.name(),
            "wait_reason": goroutine.wait_reason.as_deref(),
            "function": call.map(|call| function_name(&call.frame.function)),
            "file": call.and_then(|call| call.frame.file.as_deref()),
            "line": call.map(|call| call.frame.line),
        })
    }
}
