//! Kernel symbols from `/proc/kallsyms`.

use std::{fs::File, io, io::Read, path::Path};

/// Bytes read: about six times the file of a kernel built with everything.
const MAX_BYTES: u64 = 128 << 20;

/// Farthest an address may lie behind a symbol to be named by it. The file has no sizes, so the
/// last symbol before a gap would otherwise name all of the gap.
const MAX_FUNCTION: u64 = 1 << 18;

/// Functions of the running kernel and its modules.
#[derive(Debug, Default)]
pub struct Kallsyms {
    /// Ascending by address, one each.
    symbols: Vec<Symbol>,
    names: String,
}

/// Name and module as places in `names`.
#[derive(Clone, Copy, Debug)]
struct Symbol {
    address: u64,
    name: (u32, u32),
    /// Empty for the kernel itself.
    module: (u32, u32),
}

/// A kernel address by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelFunction<'a> {
    pub name: &'a str,
    /// From the start of the function, in bytes.
    pub offset: u64,
    /// Module or `bpf`; `None` for the kernel itself.
    pub module: Option<&'a str>,
}

impl Kallsyms {
    /// Reads the running kernel's symbols.
    ///
    /// # Errors
    /// When the file cannot be read. `kernel.kptr_restrict` is no error: all addresses read as 0
    /// then and the result is empty.
    pub fn load() -> io::Result<Self> {
        Self::read(Path::new("/proc/kallsyms"))
    }

    fn read(path: &Path) -> io::Result<Self> {
        let mut text = Vec::new();
        File::open(path)?.take(MAX_BYTES).read_to_end(&mut text)?;
        Ok(Self::parse(&text))
    }

    /// Reads lines of `address type name [module]` (`kernel/kallsyms.c`, `s_show`). Total: lines
    /// in another form, of data, and with address 0 are left out.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let mut all = Self::default();
        for line in text.split(|&b| b == b'\n') {
            if let Ok(line) = std::str::from_utf8(line) {
                all.push(line);
            }
        }
        // Of names at one address the first in the file stays: the sort is stable.
        all.symbols.sort_by_key(|s| s.address);
        all.symbols.dedup_by_key(|s| s.address);
        all
    }

    fn push(&mut self, line: &str) {
        let mut words = line.split_ascii_whitespace();
        let (Some(address), Some(kind), Some(name)) = (words.next(), words.next(), words.next())
        else {
            return;
        };
        let Ok(address) = u64::from_str_radix(address, 16) else {
            return;
        };
        if address == 0 || !matches!(kind, "t" | "T" | "w" | "W") {
            return;
        }
        let module = words.next().unwrap_or_default();
        let module = module.trim_start_matches('[').trim_end_matches(']');
        // The size limit on the text keeps these within 32 bits.
        let name = self.intern(name);
        let module = match self.symbols.last() {
            Some(last) if self.text(last.module) == module => last.module,
            _ => self.intern(module),
        };
        self.symbols.push(Symbol {
            address,
            name,
            module,
        });
    }

    fn intern(&mut self, text: &str) -> (u32, u32) {
        let start = self.names.len() as u32;
        self.names.push_str(text);
        (start, text.len() as u32)
    }

    fn text(&self, (start, len): (u32, u32)) -> &str {
        let start = start as usize;
        self.names
            .get(start..start + len as usize)
            .unwrap_or_default()
    }

    /// Whether no address is known: the kernel hides them from this user.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }

    /// The function an address lies in.
    #[must_use]
    pub fn find(&self, address: u64) -> Option<KernelFunction<'_>> {
        let after = self.symbols.partition_point(|s| s.address <= address);
        let symbol = self.symbols[..after].last()?;
        let offset = address - symbol.address;
        if offset > MAX_FUNCTION {
            return None;
        }
        let module = self.text(symbol.module);
        Some(KernelFunction {
            name: self.text(symbol.name),
            offset,
            module: (!module.is_empty()).then_some(module),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn functions_by_address() {
        let text = "\
ffffffff81000000 T first
ffffffff81000100 t second
ffffffff81000100 t alias
ffffffff81000180 D data
ffffffffc0000000 t in_module\t[nf_tables]
ffffffffc0100000 t bpf_prog_6deef7357e7b4530_sys\t[bpf]
";
        let symbols = Kallsyms::parse(text.as_bytes());
        let at = |address| symbols.find(address).map(|f| (f.name, f.offset, f.module));
        assert_eq!(at(0xffff_ffff_8100_00ff), Some(("first", 0xff, None)));
        assert_eq!(at(0xffff_ffff_8100_01c0), Some(("second", 0xc0, None)));
        let module = Some("nf_tables");
        assert_eq!(at(0xffff_ffff_c000_0010), Some(("in_module", 0x10, module)));
        assert_eq!(at(0xffff_ffff_c010_0001).expect("known").2, Some("bpf"));
        assert_eq!(at(0xffff_ffff_80ff_ffff), None, "before the first");
        assert_eq!(at(0xffff_ffff_a000_0000), None, "in a gap");
    }

    #[test]
    fn hidden_addresses_name_nothing() {
        let text = "0000000000000000 T _text\n0000000000000000 t other\n";
        let symbols = Kallsyms::parse(text.as_bytes());
        assert!(symbols.is_empty());
        assert_eq!(symbols.find(0xffff_ffff_8100_0000), None);
    }

    proptest! {
        #[test]
        fn any_text_is_accepted(text in "([0-9a-f]{0,17} [tTd] [a-z\\[\\]]{0,9}( \\[[a-z]{0,4}\\]?)?\n?){0,20}", address: u64) {
            let _ = Kallsyms::parse(text.as_bytes()).find(address);
        }

        #[test]
        fn any_bytes_are_accepted(text in proptest::collection::vec(any::<u8>(), 0..500)) {
            let _ = Kallsyms::parse(&text);
        }
    }
}
