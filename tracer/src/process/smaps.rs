//! The text of `/proc/PID/smaps`: how much of each mapping is in memory.

use super::maps::{Mapping, Maps};

/// What the kernel counts of one mapping, in bytes (proc_pid_smaps(5); `fs/proc/task_mmu.c`,
/// `__show_smap`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MappingMemory {
    pub mapping: Mapping,
    pub resident: u64,
    /// In huge pages of anonymous memory.
    pub huge: u64,
    /// Given back with `MADV_FREE`, still there.
    pub lazy_free: u64,
    pub swapped: u64,
}

/// All mappings by ascending address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Smaps {
    pub mappings: Vec<MappingMemory>,
    /// Lines that do not have the known form.
    pub rejected: usize,
}

impl Smaps {
    /// Reads the text of a smaps file. Total: what has another form is counted and left out.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let mut smaps = Self::default();
        // Amounts below a line that is rejected are of no mapping.
        let mut open: Option<MappingMemory> = None;
        for line in text.split(|&b| b == b'\n').filter(|line| !line.is_empty()) {
            if let Some(amount) = Amount::parse(line) {
                match &mut open {
                    Some(open) => open.add(&amount),
                    None => smaps.rejected += 1,
                }
                continue;
            }
            smaps.mappings.extend(open.take());
            let mapping = Maps::parse(line, |_| true).mappings.pop();
            smaps.rejected += usize::from(mapping.is_none());
            open = mapping.map(|mapping| MappingMemory {
                mapping,
                ..MappingMemory::default()
            });
        }
        smaps.mappings.extend(open);
        smaps.mappings.sort_by_key(|m| m.mapping.start);
        smaps
    }
}

impl MappingMemory {
    fn add(&mut self, amount: &Amount<'_>) {
        let field = match amount.name {
            b"Rss" => &mut self.resident,
            b"AnonHugePages" => &mut self.huge,
            b"LazyFree" => &mut self.lazy_free,
            b"Swap" => &mut self.swapped,
            _ => return,
        };
        *field = amount.bytes.unwrap_or(0);
    }
}

/// A line such as `Rss:     24 kB`, or `VmFlags: rd wr`.
struct Amount<'a> {
    name: &'a [u8],
    bytes: Option<u64>,
}

impl<'a> Amount<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let colon = line.iter().position(|&b| b == b':')?;
        let (name, rest) = (&line[..colon], &line[colon + 1..]);
        // Lines of mappings have a colon, too, in the number of their device.
        let is_name = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        if !name.first().is_some_and(u8::is_ascii_uppercase) || !name.iter().all(is_name) {
            return None;
        }
        let text = rest.trim_ascii().strip_suffix(b" kB").unwrap_or_default();
        let kib = std::str::from_utf8(text).ok();
        let kib: Option<u64> = kib.and_then(|text| text.trim().parse().ok());
        Some(Self {
            name,
            bytes: kib.and_then(|kib| kib.checked_mul(1024)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
c000000000-c004000000 rw-p 00000000 00:00 0                              [anon: Go: heap]
Size:              65536 kB
KernelPageSize:        4 kB
Rss:               20480 kB
Pss:               20480 kB
LazyFree:            128 kB
AnonHugePages:     18432 kB
Swap:                 64 kB
THPeligible:           1
VmFlags: rd wr mr mw me ac sd
00400000-00480000 r-xp 00000000 fe:00 1234                               /srv/app
Rss:                 100 kB
";

    #[test]
    fn amounts_belong_to_the_mapping_above() {
        let smaps = Smaps::parse(TEXT.as_bytes());
        assert_eq!((smaps.mappings.len(), smaps.rejected), (2, 0));
        let [app, heap] = &smaps.mappings[..] else {
            panic!("two")
        };
        assert_eq!(app.mapping.path.as_deref(), Some("/srv/app"));
        assert_eq!(app.resident, 100 << 10);
        assert_eq!(heap.mapping.start, 0xc0_0000_0000);
        assert_eq!((heap.resident, heap.huge), (20480 << 10, 18432 << 10));
        assert_eq!((heap.lazy_free, heap.swapped), (128 << 10, 64 << 10));
    }

    #[test]
    fn what_is_odd_is_counted() {
        let smaps = Smaps::parse(
            b"Rss: 1 kB\nnonsense\n1-2 rw-p 0 0:0 0\nRss: x kB\nRss: 99999999999999999999 kB\n",
        );
        assert_eq!((smaps.mappings.len(), smaps.rejected), (1, 2));
        assert_eq!(smaps.mappings[0].resident, 0);
        assert_eq!(Smaps::parse(b""), Smaps::default());
    }
}
