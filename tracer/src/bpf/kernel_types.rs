//! Offsets of kernel structure members, from the running kernel's BTF.
//!
//! BTF is the kernel's own type information (Documentation/bpf/btf.rst): a header, a list of type
//! records, and strings. Rust BPF objects carry no CO-RE relocations, so the programs get these
//! offsets as constants.

use std::collections::HashMap;

/// Where the kernel keeps its BTF.
pub const VMLINUX_BTF: &str = "/sys/kernel/btf/vmlinux";

const MAGIC: u16 = 0xeb9f;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
/// Nesting of anonymous structures that is followed.
const MAX_DEPTH: u32 = 8;
/// Members looked at for one path. `task_struct` has some three hundred.
const MAX_MEMBERS: u32 = 1 << 16;

/// What is wrong with the BTF.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KernelTypeError {
    #[error("the kernel's BTF in {VMLINUX_BTF} is damaged at byte {at}")]
    Malformed { at: usize },
    #[error("this kernel has no {member} in struct {structure}; tracer does not know its layout")]
    NoMember {
        structure: &'static str,
        member: &'static str,
    },
}

/// The kernel's structures by name.
#[derive(Debug)]
pub struct KernelTypes<'a> {
    data: &'a [u8],
    strings: &'a [u8],
    /// Offset of each type record; index 0 is type 1.
    types: Vec<u32>,
    by_name: HashMap<&'a [u8], u32>,
}

impl<'a> KernelTypes<'a> {
    /// Indexes the structures called `names`.
    ///
    /// # Errors
    /// [`KernelTypeError::Malformed`] when the data is no BTF.
    pub fn parse(data: &'a [u8], names: &[&str]) -> Result<Self, KernelTypeError> {
        let bad = |at| KernelTypeError::Malformed { at };
        if u16_at(data, 0) != Some(MAGIC) {
            return Err(bad(0));
        }
        let word = |at| u32_at(data, at).map(|w| w as usize).ok_or(bad(at));
        let header = word(4)?;
        let (types, types_len) = (word(8)?, word(12)?);
        let (strings, strings_len) = (word(16)?, word(20)?);
        let section = |offset: usize, len: usize| {
            let start = header.checked_add(offset)?;
            data.get(start..start.checked_add(len)?)
        };
        let types = section(types, types_len).ok_or(bad(8))?;
        let strings = section(strings, strings_len).ok_or(bad(16))?;
        let mut this = Self {
            data: types,
            strings,
            types: Vec::new(),
            by_name: HashMap::new(),
        };
        this.index(names)?;
        Ok(this)
    }

    fn index(&mut self, names: &[&str]) -> Result<(), KernelTypeError> {
        let mut at = 0;
        while at < self.data.len() {
            let info = u32_at(self.data, at + 4).ok_or(KernelTypeError::Malformed { at })?;
            let offset = u32::try_from(at).map_err(|_| KernelTypeError::Malformed { at })?;
            if kind(info) == KIND_STRUCT {
                let name = self.string(u32_at(self.data, at).unwrap_or(0));
                if names.iter().any(|n| n.as_bytes() == name) {
                    self.by_name.entry(name).or_insert(offset);
                }
            }
            self.types.push(offset);
            at += record_len(info).ok_or(KernelTypeError::Malformed { at })?;
        }
        Ok(())
    }

    fn string(&self, offset: u32) -> &'a [u8] {
        let rest = self.strings.get(offset as usize..).unwrap_or_default();
        let end = rest.iter().position(|&b| b == 0).unwrap_or(0);
        &rest[..end]
    }

    /// Offset in bytes of a member that a path of names leads to, for instance
    /// `("task_struct", "thread.fsbase")`. Members of anonymous structures count as the outer's.
    ///
    /// # Errors
    /// [`KernelTypeError::NoMember`] when there is none.
    pub fn offset(
        &self,
        structure: &'static str,
        path: &'static str,
    ) -> Result<u32, KernelTypeError> {
        self.find(structure, path).ok_or(KernelTypeError::NoMember {
            structure,
            member: path,
        })
    }

    fn find(&self, structure: &str, path: &str) -> Option<u32> {
        let mut at = *self.by_name.get(structure.as_bytes())? as usize;
        let (mut offset, mut left) = (0_u32, MAX_MEMBERS);
        let mut names = path.split('.').peekable();
        while let Some(name) = names.next() {
            let (bits, type_id) = self.member(at, name.as_bytes(), MAX_DEPTH, &mut left)?;
            offset = offset.checked_add(bits / 8)?;
            if names.peek().is_some() {
                at = *self.types.get((type_id as usize).checked_sub(1)?)? as usize;
            }
        }
        Some(offset)
    }

    /// Bit offset and type of a member, before `left` members were looked at.
    fn member(&self, at: usize, name: &[u8], depth: u32, left: &mut u32) -> Option<(u32, u32)> {
        let info = u32_at(self.data, at + 4)?;
        if !matches!(kind(info), KIND_STRUCT | KIND_UNION) {
            return None;
        }
        for i in 0..(info & 0xffff) as usize {
            *left = left.checked_sub(1)?;
            let member = at + 12 + i * 12;
            let type_id = u32_at(self.data, member + 4)?;
            let mut bits = u32_at(self.data, member + 8)?;
            if info >> 31 != 0 {
                // With bit fields the high byte is the field's width.
                bits &= 0xff_ffff;
            }
            let own = self.string(u32_at(self.data, member)?);
            if own == name {
                return Some((bits, type_id));
            }
            if own.is_empty() && depth > 0 {
                let inner = *self.types.get((type_id as usize).checked_sub(1)?)? as usize;
                if let Some((more, found)) = self.member(inner, name, depth - 1, left) {
                    return Some((bits.checked_add(more)?, found));
                }
            }
        }
        None
    }
}

fn kind(info: u32) -> u32 {
    info >> 24 & 0x1f
}

/// Length of a type record, by the table in Documentation/bpf/btf.rst.
fn record_len(info: u32) -> Option<usize> {
    let vlen = (info & 0xffff) as usize;
    let extra = match kind(info) {
        1 | 14 | 17 => 4,
        2 | 7..=12 | 16 | 18 => 0,
        3 => 12,
        4 | 5 | 15 | 19 => vlen * 12,
        6 | 13 => vlen * 8,
        _ => return None,
    };
    Some(12 + extra)
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    let bytes = data.get(at..at.checked_add(2)?)?;
    Some(u16::from_ne_bytes(bytes.try_into().ok()?))
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    let bytes = data.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_running_kernel_has_the_members_that_every_kernel_has() {
        let Ok(btf) = std::fs::read(VMLINUX_BTF) else {
            eprintln!("skipped: {VMLINUX_BTF} is not readable here");
            return;
        };
        let types = KernelTypes::parse(&btf, &["task_struct", "signal_struct"]).expect("BTF");
        let pid = types.offset("task_struct", "pid").expect("pid");
        assert_eq!(types.offset("task_struct", "tgid"), Ok(pid + 4));
        assert!(types.offset("signal_struct", "live").is_ok());
        assert!(
            types.offset("task_struct", "thread.fsbase").is_ok() || !cfg!(target_arch = "x86_64")
        );
        assert_eq!(
            types.offset("task_struct", "no_such_member"),
            Err(KernelTypeError::NoMember {
                structure: "task_struct",
                member: "no_such_member"
            })
        );
    }

    proptest! {
        #[test]
        fn damaged_btf_is_an_error_or_misses(
            mut bytes in prop::collection::vec(any::<u8>(), 0..512),
        ) {
            if bytes.len() > 24 {
                bytes[..8].copy_from_slice(&[0x9f, 0xeb, 1, 0, 24, 0, 0, 0]);
                for at in [8, 12, 16, 20] {
                    bytes[at + 1..at + 4].fill(0);
                }
            }
            if let Ok(types) = KernelTypes::parse(&bytes, &["", "a"]) {
                let _ = types.offset("", "");
                let _ = types.offset("a", "b.c");
            }
        }
    }
}
