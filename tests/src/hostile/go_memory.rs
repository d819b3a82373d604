//! Memory of a Go process that answers what it likes.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hint::black_box;

use tracer::go::gc::{GcCycle, GcReadPlan};
use tracer::go::layout::Layout;
use tracer::go::{Arch, Globals, Memory, MemoryError, Release};

use super::input::Input;

/// Reads of one walk. Every list is bounded: the threads' by 4096, each with four reads.
const MOST_READS: u32 = 64 << 10;

const RELEASES: [(u16, u16); 5] = [(19, 8), (21, 13), (24, 11), (26, 6), (27, 3)];

/// Runs every walker of runtime structures over memory drawn from the bytes.
pub(super) fn walk(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let choice = input.u8();
    let (minor, patch) = RELEASES[usize::from(choice & 0x7f) % RELEASES.len()];
    let layout = Layout::for_release(Release::new(minor, patch), Arch::Amd64);
    let layout = layout.expect("known").layout;
    let memory = DrawnMemory {
        words: RefCell::default(),
        input: RefCell::new(input),
        reads: Cell::new(0),
        forgets: choice & 0x80 != 0,
    };
    let globals = globals();
    let verified = layout.verify(&memory, &globals, &[1, 2, 3, 77]);
    if let Ok(verified) = &verified {
        assert!(verified.procs >= 1 && verified.goroutines >= 1 && verified.threads >= 1);
    }
    let _ = black_box(verified);
    if let Ok(copies) = GcReadPlan::new(layout, &globals).read(&memory) {
        let ranges = copies.each_ref().map(Vec::as_slice);
        if let Ok(cycle) = GcCycle::decode(layout, &ranges) {
            assert!(cycle.to_string().len() < 400, "{cycle}");
        }
    }
}

/// Words are drawn when they are first read. A byte says of what kind a word is, so that
/// structures that hold together are within a fuzzer's reach.
struct DrawnMemory<'a> {
    words: RefCell<HashMap<u64, u64>>,
    input: RefCell<Input<'a>>,
    reads: Cell<u32>,
    /// Each read draws anew, as in a process that runs on.
    forgets: bool,
}

impl DrawnMemory<'_> {
    fn word(&self, addr: u64) -> Option<u64> {
        if let Some(word) = self.words.borrow().get(&addr).filter(|_| !self.forgets) {
            return Some(*word);
        }
        let mut input = self.input.borrow_mut();
        let word = match input.u8() {
            small @ 0..128 => u64::from(small),
            128..192 => 0x10_0000 + u64::from(input.u8()) * 8,
            192..224 => u64::from(input.u16()),
            // Half a word each: Go has many fields of 32 bits.
            224..240 => u64::from(input.u8()) | u64::from(input.u8()) << 32,
            240..248 => input.u64(),
            248..254 => addr,
            254 => u64::MAX,
            255 => return None,
        };
        self.words.borrow_mut().insert(addr, word);
        Some(word)
    }
}

impl Memory for DrawnMemory<'_> {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        self.reads.set(self.reads.get() + 1);
        assert!(self.reads.get() < MOST_READS, "a walk without end");
        let len = buf.len();
        for (index, byte) in buf.iter_mut().enumerate() {
            let at = addr.wrapping_add(index as u64);
            let word = self
                .word(at & !7)
                .ok_or(MemoryError::Unmapped { addr, len })?;
            *byte = word.to_le_bytes()[(at % 8) as usize];
        }
        Ok(())
    }
}

fn globals() -> Globals {
    Globals {
        work: 0x1000,
        gc_controller: 0x2000,
        memstats: 0x3000,
        runtime_init_time: 0x4000,
        sched: 0x5000,
        gomaxprocs: 0x6000,
        allgs: 0x7000,
        allp: 0x8000,
        allm: 0x9000,
        wait_reason_strings: 0xa000,
    }
}
