//! The notes of a core: registers of threads, mapped files, and the auxiliary vector.

use super::error::CoreError;
use crate::go::binary::Arch;

/// `NT_PRSTATUS`, `NT_PRPSINFO`, `NT_AUXV`, `NT_FILE`.
const STATUS: u32 = 1;
const PROCESS: u32 = 3;
const AUXILIARY: u32 = 6;
const FILES: u32 = 0x4649_4c45;
/// `AT_PHDR` and `AT_ENTRY`.
const AT_PHDR: u64 = 3;
const AT_ENTRY: u64 = 9;
/// Threads and mappings that are taken.
const MAX_THREADS: usize = 1 << 20;
const MAX_MAPPINGS: u64 = 1 << 22;

/// All notes that matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Notes {
    pub(super) pid: Option<u32>,
    pub(super) comm: String,
    pub(super) threads: Vec<CoreThread>,
    pub(super) mappings: Vec<CoreMapping>,
    /// Addresses inside the executable: its program headers, its first instruction.
    pub(super) inside: Vec<u64>,
}

/// A thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoreThread {
    /// Its id, as the process itself sees it or as the host does: whoever wrote the core decides.
    pub tid: u32,
    pub pc: u64,
    pub sp: u64,
}

/// A file that was mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreMapping {
    pub start: u64,
    pub end: u64,
    /// Offset in the file, bytes.
    pub offset: u64,
    pub path: String,
}

/// Bytes that are taken from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        let bytes = self.take(4)?.first_chunk()?;
        Some(u32::from_le_bytes(*bytes))
    }

    fn u64(&mut self) -> Option<u64> {
        let bytes = self.take(8)?.first_chunk()?;
        Some(u64::from_le_bytes(*bytes))
    }
}

impl Notes {
    /// Adds those of a segment. The last one may be cut off.
    pub(super) fn add(&mut self, bytes: &[u8], arch: Arch) -> Result<(), CoreError> {
        let mut reader = Reader(bytes);
        while let (Some(name), Some(len), Some(kind)) = (reader.u32(), reader.u32(), reader.u32()) {
            let padded = |len: u32| (len as usize).saturating_add(3) & !3;
            let Some(owner) = reader.take(padded(name)) else {
                return Ok(());
            };
            let Some(content) = reader.take(padded(len)) else {
                return Ok(());
            };
            let content = content.get(..len as usize).unwrap_or(content);
            if owner.starts_with(b"CORE\0") {
                self.add_note(kind, content, arch)?;
            }
        }
        Ok(())
    }

    fn add_note(&mut self, kind: u32, content: &[u8], arch: Arch) -> Result<(), CoreError> {
        match kind {
            STATUS if self.threads.len() < MAX_THREADS => {
                self.threads.extend(thread(content, arch));
            }
            PROCESS => {
                // `elf_prpsinfo.pr_pid` and `pr_fname`.
                self.pid = u32_at(content, 24);
                let name = content.get(40..56).unwrap_or_default();
                let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
                self.comm = String::from_utf8_lossy(name).into_owned();
            }
            AUXILIARY => {
                let mut reader = Reader(content);
                while let (Some(key), Some(value)) = (reader.u64(), reader.u64()) {
                    if key == AT_PHDR || key == AT_ENTRY {
                        self.inside.push(value);
                    }
                }
            }
            FILES => {
                let mappings = mappings(content);
                self.mappings = mappings.ok_or(CoreError::Damaged("its list of mapped files"))?;
            }
            _ => {}
        }
        Ok(())
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes))
}

/// `struct elf_prstatus`: `pr_pid`, and in `pr_reg` the registers as `struct user_regs_struct`
/// (x86, arch/x86/include/asm/user_64.h) or `struct user_pt_regs` (arm64) has them.
fn thread(content: &[u8], arch: Arch) -> Option<CoreThread> {
    const REGISTERS: usize = 112;
    let (pc, sp) = match arch {
        Arch::Amd64 => (16, 19),
        Arch::Arm64 => (32, 31),
    };
    let register = |index: usize| u64_at(content, REGISTERS + index * 8);
    Some(CoreThread {
        tid: u32_at(content, 32)?,
        pc: register(pc)?,
        sp: register(sp)?,
    })
}

/// `NT_FILE`: how many, the unit of offsets, for each start, end and offset, then the names.
fn mappings(content: &[u8]) -> Option<Vec<CoreMapping>> {
    let mut reader = Reader(content);
    let (count, unit) = (reader.u64()?, reader.u64()?);
    let table = usize::try_from(count.min(MAX_MAPPINGS))
        .ok()?
        .checked_mul(24)?;
    let mut rows = Reader(reader.take(table)?);
    let mut names = reader.0.split(|byte| *byte == 0);
    let mut all = Vec::new();
    while let (Some(start), Some(end), Some(offset)) = (rows.u64(), rows.u64(), rows.u64()) {
        let name = names.next()?;
        all.push(CoreMapping {
            start,
            end,
            offset: offset.wrapping_mul(unit),
            path: String::from_utf8_lossy(name).into_owned(),
        });
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn note(kind: u32, content: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [5, content.len() as u32, kind] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(b"CORE\0\0\0\0");
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn words(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn registers_files_and_vector_are_read() {
        let mut status = vec![0; 336];
        status[32..36].copy_from_slice(&77_u32.to_le_bytes());
        status[240..248].copy_from_slice(&0x40_1000_u64.to_le_bytes());
        status[264..272].copy_from_slice(&0xc000_0000_u64.to_le_bytes());
        let mut process = vec![0; 136];
        process[24..28].copy_from_slice(&78_u32.to_le_bytes());
        process[40..45].copy_from_slice(b"name\0");
        let mut files = words(&[2, 4096, 0x40_0000, 0x40_1000, 0, 0x40_1000, 0x40_2000, 1]);
        files.extend(b"/bin/a\0/bin/b\0");
        let mut bytes = note(STATUS, &status);
        bytes.extend(note(PROCESS, &process));
        bytes.extend(note(AUXILIARY, &words(&[AT_ENTRY, 0x40_1200, 0, 0])));
        bytes.extend(note(FILES, &files));
        let mut notes = Notes::default();
        notes.add(&bytes, Arch::Amd64).expect("sound");
        let thread = CoreThread {
            tid: 77,
            pc: 0x40_1000,
            sp: 0xc000_0000,
        };
        assert_eq!(notes.threads, [thread]);
        assert_eq!((notes.pid, &*notes.comm), (Some(78), "name"));
        assert_eq!(notes.inside, [0x40_1200]);
        let [a, b] = &notes.mappings[..] else {
            panic!("{notes:?}");
        };
        assert_eq!(
            (&*a.path, a.start, a.end, a.offset),
            ("/bin/a", 0x40_0000, 0x40_1000, 0)
        );
        assert_eq!((&*b.path, b.offset), ("/bin/b", 4096));
    }

    #[test]
    fn a_list_that_is_too_long_is_damaged() {
        let files = words(&[u64::MAX, 4096, 1, 2, 3]);
        let error = Notes::default().add(&note(FILES, &files), Arch::Amd64);
        assert!(matches!(error, Err(CoreError::Damaged(_))), "{error:?}");
    }

    proptest! {
        #[test]
        fn no_notes_are_too_odd(
            all in prop::collection::vec(
                (prop_oneof![Just(STATUS), Just(PROCESS), Just(AUXILIARY), Just(FILES)],
                 prop::collection::vec(any::<u8>(), 0..400)),
                0..8,
            ),
            cut in 0..4000_usize,
        ) {
            let mut bytes: Vec<u8> = all.iter().flat_map(|(kind, b)| note(*kind, b)).collect();
            bytes.truncate(cut);
            let mut notes = Notes::default();
            let _ = notes.add(&bytes, Arch::Amd64);
            prop_assert!(notes.threads.len() <= all.len());
        }
    }
}
