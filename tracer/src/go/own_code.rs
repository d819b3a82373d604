//! Where the code of a program lies that is not the standard library's.

use std::collections::HashMap;

use tracer_common::config::OwnCode;

use super::binary::BinaryError;
use super::origin::{Origin, origin};
use super::pclntab::Pclntab;

/// Names whose origin is remembered: functions that are instantiated often share theirs.
const MAX_NAMES: usize = 1 << 18;

/// The code of [`Origin::Program`] in a process where the executable lies `bias` bytes above its
/// link-time addresses. A bucket that some function of the standard library reaches into is none.
///
/// # Errors
/// The function table is damaged.
pub fn own_code(table: &Pclntab, bias: u64) -> Result<OwnCode, BinaryError> {
    let mut own = Buckets::new(table.entries()?);
    let mut other = own.clone();
    let mut known: HashMap<u32, bool> = HashMap::new();
    table.each_name(|index, name| {
        let is_own = match known.get(&name) {
            Some(&is_own) => is_own,
            None => origin(&table.name_at(name)?) == Origin::Program,
        };
        if known.len() < MAX_NAMES {
            known.insert(name, is_own);
        }
        let function = table.function(index)?;
        let of = if is_own { &mut own } else { &mut other };
        of.mark(function.entry, function.end);
        Ok(())
    })?;
    let mut code = OwnCode {
        start: own.start.wrapping_add(bias),
        shift: own.shift,
        ..OwnCode::NONE
    };
    for (index, bits) in code.buckets.iter_mut().enumerate() {
        *bits = own.bits[index] & !other.bits[index];
    }
    Ok(code)
}

#[derive(Clone)]
struct Buckets {
    start: u64,
    shift: u32,
    bits: [u64; OwnCode::WORDS],
}

impl Buckets {
    /// The smallest that cover the text.
    fn new(text: std::ops::Range<u64>) -> Self {
        let len = text.end.saturating_sub(text.start);
        let shift = (0..63).find(|shift| len >> shift < OwnCode::BUCKETS);
        Self {
            start: text.start,
            shift: shift.unwrap_or(63),
            bits: OwnCode::NONE.buckets,
        }
    }

    /// Marks each bucket that addresses from `entry` up to `end` are in.
    fn mark(&mut self, entry: u64, end: u64) {
        let bucket = |at: u64| at.wrapping_sub(self.start) >> self.shift;
        // Whole words: a damaged table can have functions as long as all text.
        let last = bucket(end.saturating_sub(1)).min(OwnCode::BUCKETS - 1);
        let first = bucket(entry);
        for word in first / 64..=last / 64 {
            let from = first.saturating_sub(word * 64).min(63);
            let to = (last - word * 64).min(63);
            self.bits[word as usize] |= (u64::MAX << from) & (u64::MAX >> (63 - to));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::binary::Binary;
    use super::super::fixture::executables;
    use super::*;

    fn holds(code: &OwnCode, address: u64) -> bool {
        let bucket = address.wrapping_sub(code.start) >> code.shift;
        bucket < OwnCode::BUCKETS && code.buckets[(bucket / 64) as usize] >> (bucket % 64) & 1 != 0
    }

    #[test]
    fn buckets_with_a_function_of_the_library_are_none() {
        let mut own = Buckets::new(0x40_0000..0x40_0000 + 3 * OwnCode::BUCKETS);
        assert_eq!(own.shift, 2);
        own.mark(0x40_0004, 0x40_0009);
        assert_eq!(own.bits[0], 0b110);
        own.mark(0x40_0000 + 3 * OwnCode::BUCKETS - 1, u64::MAX);
        assert_eq!(own.bits[47], 1 << 63);
        own.mark(0, u64::MAX);
        assert_eq!(own.bits[0], 0b110, "before the text there is none");
    }

    #[test]
    fn long_functions_are_marked_all_along() {
        let mut own = Buckets::new(0..OwnCode::BUCKETS - 1);
        own.mark(3, 200);
        assert_eq!(own.bits[..4], [u64::MAX << 3, u64::MAX, u64::MAX, 0xff]);
        own.mark(1 << 40, 1 << 41);
        assert_eq!(own.bits[4..], [0; OwnCode::WORDS - 4]);
    }

    #[test]
    fn the_programs_functions_are_found_and_none_of_the_library() {
        const BIAS: u64 = 0x5500_0000_0000;
        let (mut files, mut found) = (0, 0);
        for path in executables("the_programs_functions_are_found_and_none_of_the_library") {
            let binary = Binary::open(&path).expect("Go");
            let table = binary.pclntab().expect("a function table");
            let code = own_code(&table, BIAS).expect("readable");
            files += 1;
            let each = |index, name| {
                let function = table.function(index)?;
                let is_own = origin(&table.name_at(name)?) == Origin::Program;
                let holds = holds(&code, function.entry + BIAS);
                assert!(is_own || !holds, "{}: {:x}", path.display(), function.entry);
                found += u32::from(is_own && holds);
                Ok(())
            };
            table.each_name(each).expect("readable");
        }
        // Few functions share a bucket with none of the library in small programs.
        assert!(found >= files, "{found} in {files} files");
    }
}
