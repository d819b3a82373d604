//! The few DWARF expressions with which compilers and assembly code describe frames.
//!
//! Operations are those of DWARF 5, 7.7.1; registers those of the System V ABI for x86_64, figure
//! 3.36.

const BREG6_RBP: u8 = 0x76;
const BREG7_RSP: u8 = 0x77;
const DEREF: u8 = 0x06;
const PLUS_UCONST: u8 = 0x23;
/// `rsp + 8`, and 8 more if `rip & 15` is at least a number, which stands at this index as
/// `DW_OP_lit0` plus it: what linkers write for their procedure linkage table.
const LINKAGE: [u8; 11] = [0x77, 8, 0x80, 0, 0x3f, 0x1a, LIT0, 0x2a, 0x33, 0x24, 0x22];
const LINKAGE_NUMBER: usize = 6;
const LIT0: u8 = 0x30;

/// What an expression amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The value of rbp and a number.
    FramePlus(i64),
    /// The word at rsp and the first number, and the second.
    AtStack(i64, u64),
    /// The word at rbp and the number.
    AtFrame(i64),
    /// An entry of a procedure linkage table: see [`LINKAGE`].
    Linkage(u8),
}

/// Reads an expression; `None` for any other.
pub(super) fn meaning(bytes: &[u8]) -> Option<Meaning> {
    if let Some(number) = linkage(bytes) {
        return Some(Meaning::Linkage(number));
    }
    let (&operation, rest) = bytes.split_first()?;
    let (offset, rest) = signed(rest)?;
    match (operation, rest) {
        (BREG6_RBP, []) => Some(Meaning::FramePlus(offset)),
        (BREG6_RBP, [DEREF]) => Some(Meaning::AtFrame(offset)),
        (BREG7_RSP, [DEREF]) => Some(Meaning::AtStack(offset, 0)),
        (BREG7_RSP, [DEREF, PLUS_UCONST, more @ ..]) => {
            let (more, rest) = signed(more)?;
            // The encodings differ in the highest bit alone.
            let more = u64::try_from(more).ok()?;
            rest.is_empty().then_some(Meaning::AtStack(offset, more))
        }
        _ => None,
    }
}

fn linkage(bytes: &[u8]) -> Option<u8> {
    if bytes.len() != LINKAGE.len() {
        return None;
    }
    let same = |(at, (a, b)): (usize, (&u8, &u8))| at == LINKAGE_NUMBER || a == b;
    let alike = bytes.iter().zip(&LINKAGE).enumerate().all(same);
    let number = bytes[LINKAGE_NUMBER].wrapping_sub(LIT0);
    (alike && number < 16).then_some(number)
}

/// A number in signed LEB128 of at most 9 bytes, and what follows it.
fn signed(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let mut value = 0_i64;
    for (at, &byte) in bytes.iter().enumerate().take(9) {
        let shift = 7 * at as u32;
        value |= i64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let sign = 64 - 7 - shift;
            return Some((value << sign >> sign, &bytes[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_compilers_and_linkers_write() {
        assert_eq!(meaning(&[0x76, 0x78, 6]), Some(Meaning::AtFrame(-8)));
        assert_eq!(meaning(&[0x76, 0]), Some(Meaning::FramePlus(0)));
        // The signal trampoline of glibc: rsp + 160.
        assert_eq!(meaning(&[0x77, 0xa0, 1, 6]), Some(Meaning::AtStack(160, 0)));
        assert_eq!(
            meaning(&[0x77, 40, 6, 0x23, 8]),
            Some(Meaning::AtStack(40, 8))
        );
        let mut linkage = LINKAGE;
        linkage[LINKAGE_NUMBER] = 0x3b;
        assert_eq!(meaning(&linkage), Some(Meaning::Linkage(11)));
        linkage[1] = 16;
        assert_eq!(meaning(&linkage), None);
        for other in [&[][..], &[0x76], &[0x76, 0x80], &[0x70, 0], &[0x76; 30]] {
            assert_eq!(meaning(other), None, "{other:x?}");
        }
    }

    #[test]
    fn numbers_of_all_lengths() {
        assert_eq!(signed(&[0x7f, 1]), Some((-1, &[1][..])));
        assert_eq!(signed(&[0xff, 0]), Some((127, &[][..])));
        assert_eq!(signed(&[0x80; 20]), None);
        assert_eq!(
            signed(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
            Some((-1, &[][..]))
        );
    }
}
