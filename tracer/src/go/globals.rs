//! Addresses of runtime variables, in stripped executables too.
//!
//! Function names survive stripping, variable names do not; but code refers to variables by
//! PC-relative operands. For each variable a function is known that must use it: the address is
//! the one base at which every field that function's source reads or writes is really referred to.
//! `runtime.gcMarkTermination` prints the gctrace line, so it refers to every field of `work`,
//! `gcController` and `memstats` that the line shows. The fields' offsets come from [`Layout`],
//! hence a match also proves the layout right for this very executable. No match, or two, is an
//! error that names the variable.
//!
//! Checked on builds of Go 1.19, 1.21 to 1.27, amd64 and arm64, against their symbol tables.

use std::collections::{BTreeMap, BTreeSet};

use super::binary::{Binary, BinaryError};
use super::code::{Access, Reference, references};
use super::layout::Layout;

/// Link-time addresses of runtime variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Globals {
    /// `runtime.work`, the GC cycle.
    pub work: u64,
    /// `runtime.gcController`.
    pub gc_controller: u64,
    /// `runtime.memstats`.
    pub memstats: u64,
    /// `runtime.runtimeInitTime`, `i64` ns of the monotonic clock.
    pub runtime_init_time: u64,
    /// `runtime.sched`.
    pub sched: u64,
    /// `runtime.gomaxprocs`, `i32`.
    pub gomaxprocs: u64,
    /// `runtime.allgs`, slice of `*g`.
    pub allgs: u64,
    /// `runtime.allp`, slice of `*p`.
    pub allp: u64,
    /// `runtime.allm`, newest `*m`.
    pub allm: u64,
    /// `runtime.waitReasonStrings`, array of strings.
    pub wait_reason_strings: u64,
}

/// Why a variable could not be located.
#[derive(Debug, thiserror::Error)]
pub enum GlobalsError {
    /// The function that must use the variable is not in the executable.
    #[error("{function} is not in the executable; {variable} cannot be located")]
    NoFunction {
        /// The variable looked for.
        variable: &'static str,
        /// The function that should use it.
        function: &'static str,
    },
    /// No address fits: the runtime differs from the layout.
    #[error(
        "no address fits {variable} in {function}: the runtime differs from the known {layout}"
    )]
    NoMatch {
        /// The variable looked for.
        variable: &'static str,
        /// The function that should use it.
        function: &'static str,
        /// The release of the layout in use.
        layout: String,
    },
    /// Several addresses fit.
    #[error("{count} addresses fit {variable}; it cannot be located")]
    Ambiguous {
        /// The variable looked for.
        variable: &'static str,
        /// How many fit.
        count: usize,
    },
    /// The symbol table says otherwise.
    #[error("{variable} is at {symbol:#x} by symbol and at {code:#x} by code; the file is odd")]
    Disagree {
        /// The variable looked for.
        variable: &'static str,
        /// Address in the symbol table.
        symbol: u64,
        /// Address by code.
        code: u64,
    },
    /// The executable could not be read.
    #[error(transparent)]
    Binary(#[from] BinaryError),
}

const MARK_TERMINATION: &str = "runtime.gcMarkTermination";
const SCHED_TRACE: &str = "runtime.schedtrace";
const PROC_RESIZE: &str = "runtime.procresize";
const SET_MAX_PROCS: &str = "runtime.GOMAXPROCS";
const MAIN: &str = "runtime.main";
const ALLG_ADD: &str = "runtime.allgadd";
const INIT_M: &str = "runtime.mcommoninit";
const EACH_G: &str = "runtime.forEachG";
const WAIT_REASON: &str = "runtime.waitReason.String";
const FUNCTIONS: [&str; 9] = [
    MARK_TERMINATION,
    SCHED_TRACE,
    PROC_RESIZE,
    SET_MAX_PROCS,
    MAIN,
    ALLG_ADD,
    INIT_M,
    EACH_G,
    WAIT_REASON,
];

impl Globals {
    /// Locates every variable by code, and checks the answers against the symbol table where the
    /// file has one. Success proves the GC and scheduler parts of `layout` for this executable.
    pub fn locate(binary: &Binary, layout: &Layout) -> Result<Self, GlobalsError> {
        let globals = Code::read(binary, layout)?.locate()?;
        globals.check_symbols(binary)?;
        Ok(globals)
    }

    fn check_symbols(&self, binary: &Binary) -> Result<(), GlobalsError> {
        let named = self.named();
        let names: Vec<&str> = named.iter().map(|(name, _)| *name).collect();
        let symbols = binary.symbols(&names)?;
        for (variable, code) in named {
            if let Some(symbol) = symbols.get(variable).map(|symbol| symbol.addr)
                && symbol != code
            {
                return Err(GlobalsError::Disagree {
                    variable,
                    symbol,
                    code,
                });
            }
        }
        Ok(())
    }

    /// The same variables at their live addresses.
    pub fn rebased(&self, load_bias: u64) -> Self {
        let live = |addr: u64| addr.wrapping_add(load_bias);
        Self {
            work: live(self.work),
            gc_controller: live(self.gc_controller),
            memstats: live(self.memstats),
            runtime_init_time: live(self.runtime_init_time),
            sched: live(self.sched),
            gomaxprocs: live(self.gomaxprocs),
            allgs: live(self.allgs),
            allp: live(self.allp),
            allm: live(self.allm),
            wait_reason_strings: live(self.wait_reason_strings),
        }
    }

    fn named(&self) -> [(&'static str, u64); 10] {
        [
            ("runtime.work", self.work),
            ("runtime.gcController", self.gc_controller),
            ("runtime.memstats", self.memstats),
            ("runtime.runtimeInitTime", self.runtime_init_time),
            ("runtime.sched", self.sched),
            ("runtime.gomaxprocs", self.gomaxprocs),
            ("runtime.allgs", self.allgs),
            ("runtime.allp", self.allp),
            ("runtime.allm", self.allm),
            ("runtime.waitReasonStrings", self.wait_reason_strings),
        ]
    }
}

/// The references to Go data in the functions that matter.
struct Code<'a> {
    layout: &'a Layout,
    references: BTreeMap<&'static str, Vec<Reference>>,
}

impl<'a> Code<'a> {
    fn read(binary: &Binary, layout: &'a Layout) -> Result<Self, GlobalsError> {
        let functions = binary.pclntab()?.find_functions(&FUNCTIONS)?;
        let module = binary.module();
        let is_data = |target: u64| {
            module.is_none_or(|module| (module.data_start..module.data_end).contains(&target))
        };
        let mut found = BTreeMap::new();
        for name in FUNCTIONS {
            if let Some(function) = functions.get(name).and_then(|functions| functions.first()) {
                let mut list = references(binary, function)?;
                list.retain(|reference| is_data(reference.target));
                found.insert(name, list);
            }
        }
        Ok(Self {
            layout,
            references: found,
        })
    }

    fn locate(&self) -> Result<Globals, GlobalsError> {
        let (work, controller) = (&self.layout.work, &self.layout.controller);
        let (stats, sched) = (&self.layout.stats, &self.layout.sched);
        let work_at = self.base(
            "runtime.work",
            MARK_TERMINATION,
            &[
                work.user_forced,
                work.stwprocs,
                work.maxprocs,
                work.t_sweep_term,
                work.t_mark,
                work.t_mark_term,
                work.t_end,
                work.pause_ns,
                work.heap0,
                work.heap1,
                work.heap2,
            ],
        )?;
        let controller_at = self.base(
            "runtime.gcController",
            MARK_TERMINATION,
            &[
                controller.last_heap_goal,
                controller.heap_live,
                self.layout.traced_stack_scan(),
                controller.globals_scan,
                controller.assist_time,
                controller.dedicated_mark_time,
                controller.fractional_mark_time,
                controller.idle_mark_time,
                controller.heap_in_use,
            ],
        )?;
        let memstats_at = self.base(
            "runtime.memstats",
            MARK_TERMINATION,
            &[
                stats.last_gc_unix,
                stats.pause_total_ns,
                stats.pause_ns,
                stats.pause_end,
                stats.numgc,
                stats.numforcedgc,
                stats.gc_cpu_fraction,
                stats.last_gc_nanotime,
                stats.last_heap_in_use,
            ],
        )?;
        let mut sched_fields = vec![
            sched.nmidle,
            sched.nmidlelocked,
            sched.mnext,
            sched.nmfreed,
            sched.npidle,
            sched.nmspinning,
            sched.runqsize,
            sched.gcwaiting,
            sched.stopwait,
            sched.sysmonwait,
        ];
        sched_fields.extend(sched.needspinning);
        Ok(Globals {
            work: work_at,
            gc_controller: controller_at,
            memstats: memstats_at,
            runtime_init_time: self.runtime_init_time()?,
            sched: self.base("runtime.sched", SCHED_TRACE, &sched_fields)?,
            gomaxprocs: self.gomaxprocs()?,
            allgs: self.slice("runtime.allgs", ALLG_ADD, EACH_G)?,
            allp: self.slice("runtime.allp", PROC_RESIZE, SCHED_TRACE)?,
            allm: self.allm()?,
            wait_reason_strings: self.wait_reason_strings()?,
        })
    }

    fn of(
        &self,
        variable: &'static str,
        function: &'static str,
    ) -> Result<&[Reference], GlobalsError> {
        let list = self.references.get(function).map(Vec::as_slice);
        list.ok_or(GlobalsError::NoFunction { variable, function })
    }

    fn targets(
        &self,
        variable: &'static str,
        function: &'static str,
    ) -> Result<BTreeSet<u64>, GlobalsError> {
        Ok(self
            .of(variable, function)?
            .iter()
            .map(|reference| reference.target)
            .collect())
    }

    /// The one base at which `function` refers to every one of `fields`.
    fn base(
        &self,
        variable: &'static str,
        function: &'static str,
        fields: &[u32],
    ) -> Result<u64, GlobalsError> {
        let targets = self.targets(variable, function)?;
        let fits = bases(&targets, fields);
        self.only(variable, function, fits)
    }

    /// A slice whose three words `writer` stores and whose pointer and length `reader` loads.
    fn slice(
        &self,
        variable: &'static str,
        writer: &'static str,
        reader: &'static str,
    ) -> Result<u64, GlobalsError> {
        let written = bases(&self.targets(variable, writer)?, &[0, 8, 16]);
        let read = bases(&self.targets(variable, reader)?, &[0, 8]);
        self.only(
            variable,
            writer,
            written.intersection(&read).copied().collect(),
        )
    }

    /// Stored once by `runtime.main`, subtracted by the gctrace line.
    fn runtime_init_time(&self) -> Result<u64, GlobalsError> {
        const NAME: &str = "runtime.runtimeInitTime";
        let with = |list: &[Reference], access| -> BTreeSet<u64> {
            let list = list.iter().filter(|reference| reference.access == access);
            list.map(|reference| reference.target).collect()
        };
        let stored = with(self.of(NAME, MAIN)?, Access::Store64);
        let loaded = with(self.of(NAME, MARK_TERMINATION)?, Access::Load64);
        self.only(NAME, MAIN, stored.intersection(&loaded).copied().collect())
    }

    /// The one variable outside `sched` that printing, setting and applying GOMAXPROCS share.
    fn gomaxprocs(&self) -> Result<u64, GlobalsError> {
        const NAME: &str = "runtime.gomaxprocs";
        let shown = self.targets(NAME, SCHED_TRACE)?;
        let set = self.targets(NAME, SET_MAX_PROCS)?;
        let applied = self.targets(NAME, PROC_RESIZE)?;
        let fits = shown
            .iter()
            .filter(|at| set.contains(at) && applied.contains(at));
        self.only(NAME, SET_MAX_PROCS, fits.copied().collect())
    }

    /// Read by the scheduler trace, pushed to when a thread record is made.
    fn allm(&self) -> Result<u64, GlobalsError> {
        const NAME: &str = "runtime.allm";
        let pushed = self.targets(NAME, INIT_M)?;
        let shown = self.of(NAME, SCHED_TRACE)?.iter();
        let loaded = shown.filter(|reference| reference.access == Access::Load64);
        let fits = loaded
            .map(|reference| reference.target)
            .filter(|at| pushed.contains(at));
        self.only(NAME, INIT_M, fits.collect())
    }

    fn wait_reason_strings(&self) -> Result<u64, GlobalsError> {
        const NAME: &str = "runtime.waitReasonStrings";
        let list = self.of(NAME, WAIT_REASON)?.iter();
        let taken = list.filter(|reference| reference.access == Access::Address);
        self.only(
            NAME,
            WAIT_REASON,
            taken.map(|reference| reference.target).collect(),
        )
    }

    fn only(
        &self,
        variable: &'static str,
        function: &'static str,
        fits: BTreeSet<u64>,
    ) -> Result<u64, GlobalsError> {
        let layout = self.layout.release.to_string();
        match fits.len() {
            1 => fits.first().copied().ok_or(GlobalsError::NoMatch {
                variable,
                function,
                layout,
            }),
            0 => Err(GlobalsError::NoMatch {
                variable,
                function,
                layout,
            }),
            count => Err(GlobalsError::Ambiguous { variable, count }),
        }
    }
}

/// Bases at which every field offset is among `targets`.
fn bases(targets: &BTreeSet<u64>, fields: &[u32]) -> BTreeSet<u64> {
    let Some(&first) = fields.first() else {
        return BTreeSet::new();
    };
    let candidates = targets
        .iter()
        .filter_map(|target| target.checked_sub(u64::from(first)));
    candidates
        .filter(|base| {
            fields
                .iter()
                .all(|&field| targets.contains(&(base + u64::from(field))))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_needs_every_field() {
        let targets = BTreeSet::from([100, 108, 124, 200, 208]);
        assert_eq!(bases(&targets, &[0, 8, 24]), BTreeSet::from([100]));
        assert_eq!(bases(&targets, &[0, 8]), BTreeSet::from([100, 200]));
        assert_eq!(bases(&targets, &[8, 40]), BTreeSet::new());
        assert_eq!(bases(&targets, &[]), BTreeSet::new());
    }
}
