//! Functions by name: two sequential passes, however many names are asked for.

use std::collections::{BTreeMap, HashMap};

use crate::go::binary::BinaryError;

use super::table::{Function, Pclntab};

/// Index entries read at a time.
const PIECE: u32 = 4096;

impl Pclntab {
    /// The functions of those names, in address order; names that are absent are absent from the
    /// answer.
    ///
    /// A name has several functions when an assembly function also has a wrapper for the other
    /// calling convention (`runtime.systemstack`); ordinary Go functions have one. A function that
    /// was only inlined has none.
    pub fn find_functions(
        &self,
        names: &[&str],
    ) -> Result<BTreeMap<String, Vec<Function>>, BinaryError> {
        let offsets = self.name_offsets(names)?;
        let mut found: BTreeMap<String, Vec<Function>> = BTreeMap::new();
        if offsets.is_empty() {
            return Ok(found);
        }
        self.each_name(|index, name| {
            if let Some(name) = offsets.get(&name) {
                let functions = found.entry((*name).to_owned()).or_default();
                functions.push(self.function(index)?);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Calls `act` with the position of each function, in address order, and its name's.
    pub(in crate::go) fn each_name(
        &self,
        mut act: impl FnMut(u32, u32) -> Result<(), BinaryError>,
    ) -> Result<(), BinaryError> {
        let mut piece = vec![0; PIECE as usize * 8];
        let mut first = 0;
        while first < self.header.functions {
            let count = PIECE.min(self.header.functions - first);
            let bytes = &mut piece[..count as usize * 8];
            let at = self.header.offset + self.header.index + u64::from(first) * 8;
            self.source.read(at, bytes)?;
            for (index, entry) in (first..).zip(bytes.chunks_exact(8)) {
                let record = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
                act(index, self.source.read_u32(self.record_offset(record) + 4)?)?;
            }
            first += count;
        }
        Ok(())
    }

    /// The first function of that name in address order.
    pub fn find_function(&self, name: &str) -> Result<Option<Function>, BinaryError> {
        let found = self.find_functions(&[name])?;
        Ok(found
            .into_values()
            .next()
            .and_then(|functions| functions.first().copied()))
    }

    /// Name-table offsets of `names`, found by one pass over the NUL-separated name table.
    fn name_offsets<'a>(&self, names: &[&'a str]) -> Result<HashMap<u32, &'a str>, BinaryError> {
        let wanted: HashMap<&[u8], &str> =
            names.iter().map(|name| (name.as_bytes(), *name)).collect();
        let longest = names.iter().map(|name| name.len()).max().unwrap_or(0);
        let mut found = HashMap::new();
        let (start, end) = (self.header.names, self.header.units);
        // The beginning of a name that the piece before ended in: its bytes, if it may be wanted,
        // and its length.
        let (mut carry, mut carried): (Vec<u8>, usize) = (Vec::new(), 0);
        let mut offset = 0_u32;
        let size = end - start;
        self.source
            .scan(self.header.offset + start, size, |_, bytes| {
                for piece in bytes.split_inclusive(|&byte| byte == 0) {
                    let tail = piece.strip_suffix(&[0]).unwrap_or(piece);
                    carried += tail.len();
                    if carried <= longest {
                        carry.extend_from_slice(tail);
                    }
                    if tail.len() == piece.len() {
                        continue;
                    }
                    if carried <= longest
                        && let Some(name) = wanted.get(carry.as_slice())
                    {
                        found.insert(offset, *name);
                    }
                    offset = offset.wrapping_add(carried as u32).wrapping_add(1);
                    carry.clear();
                    carried = 0;
                }
                None::<()>
            })?;
        Ok(found)
    }
}
