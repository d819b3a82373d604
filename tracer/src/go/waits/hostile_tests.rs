//! Queues and trees of a process that answers what it likes.

use proptest::prelude::*;

use super::{queue, semaphores};
use crate::go::binary::Arch;
use crate::go::layout::Layout;
use crate::go::memory::{Memory, MemoryError};
use crate::go::version::Release;

/// Words are drawn from few, so that lists meet themselves.
#[derive(Debug)]
struct Drawn {
    words: Vec<u64>,
}

impl Memory for Drawn {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        let len = buf.len();
        if addr > 1 << 40 {
            return Err(MemoryError::Unmapped { addr, len });
        }
        for (index, byte) in buf.iter_mut().enumerate() {
            let at = addr + index as u64;
            let mixed = (at / 8).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            let word = self.words[mixed as usize % self.words.len()];
            *byte = word.to_le_bytes()[(at % 8) as usize];
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn every_walk_ends(
        words in prop::collection::vec(
            prop_oneof![0..64_u64, (0..16_u64).prop_map(|n| 0x1000 + n * 8), any::<u64>()],
            1..40,
        ),
        minor in prop_oneof![Just(19), Just(24), Just(27)],
    ) {
        let layout = Layout::for_release(Release::new(minor, 3), Arch::Amd64);
        let layout = layout.expect("known").layout;
        let memory = Drawn { words };
        if let Ok(waiters) = semaphores::read(&memory, layout, 0x8000) {
            prop_assert!(waiters.len() <= memory.words.len());
        }
        let _ = queue::places(&memory, layout, memory.words[0], 0x1000);
        let _ = queue::operations(&memory, layout, 0x1000);
        let _ = queue::channel(&memory, layout, 0x1000);
    }
}
