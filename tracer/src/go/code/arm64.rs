//! Page-relative references of AArch64 code: `adrp` and the instruction that completes it.
//!
//! Encodings after the Arm Architecture Reference Manual, A64 base instructions.

use crate::go::binary::elf::u32_at;

use super::references::{Access, Reference};

/// The references of `code`, which is linked at `entry`.
///
/// A reference is an `adrp` followed by `add`, load, store or a pair of them through the same
/// register, possibly through the register an `add` produced. Control flow is not followed: a
/// register's value may be taken over from another path, so that a few references may be wrong;
/// callers look for several that agree.
pub(super) fn references(code: &[u8], entry: u64) -> Vec<Reference> {
    let mut found = Vec::new();
    let mut known: [Option<u64>; 32] = [None; 32];
    for (index, bytes) in code.chunks_exact(4).enumerate() {
        let word = u32_at(bytes, 0);
        let pc = entry.wrapping_add(index as u64 * 4);
        let base = known[field(word, 5)];
        let operand = operand(word);
        if let (Some(base), Some(operand)) = (base, &operand) {
            let size = operand.second.into_iter();
            for offset in std::iter::once(0).chain(size) {
                let target = base.wrapping_add_signed(operand.offset + offset);
                found.push(Reference {
                    at: index as u32 * 4,
                    target,
                    access: operand.access,
                });
            }
        }
        update(&mut known, word, pc, operand.as_ref());
    }
    found
}

/// The direct calls (`bl`) of `code`, which is linked at `entry`: offset and target.
pub(super) fn calls(code: &[u8], entry: u64) -> Vec<(u32, u64)> {
    let mut found = Vec::new();
    for (index, bytes) in code.chunks_exact(4).enumerate() {
        let word = u32_at(bytes, 0);
        if word & 0xfc00_0000 == 0x9400_0000 {
            let distance = i64::from((word << 6).cast_signed() >> 6) * 4;
            let pc = entry.wrapping_add(index as u64 * 4);
            found.push((index as u32 * 4, pc.wrapping_add_signed(distance)));
        }
    }
    found
}

/// Register number at bit `shift`.
fn field(word: u32, shift: u32) -> usize {
    (word >> shift & 31) as usize
}

/// Follows what `word` does to the addresses registers are known to hold.
fn update(known: &mut [Option<u64>; 32], word: u32, pc: u64, operand: Option<&Operand>) {
    let destination = field(word, 0);
    if let Some(page) = adrp(word, pc) {
        known[destination] = Some(page);
        return;
    }
    match operand {
        Some(operand) if operand.store => {}
        Some(operand) if operand.access == Access::Address => {
            let base = known[field(word, 5)];
            known[destination] = base.map(|base| base.wrapping_add_signed(operand.offset));
        }
        Some(operand) => {
            known[destination] = None;
            if operand.second.is_some() {
                known[field(word, 10)] = None;
            }
        }
        // Branches and system instructions write no register that matters here.
        None if word & 0x1c00_0000 == 0x1400_0000 => {}
        None => known[destination] = None,
    }
}

/// What an instruction adds to its base register, and does there.
struct Operand {
    offset: i64,
    access: Access,
    store: bool,
    /// Distance of the second word of a pair.
    second: Option<i64>,
}

fn adrp(word: u32, pc: u64) -> Option<u64> {
    if word & 0x9f00_0000 != 0x9000_0000 {
        return None;
    }
    let pages = (word >> 29 & 3) | (word >> 5 & 0x7_ffff) << 2;
    // Sign-extend 21 bits.
    let pages = i64::from(pages.cast_signed() << 11 >> 11);
    Some((pc & !0xfff).wrapping_add_signed(pages << 12))
}

fn operand(word: u32) -> Option<Operand> {
    let immediate = i64::from(word >> 10 & 0xfff);
    if word & 0xffc0_0000 == 0x9100_0000 {
        // add x,x,#imm
        return Some(Operand {
            offset: immediate,
            access: Access::Address,
            store: false,
            second: None,
        });
    }
    if word & 0x3b80_0000 == 0x2900_0000 {
        return Some(pair(word));
    }
    // Load or store, unsigned scaled offset, integer or vector.
    if word & 0x3b00_0000 != 0x3900_0000 {
        return None;
    }
    // Quad-word vectors have size 0 and the high opcode bit set.
    let quad = word & 0xc480_0000 == 0x0480_0000;
    let access = match word & 0xffc0_0000 {
        0xf940_0000 => Access::Load64,
        0xf900_0000 => Access::Store64,
        _ => Access::Other,
    };
    Some(Operand {
        offset: immediate << if quad { 4 } else { word >> 30 },
        access,
        store: word & 0x00c0_0000 == 0,
        second: None,
    })
}

/// `ldp`, `stp` with a signed scaled offset.
fn pair(word: u32) -> Operand {
    let vector = word & 0x0400_0000 != 0;
    let size = if vector {
        4_i64 << (word >> 30)
    } else {
        4 << (word >> 31)
    };
    // Sign-extend 7 bits.
    let scaled = i64::from((word << 10).cast_signed() >> 25);
    let store = word & 0x0040_0000 == 0;
    let access = match (vector, word >> 30, store) {
        (false, 2, true) => Access::Store64,
        (false, 2, false) => Access::Load64,
        _ => Access::Other,
    };
    Operand {
        offset: scaled * size,
        access,
        store,
        second: Some(size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(words: &[u32]) -> Vec<(u32, u64, Access)> {
        let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let list = references(&code, 0x8_c870);
        list.iter()
            .map(|found| (found.at, found.target, found.access))
            .collect()
    }

    #[test]
    fn page_and_offset() {
        // Go 1.27.3 runtime.load_g: adrp x27; ldrsb x0,[x27,#2113]
        assert_eq!(
            targets(&[0x9000_093b, 0x39a1_0760]),
            [(4, 0x1b_0841, Access::Other)]
        );
        // adrp x27; add x27,x27,#0x20; ldp x0,x1,[x27]; ldr x2,[x27,#16]
        let chain = [0x9000_093b, 0x9100_837b, 0xa940_0760, 0xf940_0b62];
        let want = [
            (4, 0x1b_0020, Access::Address),
            (8, 0x1b_0020, Access::Load64),
            (8, 0x1b_0028, Access::Load64),
            (12, 0x1b_0030, Access::Load64),
        ];
        assert_eq!(targets(&chain), want);
        // A register that was overwritten is forgotten: mov x27,#0x10
        assert_eq!(targets(&[0x9000_093b, 0xd280_021b, 0xf940_0362]), []);
    }
}
