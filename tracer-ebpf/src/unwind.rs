//! User stacks of programs that keep no frame pointers, by tables.
//!
//! The user side turns the unwind information of the files that a process has mapped into tables
//! ([`tracer_common::unwind`]). A walk starts from the registers with which the thread entered the
//! kernel; each step finds the mapping that the address is in, then the row of its table, and from
//! that where the caller's registers are.
//!
//! Go code keeps frame pointers, and is walked along these: but from where its innermost function has
//! not set up its frame, or never does, as the assembly functions that make system calls. There the
//! chain of frames hides the caller, and the table has where the return address is. The function that
//! the kernel calls for a signal has what was interrupted behind it, where no frame pointer leads.
//!
//! Code without a table is walked along frame pointers, which is marked as a guess. The functions
//! called `unwind_…` are global in the BPF sense, as those in [`crate::memory`].

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    helpers::{bpf_probe_read_user, generated::bpf_probe_read_kernel},
};
use tracer_common::unwind::{
    KEEPS_POINTERS, MAX_FRAMES, MAX_MAPPINGS, MAX_ROWS, NODE_WORDS, NODES_IN_CHUNK, Rule,
    UnwindMapping, UnwindProcess, cfa, saved, unwound,
};

use crate::{
    emit::{bounded, opaque},
    maps::{REGISTERS, UNWIND_CHUNKS, UNWIND_PROCESSES, WALKS, Walk},
    task::Task,
};

/// Steps of a search in so many rows.
const ROW_STEPS: u64 = MAX_ROWS.ilog2() as u64 + 1;
/// Steps of a search in so many mappings.
const MAPPING_STEPS: u64 = MAX_MAPPINGS.ilog2() as u64 + 1;
const NODE_BITS: u32 = NODE_WORDS.ilog2();
const CHUNK_BITS: u32 = NODES_IN_CHUNK.ilog2();
/// Addresses below belong to no mapping (`vm.mmap_min_addr`).
const FIRST_PAGE: u64 = 4096;

/// Walks the user stack of the running thread. `None` when its process has no tables: then a new
/// process is noted for the user side.
#[inline(always)]
pub fn walk(slot: u32, tgid: u32) -> Option<*mut Walk> {
    let Some(process) = UNWIND_PROCESSES.get_ptr_mut(tgid) else {
        let new = UnwindProcess {
            unmapped: 1,
            ..Default::default()
        };
        // Whoever finds no room is walked along frame pointers.
        let _ = UNWIND_PROCESSES.insert(tgid, new, u64::from(BPF_NOEXIST));
        return None;
    };
    let walk = WALKS.get_ptr_mut(slot)?;
    // SAFETY: this CPU's slots of the maps; the count of a process is one that may miss a run.
    let (process, walked) = unsafe { (&mut *process, &mut *walk) };
    if process.mappings == 0 || !begin(walked) {
        return None;
    }
    walked.first_mapping = process.first;
    walked.mappings = process.mappings;
    let mut index = 0;
    while index < MAX_FRAMES as u64 {
        if unwind_step(u64::from(slot), index) == 0 {
            break;
        }
        index += 1;
    }
    if index == MAX_FRAMES as u64 {
        walked.stack.flags |= unwound::TRUNCATED;
    }
    if walked.stack.flags & unwound::UNMAPPED != 0 {
        process.unmapped += 1;
    }
    Some(walk)
}

/// A child has its parent's memory until it runs another program.
#[inline(always)]
pub fn inherit(parent: u32, child: u32) {
    if let Some(process) = UNWIND_PROCESSES.get_ptr(parent) {
        // SAFETY: an element of the map, which is copied.
        let process = unsafe { &*process };
        // Without room, or on a kernel that takes no such value, the user side does it later.
        let _ = UNWIND_PROCESSES.insert(child, process, 0);
    }
}

/// What is known of a process is about its memory of before.
#[inline(always)]
pub fn forget(tgid: u32) {
    let _ = UNWIND_PROCESSES.remove(tgid);
}

/// Words of `struct pt_regs` (arch/x86/include/uapi/asm/ptrace.h).
#[cfg(bpf_target_arch = "x86_64")]
mod word_of {
    pub const FRAME_POINTER: usize = 4;
    pub const PC: usize = 16;
    pub const CODE_SEGMENT: usize = 17;
    pub const STACK_POINTER: usize = 19;
}

/// Sets out from the thread's user registers; false when it has none of 64-bit code.
#[cfg(bpf_target_arch = "x86_64")]
#[inline(always)]
fn begin(walk: &mut Walk) -> bool {
    /// `__USER_CS` (arch/x86/include/asm/segment.h).
    const USER_CODE: u64 = 0x33;
    let registers = &raw mut walk.registers;
    // SAFETY: the helper checks the address, and the array has room.
    let failed = unsafe {
        bpf_probe_read_kernel(
            registers.cast(),
            (REGISTERS * 8) as u32,
            Task::user_registers() as *const _,
        )
    };
    if failed != 0 || walk.registers[word_of::CODE_SEGMENT] != USER_CODE {
        return false;
    }
    walk.pc = walk.registers[word_of::PC];
    walk.stack_pointer = walk.registers[word_of::STACK_POINTER];
    walk.frame_pointer = walk.registers[word_of::FRAME_POINTER];
    walk.is_return = 0;
    walk.in_go = 0;
    walk.len = 0;
    walk.rows = 0;
    walk.keeps_pointers = 0;
    walk.handler_len = 0;
    walk.hash = 0;
    walk.stack.len = 0;
    walk.stack.flags = 0;
    true
}

/// Tables are made for x86_64 alone.
#[cfg(bpf_target_arch = "aarch64")]
#[inline(always)]
fn begin(_: &mut Walk) -> bool {
    false
}

/// Takes the address that the walk has come to, and goes on to its caller; 0 at the end.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn unwind_step(slot: u64, index: u64) -> u64 {
    let Some(walk) = WALKS.get_ptr_mut(slot as u32) else {
        return 0;
    };
    // SAFETY: this CPU's slot of the map.
    let walk = unsafe { &mut *walk };
    put(walk, index);
    let at = walk.pc.wrapping_sub(walk.is_return);
    if at.wrapping_sub(walk.start) >= walk.len {
        enter(walk, at);
    }
    let rule = rule_at(walk, at);
    if index == 0 && matches!(rule.cfa(), cfa::NONE | cfa::POINTERS) {
        walk.stack.flags |= unwound::LEAF_BY_POINTERS;
    }
    let went = match rule.cfa() {
        cfa::NONE => {
            walk.stack.flags |= unwound::GUESSED;
            along_pointers(walk, true)
        }
        cfa::POINTERS => {
            walk.in_go = 1;
            along_pointers(walk, false)
        }
        cfa::ROOT => {
            walk.stack.flags |= unwound::ROOT;
            return 0;
        }
        cfa::SIGNAL => out_of_handler(walk, rule),
        _ => by_rule(walk, rule, at),
    };
    if !went {
        walk.stack.flags |= unwound::BROKEN;
        return 0;
    }
    if walk.pc == 0 {
        walk.stack.flags |= unwound::ROOT;
        return 0;
    }
    1
}

/// How to get to the caller from an address of the mapping that was entered.
#[inline(always)]
fn rule_at(walk: &Walk, at: u64) -> Rule {
    let keeps_pointers = walk.keeps_pointers != 0;
    // Who called a function that has a frame has one, too: no need to look, which takes longer.
    let pc = at.wrapping_sub(walk.bias);
    let is_handler = pc.wrapping_sub(walk.handler) < walk.handler_len;
    if keeps_pointers && (walk.in_go != 0 && !is_handler || walk.rows == 0) {
        return Rule::POINTERS;
    }
    if walk.rows == 0 {
        return Rule::NONE;
    }
    Rule(unwind_rule(walk.first_row, walk.rows, pc) as u32)
}

/// Adds the address to the stack.
#[inline(always)]
fn put(walk: &mut Walk, index: u64) {
    let pc = walk.pc;
    let index = bounded::<{ MAX_FRAMES as u64 - 1 }>(index);
    let frames = (&raw mut walk.stack.frames).cast::<u64>();
    // SAFETY: the index is within the array.
    unsafe { frames.add(index as usize).write(pc) };
    walk.stack.len = index as u32 + 1;
    // 2^64 divided by the golden ratio spreads the bits.
    let mixed = (walk.hash ^ pc).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    walk.hash = mixed ^ mixed >> 29;
}

/// Finds the mapping of an address.
#[inline(always)]
fn enter(walk: &mut Walk, at: u64) {
    walk.len = 0;
    walk.rows = 0;
    walk.keeps_pointers = 0;
    walk.handler_len = 0;
    let found = unwind_mapping(walk.first_mapping, walk.mappings, at);
    let (Some(start), Some(end)) = (word(found), word(found.wrapping_add(1))) else {
        walk.stack.flags |= unwound::UNMAPPED;
        return;
    };
    if found == 0 || at < start || at >= end {
        walk.stack.flags |= unwound::UNMAPPED;
        return;
    }
    walk.start = start;
    walk.len = end - start;
    walk.bias = word(found.wrapping_add(2)).unwrap_or(0);
    let table = word(found.wrapping_add(3)).unwrap_or(0);
    walk.first_row = table >> 32;
    walk.rows = table & u64::from(KEEPS_POINTERS - 1);
    walk.keeps_pointers = u64::from(table & u64::from(KEEPS_POINTERS) != 0);
    let handler = word(found.wrapping_add(4)).unwrap_or(0);
    walk.handler = handler >> 32;
    walk.handler_len = handler & 0xffff_ffff;
}

/// Index of the last mapping that starts at an address or below; 0 when there is none. The first
/// words are not used, so that 0 is no index.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn unwind_mapping(first: u64, count: u64, at: u64) -> u64 {
    const WORDS: u64 = UnwindMapping::WORDS as u64;
    let (mut low, mut high) = (0_u64, count);
    let mut step = 0;
    while step < MAPPING_STEPS {
        step = opaque(step) + 1;
        if low >= high {
            break;
        }
        let middle = (low + high) / 2;
        let Some(start) = word(first.wrapping_add(middle * WORDS)) else {
            return 0;
        };
        if start <= at {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if low == 0 {
        return 0;
    }
    first.wrapping_add((low - 1) * WORDS)
}

/// The rule for an address of a table.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn unwind_rule(first: u64, count: u64, pc: u64) -> u64 {
    let (mut low, mut high) = (0_u64, count);
    let mut step = 0;
    while step < ROW_STEPS {
        step = opaque(step) + 1;
        if low >= high {
            break;
        }
        let middle = (low + high) / 2;
        let Some(row) = word(first.wrapping_add(middle)) else {
            return 0;
        };
        if row >> 32 <= pc {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if low == 0 {
        return 0;
    }
    word(first.wrapping_add(low - 1)).unwrap_or(0) & 0xffff_ffff
}

/// A word of the tables.
#[inline(always)]
fn word(index: u64) -> Option<u64> {
    let chunk = (index >> (NODE_BITS + CHUNK_BITS)) as u32;
    let node = (index >> NODE_BITS) as u32 & (NODES_IN_CHUNK - 1);
    let words = UNWIND_CHUNKS.get_value(chunk, &node)?;
    let at = bounded::<{ NODE_WORDS as u64 - 1 }>(index);
    // SAFETY: the index is within the node; an index expression would leave a panic path.
    Some(unsafe { *words.as_ptr().add(at as usize) })
}

/// To the caller along frame pointers: at one lies the caller's, above it the return address. In
/// code of which nothing is known the chain must lead up the stack. Go changes stacks.
#[inline(always)]
fn along_pointers(walk: &mut Walk, is_guess: bool) -> bool {
    let frame = walk.frame_pointer;
    if frame == 0 {
        walk.pc = 0;
        return true;
    }
    if frame < FIRST_PAGE || frame & 7 != 0 {
        return false;
    }
    if is_guess && walk.in_go == 0 && frame < walk.stack_pointer {
        return false;
    }
    let (Some(caller), Some(pc)) = (user_word(frame), user_word(frame.wrapping_add(8))) else {
        return false;
    };
    if caller == frame {
        return false;
    }
    walk.stack_pointer = frame.wrapping_add(16);
    walk.frame_pointer = caller;
    walk.pc = pc;
    walk.is_return = 1;
    true
}

/// To the caller by a row.
#[inline(always)]
fn by_rule(walk: &mut Walk, rule: Rule, at: u64) -> bool {
    let (stack, frame) = (walk.stack_pointer, walk.frame_pointer);
    let offset = rule.offset() as u64;
    let cfa = match rule.cfa() {
        cfa::STACK => Some(stack.wrapping_add(offset)),
        cfa::FRAME => Some(frame.wrapping_add(offset)),
        cfa::AT_STACK => user_word(stack.wrapping_add(offset)),
        cfa::AT_STACK_8 => user_word(stack.wrapping_add(offset)).map(|w| w.wrapping_add(8)),
        cfa::AT_FRAME => user_word(frame.wrapping_add(offset)),
        cfa::LINKAGE => {
            let more = if at & 15 >= offset / 8 { 16 } else { 8 };
            Some(stack.wrapping_add(more))
        }
        _ => None,
    };
    let Some(cfa) = cfa else { return false };
    // A caller's frame is above.
    if cfa <= stack {
        return false;
    }
    let Some(pc) = user_word(cfa.wrapping_sub(8)) else {
        return false;
    };
    walk.frame_pointer = match rule.saved() {
        saved::SAME => frame,
        saved::BELOW_CFA => user_word(cfa.wrapping_sub(rule.saved_offset())).unwrap_or(0),
        saved::AT_FRAME => user_word(frame).unwrap_or(0),
        _ => 0,
    };
    walk.stack_pointer = cfa;
    walk.pc = pc;
    walk.is_return = 1;
    walk.in_go = 0;
    true
}

/// To what a signal interrupted: `uc_mcontext` is 40 bytes into `struct ucontext`, and in it are
/// the frame pointer at 80, the stack pointer at 120 and the address at 128
/// (arch/x86/include/uapi/asm/sigcontext.h, `struct sigcontext_64`).
#[inline(always)]
fn out_of_handler(walk: &mut Walk, rule: Rule) -> bool {
    let context = walk.stack_pointer.wrapping_add(rule.offset() as u64);
    let registers = context.wrapping_add(40);
    let (Some(frame), Some(stack), Some(pc)) = (
        user_word(registers.wrapping_add(80)),
        user_word(registers.wrapping_add(120)),
        user_word(registers.wrapping_add(128)),
    ) else {
        return false;
    };
    walk.frame_pointer = frame;
    walk.stack_pointer = stack;
    walk.pc = pc;
    walk.is_return = 0;
    walk.in_go = 0;
    true
}

#[inline(always)]
fn user_word(address: u64) -> Option<u64> {
    // SAFETY: the helper checks the address.
    unsafe { bpf_probe_read_user(address as *const u64) }.ok()
}
