//! From addresses to names, through mappings and the files behind them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::{Address, Kallsyms, go_symbols::GoFile, worker::Worker};
use crate::event::{FrameSymbol, Space, SymbolOrigin, SymbolizedAddress, Symbols};
use crate::process::{AddressSpace, MappedFile};

/// Names addresses. Parsed files are kept for the next call.
#[derive(Debug, Default)]
pub struct Resolver {
    go: HashMap<(u64, u64), Option<GoFile>>,
    worker: Worker,
    /// `None` until first needed.
    kernel: Option<Kallsyms>,
}

/// An address and where to look it up.
struct Place {
    at: usize,
    file_offset: u64,
}

impl Resolver {
    /// A resolver that has read nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Names user addresses of one process, in the order given. An address without a mapping has
    /// neither frames nor module.
    pub fn resolve(&mut self, space: &AddressSpace, addresses: &[Address]) -> Symbols {
        let mut symbols: Vec<_> = addresses.iter().map(|&a| unresolved(a)).collect();
        let mut by_file: BTreeMap<(u64, u64), (Arc<MappedFile>, Vec<Place>)> = BTreeMap::new();
        for (at, address) in addresses.iter().enumerate() {
            let lookup = lookup_address(*address);
            let Some((mapping, file)) = space.find(lookup) else {
                continue;
            };
            symbols[at].module = Some(mapping.name().to_owned());
            let (Some(file), Some(file_offset)) = (file, mapping.file_offset(lookup)) else {
                continue;
            };
            symbols[at].module_offset = file_offset.saturating_add(u64::from(address.caller));
            let (_, places) = by_file
                .entry(file.id())
                .or_insert_with(|| (Arc::clone(file), Vec::new()));
            places.push(Place { at, file_offset });
        }
        for (file, places) in by_file.values() {
            self.resolve_in_file(file, places, &mut symbols);
        }
        Symbols { addresses: symbols }
    }

    fn resolve_in_file(
        &mut self,
        file: &MappedFile,
        places: &[Place],
        symbols: &mut [SymbolizedAddress],
    ) {
        let go = self
            .go
            .entry(file.id())
            .or_insert_with(|| GoFile::open(file));
        let mut rest = Vec::new();
        for place in places {
            let frames = go
                .as_ref()
                .map(|table| table.symbolize(place.file_offset))
                .unwrap_or_default();
            if frames.is_empty() {
                rest.push(place);
            } else {
                set_frames(&mut symbols[place.at], frames);
            }
        }
        if rest.is_empty() {
            return;
        }
        let offsets: Vec<u64> = rest.iter().map(|p| p.file_offset).collect();
        let found = self
            .worker
            .symbolize(file.id(), &file.proc_path(), &offsets);
        for (place, frames) in rest.iter().zip(found) {
            set_frames(&mut symbols[place.at], frames);
        }
    }

    /// Names kernel addresses, in the order given. Nothing is named when the kernel hides its
    /// addresses (`kernel.kptr_restrict`).
    pub fn resolve_kernel(&mut self, addresses: &[Address]) -> Symbols {
        let kernel = self.kernel();
        let addresses = addresses
            .iter()
            .map(|&address| kernel_symbol(kernel, address))
            .collect();
        Symbols { addresses }
    }

    fn kernel(&mut self) -> &Kallsyms {
        self.kernel.get_or_insert_with(|| {
            Kallsyms::load().unwrap_or_else(|error| {
                log::warn!("kernel functions have no names: /proc/kallsyms: {error}");
                Kallsyms::default()
            })
        })
    }

    /// Closes the files that are not among the given ones.
    pub fn retain_files(&mut self, open: &HashSet<(u64, u64)>) {
        self.go.retain(|id, _| open.contains(id));
    }

    /// Whether kernel addresses were asked for and the kernel hid its symbols.
    #[must_use]
    pub fn kernel_hidden(&self) -> bool {
        self.kernel.as_ref().is_some_and(Kallsyms::is_empty)
    }

    /// Files whose symbols could not be read, or only without DWARF, because they defeat its
    /// parser.
    #[must_use]
    pub fn distrusted_files(&self) -> usize {
        self.worker.distrusted()
    }
}

/// The instruction a frame is at: a return address is that after the call, which may already be
/// another function or inlined call.
pub(super) fn lookup_address(address: Address) -> u64 {
    address.address.saturating_sub(u64::from(address.caller))
}

fn unresolved(address: Address) -> SymbolizedAddress {
    SymbolizedAddress {
        space: address.space,
        address: address.address,
        caller: address.caller,
        frames: Vec::new(),
        module: None,
        module_offset: 0,
    }
}

fn set_frames(symbol: &mut SymbolizedAddress, frames: Vec<FrameSymbol>) {
    symbol.frames = frames;
    if let Some(function) = symbol.frames.last_mut()
        && symbol.caller
    {
        // The answer of the process that reads hostile files is not to be trusted.
        function.offset = function.offset.saturating_add(1);
    }
}

fn kernel_symbol(kernel: &Kallsyms, address: Address) -> SymbolizedAddress {
    let mut symbol = unresolved(address);
    debug_assert_eq!(address.space, Space::Kernel);
    if let Some(function) = kernel.find(lookup_address(address)) {
        symbol.module = function.module.map(str::to_owned);
        let frame = FrameSymbol {
            function: function.name.to_owned(),
            offset: function.offset,
            origin: SymbolOrigin::Kernel,
            ..FrameSymbol::default()
        };
        set_frames(&mut symbol, vec![frame]);
    }
    symbol
}
