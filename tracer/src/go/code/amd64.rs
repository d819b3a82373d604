//! Instruction lengths and RIP-relative operands of x86-64 code.
//!
//! Only lengths and the memory operand are decoded; encodings after the Intel SDM, volume 2,
//! appendix A (opcode maps) and chapter 2 (prefixes, ModRM, VEX, EVEX).

use super::references::{Access, Reference};

/// The RIP-relative references of `code`, which is linked at `entry`.
pub(super) fn references(code: &[u8], entry: u64) -> Vec<Reference> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(instruction) = code.get(at..).and_then(decode) {
        let end = entry.wrapping_add((at + instruction.len) as u64);
        if let Some(distance) = instruction.rip_distance {
            found.push(Reference {
                at: at as u32,
                target: end.wrapping_add_signed(i64::from(distance)),
                access: instruction.access,
            });
        }
        at += instruction.len;
    }
    found
}

/// The direct near calls of `code`, which is linked at `entry`: offset and target.
pub(super) fn calls(code: &[u8], entry: u64) -> Vec<(u32, u64)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(instruction) = code.get(at..).and_then(decode) {
        let end = at + instruction.len;
        if let Some(&[0xe8, a, b, c, d]) = code.get(at..end) {
            let distance = i64::from(i32::from_le_bytes([a, b, c, d]));
            let target = entry.wrapping_add(end as u64).wrapping_add_signed(distance);
            found.push((at as u32, target));
        }
        at = end;
    }
    found
}

/// Length of one instruction, and its RIP-relative operand if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) len: usize,
    pub(super) rip_distance: Option<i32>,
    pub(super) access: Access,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Map {
    One,
    Two,
    ThreeA,
    Other,
}

/// What follows an opcode: whether a ModRM byte, and how many immediate bytes.
type Shape = (bool, usize);

#[derive(Debug, Default)]
struct Prefixes {
    len: usize,
    operand16: bool,
    address32: bool,
    wide: bool,
}

/// Decodes the instruction `code` begins with; `None` for unknown opcodes and at the end.
pub(super) fn decode(code: &[u8]) -> Option<Instruction> {
    let prefixes = read_prefixes(code);
    let (map, opcode, mut at, vector) = read_opcode(code, prefixes.len)?;
    let next = code.get(at).copied().unwrap_or(0);
    let (has_modrm, immediate) = shape(map, opcode, next, &prefixes, vector)?;
    let mut rip_distance = None;
    if has_modrm {
        let (len, distance) = read_modrm(code.get(at..)?)?;
        at += len;
        rip_distance = distance;
    }
    let len = at + immediate;
    (len <= code.len() && len <= 15).then_some(Instruction {
        len,
        rip_distance,
        access: access(map, opcode, prefixes.wide && !vector),
    })
}

fn read_prefixes(code: &[u8]) -> Prefixes {
    let mut prefixes = Prefixes::default();
    for &byte in code.iter().take(14) {
        match byte {
            0x66 => prefixes.operand16 = true,
            0x67 => prefixes.address32 = true,
            0x26 | 0x2e | 0x36 | 0x3e | 0x64 | 0x65 | 0xf0 | 0xf2 | 0xf3 => {}
            0x40..=0x4f => {
                // REX is the last prefix.
                prefixes.wide = byte & 8 != 0;
                prefixes.len += 1;
                break;
            }
            _ => break,
        }
        prefixes.len += 1;
    }
    prefixes
}

/// (map, opcode, offset behind it, whether VEX or EVEX).
fn read_opcode(code: &[u8], at: usize) -> Option<(Map, u8, usize, bool)> {
    let first = *code.get(at)?;
    match first {
        0x0f => match *code.get(at + 1)? {
            0x38 => Some((Map::Other, *code.get(at + 2)?, at + 3, false)),
            0x3a => Some((Map::ThreeA, *code.get(at + 2)?, at + 3, false)),
            opcode => Some((Map::Two, opcode, at + 2, false)),
        },
        0xc5 => Some((Map::Two, *code.get(at + 2)?, at + 3, true)),
        0xc4 => Some((
            vector_map(*code.get(at + 1)? & 0x1f)?,
            *code.get(at + 3)?,
            at + 4,
            true,
        )),
        0x62 => Some((
            vector_map(*code.get(at + 1)? & 7)?,
            *code.get(at + 4)?,
            at + 5,
            true,
        )),
        opcode => Some((Map::One, opcode, at + 1, false)),
    }
}

fn vector_map(bits: u8) -> Option<Map> {
    match bits {
        1 => Some(Map::Two),
        2 | 5 | 6 => Some(Map::Other),
        3 => Some(Map::ThreeA),
        _ => None,
    }
}

fn shape(map: Map, opcode: u8, next: u8, prefixes: &Prefixes, vector: bool) -> Option<Shape> {
    match map {
        Map::One => shape_one(opcode, next, prefixes),
        Map::Two => shape_two(opcode, vector),
        Map::ThreeA => Some((true, 1)),
        Map::Other => Some((true, 0)),
    }
}

fn shape_one(opcode: u8, next: u8, prefixes: &Prefixes) -> Option<Shape> {
    let word = if prefixes.operand16 { 2 } else { 4 };
    // `test` is the only member of groups 0xf6 and 0xf7 with an immediate.
    let is_test = next >> 3 & 7 <= 1;
    Some(match opcode {
        0x06 | 0x07 | 0x0e | 0x16 | 0x17 | 0x1e | 0x1f | 0x27 | 0x2f | 0x37 | 0x3f => return None,
        0x60 | 0x61 | 0x82 | 0x9a | 0xce | 0xd4..=0xd6 | 0xea => return None,
        0x00..=0x3f => match opcode & 7 {
            4 => (false, 1),
            5 => (false, word),
            _ => (true, 0),
        },
        0x63 | 0x84..=0x8f | 0xd0..=0xd3 | 0xd8..=0xdf | 0xfe | 0xff => (true, 0),
        0x69 | 0x81 | 0xc7 => (true, word),
        0x6b | 0x80 | 0x83 | 0xc0 | 0xc1 | 0xc6 => (true, 1),
        0xf6 => (true, usize::from(is_test)),
        0xf7 => (true, if is_test { word } else { 0 }),
        0x6a | 0x70..=0x7f | 0xa8 | 0xb0..=0xb7 | 0xcd | 0xe0..=0xe7 | 0xeb => (false, 1),
        0x68 | 0xa9 => (false, word),
        0xe8 | 0xe9 => (false, 4),
        0xb8..=0xbf => (false, if prefixes.wide { 8 } else { word }),
        0xa0..=0xa3 => (false, if prefixes.address32 { 4 } else { 8 }),
        0xc2 | 0xca => (false, 2),
        0xc8 => (false, 3),
        _ => (false, 0),
    })
}

fn shape_two(opcode: u8, vector: bool) -> Option<Shape> {
    Some(match opcode {
        0x04 | 0x0a | 0x0c | 0x24..=0x27 | 0x36 | 0x39 | 0x3b..=0x3f => return None,
        0x77 => (false, 0),
        0x70..=0x73 | 0xc2 | 0xc4..=0xc6 => (true, 1),
        _ if vector => (true, 0),
        0x05..=0x09 | 0x0b | 0x0e | 0x30..=0x37 | 0xa0..=0xa2 | 0xa8..=0xaa | 0xc8..=0xcf => {
            (false, 0)
        }
        0x80..=0x8f => (false, 4),
        0x0f | 0xa4 | 0xac | 0xba => (true, 1),
        _ => (true, 0),
    })
}

/// (bytes of ModRM, SIB and displacement, displacement if RIP-relative).
fn read_modrm(code: &[u8]) -> Option<(usize, Option<i32>)> {
    let modrm = *code.first()?;
    let (mode, rm) = (modrm >> 6, modrm & 7);
    if mode == 3 {
        return Some((1, None));
    }
    if mode == 0 && rm == 5 {
        let bytes = code.get(1..5)?;
        let distance = i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        return Some((5, Some(distance)));
    }
    let mut len = 1;
    let mut base = rm;
    if rm == 4 {
        base = code.get(1)? & 7;
        len += 1;
    }
    len += match mode {
        1 => 1,
        2 => 4,
        _ if rm == 4 && base == 5 => 4,
        _ => 0,
    };
    Some((len, None))
}

fn access(map: Map, opcode: u8, wide: bool) -> Access {
    match (map, opcode) {
        (Map::One, 0x8d) => Access::Address,
        (Map::One, 0x89) if wide => Access::Store64,
        // mov, and the arithmetic forms whose memory operand is read: add, or, adc, …, cmp
        (Map::One, 0x8b | 0x03 | 0x0b | 0x13 | 0x1b | 0x23 | 0x2b | 0x33 | 0x3b) if wide => {
            Access::Load64
        }
        _ => Access::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_operands() {
        let cases: [(&[u8], usize, Option<i32>, Access); 12] = [
            (
                &[0x48, 0x8b, 0x05, 0x10, 0, 0, 0],
                7,
                Some(0x10),
                Access::Load64,
            ),
            (
                &[0x48, 0x89, 0x0d, 0xff, 0xff, 0xff, 0xff],
                7,
                Some(-1),
                Access::Store64,
            ),
            (&[0x48, 0x8d, 0x3d, 1, 0, 0, 0], 7, Some(1), Access::Address),
            (&[0x83, 0x3d, 2, 0, 0, 0, 0], 7, Some(2), Access::Other), // cmpl $0,2(%rip)
            (
                &[0xc7, 0x05, 2, 0, 0, 0, 9, 0, 0, 0],
                10,
                Some(2),
                Access::Other,
            ),
            (
                &[0x66, 0xc7, 0x05, 2, 0, 0, 0, 9, 0],
                9,
                Some(2),
                Access::Other,
            ),
            (
                &[0xf0, 0x0f, 0xb1, 0x0d, 3, 0, 0, 0],
                8,
                Some(3),
                Access::Other,
            ),
            (
                &[0x64, 0x48, 0x8b, 0x04, 0x25, 0xf8, 0xff, 0xff, 0xff],
                9,
                None,
                Access::Load64,
            ),
            (
                &[0x49, 0xbb, 1, 2, 3, 4, 5, 6, 7, 8],
                10,
                None,
                Access::Other,
            ),
            (&[0xc5, 0xf8, 0x77], 3, None, Access::Other),
            (
                &[0x62, 0xf1, 0xfe, 0x48, 0x6f, 0x05, 4, 0, 0, 0],
                10,
                Some(4),
                Access::Other,
            ),
            (&[0xf6, 0x05, 1, 0, 0, 0, 8], 7, Some(1), Access::Other),
        ];
        for (code, len, rip_distance, access) in cases {
            assert_eq!(
                decode(code),
                Some(Instruction {
                    len,
                    rip_distance,
                    access
                }),
                "{code:02x?}"
            );
            assert_eq!(decode(&code[..len - 1]), None, "cut {code:02x?}");
        }
    }
}
