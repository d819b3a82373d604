//! The code that goroutines are in: places by address, looked up once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::go::binary::{Arch, Binary, BinaryError};
use crate::go::pclntab::{Pclntab, Place, PointerMap};
use crate::go::version::Release;

/// The function that precedes wrappers in the list of `abi.FuncID` (internal/abi/symtab.go), whose
/// numbers change between releases: wrappers are the last of that list, in Go 1.18 to 1.27.
const BEFORE_WRAPPER: &str = "runtime.systemstack_switch";

/// Places remembered; a process of more code than that is slow, not wrong.
const MAX_PLACES: usize = 1 << 20;

/// Places of one executable.
#[derive(Debug)]
pub struct Code {
    table: Pclntab,
    load_bias: u64,
    arch: Arch,
    release: Option<Release>,
    wrapper: Option<u8>,
    places: RefCell<Places>,
}

/// By live address, and whether that is a return address.
type Places = HashMap<(u64, bool), Option<Rc<Place>>>;

impl Code {
    /// That of an executable mapped with `load_bias`.
    ///
    /// # Errors
    /// When it has no function table that can be read.
    pub fn new(binary: &Binary, load_bias: u64) -> Result<Self, BinaryError> {
        let table = binary.pclntab()?;
        let wrapper = match table.find_function(BEFORE_WRAPPER)? {
            Some(function) => table.kind(&function)?.checked_add(1),
            None => None,
        };
        Ok(Self {
            table,
            load_bias,
            arch: binary.arch(),
            release: binary.release(),
            wrapper,
            places: RefCell::default(),
        })
    }

    /// Instruction set.
    #[must_use]
    pub fn arch(&self) -> Arch {
        self.arch
    }

    /// Whether the release is this one of Go 1 or a later one.
    #[must_use]
    pub fn is_since(&self, minor: u16) -> bool {
        self.release.is_none_or(|r| r.minor >= minor)
    }

    /// Whether a call is one of the compiler's own making, such as that of a method through an
    /// interface.
    #[must_use]
    pub fn is_wrapper(&self, kind: u8) -> bool {
        Some(kind) == self.wrapper
    }

    /// What is at a live address; `None` outside the executable's Go code, or where it is damaged.
    #[must_use]
    pub fn place(&self, pc: u64, is_return: bool) -> Option<Rc<Place>> {
        let mut places = self.places.borrow_mut();
        if places.len() > MAX_PLACES {
            places.clear();
        }
        let look_up = || {
            let place = self.table.place(pc.wrapping_sub(self.load_bias), is_return);
            place.ok().flatten().map(Rc::new)
        };
        places
            .entry((pc, is_return))
            .or_insert_with(look_up)
            .clone()
    }

    /// Which words of a frame hold pointers; `None` where that is not known.
    #[must_use]
    pub fn pointers(&self, pc: u64, is_return: bool) -> Option<PointerMap> {
        let pc = pc.wrapping_sub(self.load_bias);
        self.table.pointers(pc, is_return).ok().flatten()
    }

    /// Bytes from the start of a place's function to a live address.
    #[must_use]
    pub fn offset(&self, place: &Place, pc: u64) -> u64 {
        pc.wrapping_sub(self.load_bias).wrapping_sub(place.entry)
    }
}
