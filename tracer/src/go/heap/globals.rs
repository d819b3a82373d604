//! Where the variables of the heap profiler and of the heap are, in stripped executables too.
//!
//! As with [`crate::go::Globals`]: code refers to variables by PC-relative operands, and each of
//! these is the one that certain functions share. Checked on builds of Go 1.19, 1.21 to 1.27, amd64
//! and arm64, against their symbol tables.

use std::collections::{BTreeMap, BTreeSet};

use crate::go::binary::Binary;
use crate::go::code::{Access, Reference, references};
use crate::go::layout::Layout;

const ADD_BUCKET: &str = "runtime.stkbucket";
const FLUSH_LOCKED: &str = "runtime.mProf_FlushLocked";
const FLUSH: &str = "runtime.mProf_Flush";
const SAMPLED: &str = "runtime.mProf_Malloc";
const FREED: &str = "runtime.mProf_Free";
/// Begins a new cycle of the profile (`mProf_NextCycle`, inlined there).
const NEXT_CYCLE: &str = "runtime.gcMarkTermination";
const RESET: &str = "runtime.gcResetMarkState";
/// Read GODEBUG, which may set how often to sample; of different releases.
const SETTINGS: [&str; 2] = ["runtime.parsegodebug", "runtime.parsedebugvars"];
/// Chooses the next sample (`nextSample`, inlined there).
const NEXT_SAMPLE: &str = "runtime.profilealloc";
/// What reports the profile; of different releases. The linker turns profiling off where there is
/// neither (`disableMemoryProfiling`, cmd/link/internal/ld/data.go).
const REPORTS: [&str; 2] = ["runtime.memProfileInternal", "runtime.MemProfile"];

/// Addresses of variables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeapGlobals {
    /// `runtime.mbuckets`, newest bucket.
    pub mbuckets: u64,
    /// `runtime.mProfCycle`, `u32`.
    pub mprof_cycle: u64,
    /// `runtime.MemProfileRate`, `i64`.
    pub mem_profile_rate: u64,
}

impl HeapGlobals {
    /// Locates them, at link-time addresses.
    ///
    /// # Errors
    /// One line that names the variable that cannot be located.
    pub fn locate(binary: &Binary) -> Result<Self, String> {
        let code = Code::read(binary)?;
        let symbols = Symbols::read(binary)?;
        Ok(Self {
            mbuckets: symbols.agree("runtime.mbuckets", code.mbuckets())?,
            mprof_cycle: symbols.agree("runtime.mProfCycle", code.mprof_cycle())?,
            mem_profile_rate: symbols.agree("runtime.MemProfileRate", code.rate())?,
        })
    }

    /// The same at live addresses.
    #[must_use]
    pub fn rebased(self, load_bias: u64) -> Self {
        Self {
            mbuckets: self.mbuckets.wrapping_add(load_bias),
            mprof_cycle: self.mprof_cycle.wrapping_add(load_bias),
            mem_profile_rate: self.mem_profile_rate.wrapping_add(load_bias),
        }
    }

    /// Link-time address of `runtime.mheap_`.
    ///
    /// # Errors
    /// As [`HeapGlobals::locate`].
    pub fn locate_heap(binary: &Binary, layout: &Layout) -> Result<u64, String> {
        let code = Code::read(binary)?;
        Symbols::read(binary)?.agree("runtime.mheap_", code.heap(layout))
    }

    /// Whether the program has a function that could report a heap profile: without, the linker has
    /// turned sampling off.
    #[must_use]
    pub fn can_report(binary: &Binary) -> bool {
        let found = binary.pclntab().and_then(|t| t.find_functions(&REPORTS));
        found.is_ok_and(|found| found.values().any(|functions| !functions.is_empty()))
    }
}

/// The references to Go's data in the functions that matter.
struct Code {
    references: BTreeMap<&'static str, Vec<Reference>>,
}

impl Code {
    fn read(binary: &Binary) -> Result<Self, String> {
        let names = [
            ADD_BUCKET,
            FLUSH_LOCKED,
            FLUSH,
            SAMPLED,
            FREED,
            NEXT_CYCLE,
            RESET,
            SETTINGS[0],
            SETTINGS[1],
            NEXT_SAMPLE,
        ];
        let table = binary.pclntab().map_err(|e| e.to_string())?;
        let functions = table.find_functions(&names).map_err(|e| e.to_string())?;
        let module = binary.module();
        let is_data = |target: u64| {
            module.is_none_or(|module| (module.data_start..module.data_end).contains(&target))
        };
        let mut found = BTreeMap::new();
        for name in names {
            if let Some(function) = functions.get(name).and_then(|list| list.first()) {
                let mut list = references(binary, function).map_err(|e| e.to_string())?;
                list.retain(|reference| is_data(reference.target));
                found.insert(name, list);
            }
        }
        Ok(Self { references: found })
    }

    fn of(&self, function: &str) -> &[Reference] {
        self.references.get(function).map_or(&[], Vec::as_slice)
    }

    fn targets(&self, function: &str) -> BTreeSet<u64> {
        let list = self.of(function).iter();
        list.map(|reference| reference.target).collect()
    }

    /// Added to where buckets are made, walked where counts are published.
    fn mbuckets(&self) -> BTreeSet<u64> {
        let walked = match self.references.contains_key(FLUSH_LOCKED) {
            true => self.targets(FLUSH_LOCKED),
            false => self.targets(FLUSH),
        };
        &walked & &self.targets(ADD_BUCKET)
    }

    /// What sampling an object, freeing one and beginning a new cycle share: the first two share
    /// locks besides.
    fn mprof_cycle(&self) -> BTreeSet<u64> {
        let both = &self.targets(SAMPLED) & &self.targets(FREED);
        &both & &self.targets(NEXT_CYCLE)
    }

    /// Read to choose the next sample, and set where GODEBUG says so.
    fn rate(&self) -> BTreeSet<u64> {
        let list = self.of(NEXT_SAMPLE).iter();
        let loads = list.filter(|reference| reference.access == Access::Load64);
        let read: BTreeSet<u64> = loads.map(|reference| reference.target).collect();
        let [new, old] = SETTINGS.map(|function| self.targets(function));
        &read & &(&new | &old)
    }

    /// The base at which the lock, the list of arenas and its length are.
    fn heap(&self, layout: &Layout) -> BTreeSet<u64> {
        let targets = self.targets(RESET);
        let list = u64::from(layout.heap.all_arenas);
        let is_base = |base: &u64| {
            let has = |offset: u64| targets.contains(&base.wrapping_add(offset));
            has(list) && has(list + 8)
        };
        targets.iter().copied().filter(is_base).collect()
    }
}

/// What the symbol table says, where there is one.
struct Symbols {
    by_name: BTreeMap<String, u64>,
}

impl Symbols {
    fn read(binary: &Binary) -> Result<Self, String> {
        let names = [
            "runtime.mbuckets",
            "runtime.mProfCycle",
            "runtime.MemProfileRate",
            "runtime.mheap_",
        ];
        let found = binary.symbols(&names).map_err(|e| e.to_string())?;
        let by_name = names.iter().filter_map(|name| {
            let symbol = found.get(*name)?;
            Some(((*name).to_owned(), symbol.addr))
        });
        Ok(Self {
            by_name: by_name.collect(),
        })
    }

    /// The one address that fits by code, unless the symbol table says otherwise. Where code does
    /// not tell, the symbol table does.
    fn agree(&self, variable: &str, fits: BTreeSet<u64>) -> Result<u64, String> {
        let symbol = self.by_name.get(variable).copied();
        let mut fits = fits.into_iter();
        match (fits.next(), fits.next(), symbol) {
            (Some(code), None, None) => Ok(code),
            (Some(code), None, Some(symbol)) if code == symbol => Ok(code),
            (Some(code), None, Some(symbol)) => Err(format!(
                "{variable} is at {symbol:#x} by symbol and at {code:#x} by code; the file is odd"
            )),
            (_, _, Some(symbol)) => Ok(symbol),
            (None, ..) => Err(format!(
                "no address fits {variable}: the runtime differs from the known ones"
            )),
            (Some(_), Some(_), None) => Err(format!(
                "several addresses fit {variable}; it cannot be located"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::fixture;
    use crate::go::layout::Layout;

    #[test]
    fn code_alone_finds_what_the_symbol_table_has() {
        let mut compared = 0;
        for path in fixture::executables("code_alone_finds_what_the_symbol_table_has") {
            let Ok(binary) = Binary::open(&path) else {
                continue;
            };
            let info = binary.build_info().expect("a Go program");
            let rows = Layout::candidates(info, binary.arch()).expect("a known release");
            let code = Code::read(&binary).expect("code");
            let symbols = Symbols::read(&binary).expect("symbols");
            for (variable, found) in [
                ("runtime.mbuckets", code.mbuckets()),
                ("runtime.mProfCycle", code.mprof_cycle()),
                ("runtime.MemProfileRate", code.rate()),
                ("runtime.mheap_", code.heap(rows[0].layout)),
            ] {
                assert_eq!(found.len(), 1, "{variable} in {}", path.display());
                if let Some(symbol) = symbols.by_name.get(variable) {
                    assert_eq!(
                        found.first(),
                        Some(symbol),
                        "{variable} in {}",
                        path.display()
                    );
                    compared += 1;
                }
            }
        }
        eprintln!("{compared} variables compared");
    }
}
