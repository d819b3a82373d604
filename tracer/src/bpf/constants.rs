//! Values of the programs' `.rodata`, fixed at load.

use aya::EbpfLoader;
use tracer_common::capture::{CaptureRules, phase};

use super::{Abilities, KernelTypeError, KernelTypes};

/// One field per constant of `tracer-ebpf`'s `constants` module; see there for meanings.
#[derive(Clone, Debug)]
pub struct Constants {
    /// The only target; 0 when the target map decides.
    pub target_tgid: u32,
    pub target_all: bool,
    pub string_limit: u32,
    pub want_goid: bool,
    /// Samples are counted by who made the goroutine that runs.
    pub want_creator: bool,
    pub want_kernel_stack: bool,
    pub want_user_stack: bool,
    /// A sample with the user stack precedes each syscall.
    pub want_call_stack: bool,
    /// A sample with the user stack precedes the end of each syscall that lasted long enough.
    pub want_slow_stack: bool,
    /// Waits are told apart by who ended them.
    pub want_wakers: bool,
    /// Switches also tell how long threads are on the CPU.
    pub want_on_cpu: bool,
    /// Ends of threads tell where their user code was.
    pub want_last_place: bool,
    /// Waits that were shorter until they were ended are left out, in ns.
    pub min_block_ns: u64,
    /// As above, those that were longer.
    pub max_block_ns: u64,
    /// Bit `nr % 64` of word `nr / 64`; bit 0 of word 8 stands for all larger numbers.
    pub syscalls: [u64; 9],
    /// What records of syscalls copy, by number. Those beyond have no rules.
    pub capture_rules: Vec<CaptureRules>,
}

impl Default for Constants {
    /// No targets, no syscalls; stacks of both sides.
    fn default() -> Self {
        Self {
            target_tgid: 0,
            target_all: false,
            string_limit: 32,
            want_goid: false,
            want_creator: false,
            want_kernel_stack: true,
            want_user_stack: true,
            want_call_stack: false,
            want_slow_stack: false,
            want_wakers: false,
            want_on_cpu: false,
            want_last_place: false,
            min_block_ns: 0,
            max_block_ns: u64::MAX,
            syscalls: [0; 9],
            capture_rules: Vec::new(),
        }
    }
}

/// Syscalls that return in parent and child.
#[cfg(target_arch = "x86_64")]
const FORKS: [u32; 4] = [
    libc::SYS_clone as u32,
    libc::SYS_fork as u32,
    libc::SYS_vfork as u32,
    libc::SYS_clone3 as u32,
];
/// Syscalls that return in parent and child.
#[cfg(target_arch = "aarch64")]
const FORKS: [u32; 4] = [
    libc::SYS_clone as u32,
    libc::SYS_clone3 as u32,
    u32::MAX,
    u32::MAX,
];

/// The structures that [`Rodata`] asks for.
pub(super) const STRUCTURES: &[&str] =
    &["task_struct", "signal_struct", "mm_struct", "linux_binprm"];

/// Everything that the loader is given, kept alive until it has loaded.
#[derive(Debug)]
pub(super) struct Rodata {
    words: Vec<(&'static str, u32)>,
    times: [(&'static str, u64); 2],
    syscalls: [u64; 9],
    captures_at_entry: [u64; 8],
    captures_at_exit: [u64; 8],
    forks: [u32; 4],
}

impl Rodata {
    pub(super) fn new(
        constants: &Constants,
        types: &KernelTypes<'_>,
        cpus: u32,
        abilities: Abilities,
        registers_on_stack: u32,
    ) -> Result<Self, KernelTypeError> {
        let task = |member| types.offset("task_struct", member);
        let signal = |member| types.offset("signal_struct", member);
        let binprm = |member| types.offset("linux_binprm", member);
        let thread_pointer = if cfg!(target_arch = "x86_64") {
            task("thread.fsbase")?
        } else {
            task("thread.uw.tp_value")?
        };
        let mut words = vec![
            ("TARGET_TGID", constants.target_tgid),
            ("TARGET_ALL", constants.target_all.into()),
            ("OWN_TGID", std::process::id()),
            ("NR_EXECVE", number(libc::SYS_execve)),
            ("NR_RT_SIGRETURN", number(libc::SYS_rt_sigreturn)),
            ("TRACE_EVERY", (constants.syscalls == [u64::MAX; 9]).into()),
            ("STRING_LIMIT", constants.string_limit),
            ("WANT_GOID", constants.want_goid.into()),
            ("WANT_CREATOR", constants.want_creator.into()),
            ("WANT_KERNEL_STACK", constants.want_kernel_stack.into()),
            ("WANT_USER_STACK", constants.want_user_stack.into()),
            ("WANT_CALL_STACK", constants.want_call_stack.into()),
            ("WANT_SLOW_STACK", constants.want_slow_stack.into()),
            ("WANT_WAKERS", constants.want_wakers.into()),
            ("WANT_ON_CPU", constants.want_on_cpu.into()),
            ("WANT_LAST_PLACE", constants.want_last_place.into()),
            ("CPUS", cpus),
            ("HAS_TYPED_TASK", abilities.typed_task.into()),
            ("TASK_PID", task("pid")?),
            ("TASK_SECCOMP_MODE", task("seccomp.mode")?),
            ("TASK_TGID", task("tgid")?),
            ("TASK_COMM", task("comm")?),
            // `__state` since 5.14.
            ("TASK_STATE", task("__state").or_else(|_| task("state"))?),
            ("TASK_EXIT_CODE", task("exit_code")?),
            ("TASK_SIGNAL", task("signal")?),
            ("TASK_FLAGS", task("flags")?),
            ("TASK_BLOCKED", task("blocked")?),
            ("TASK_MM", task("mm")?),
            ("TASK_STACK", task("stack")?),
            ("REGISTERS_ON_STACK", registers_on_stack),
            ("MM_ARG_START", types.offset("mm_struct", "arg_start")?),
            ("MM_ARG_END", types.offset("mm_struct", "arg_end")?),
            ("BINPRM_FILENAME", binprm("filename")?),
            ("BINPRM_INTERP", binprm("interp")?),
            ("BINPRM_ARGC", binprm("argc")?),
            ("BINPRM_ENVC", binprm("envc")?),
            ("SIGNAL_FLAGS", signal("flags")?),
            ("SIGNAL_GROUP_EXIT_CODE", signal("group_exit_code")?),
            ("SIGNAL_LIVE", signal("live")?),
            ("TASK_THREAD_POINTER", thread_pointer),
        ];
        if cfg!(target_arch = "x86_64") {
            words.push(("TASK_TI_STATUS", task("thread_info.status")?));
        }
        Ok(Self {
            words,
            times: [
                ("MIN_BLOCK_NS", constants.min_block_ns),
                ("MAX_BLOCK_NS", constants.max_block_ns),
            ],
            syscalls: constants.syscalls,
            captures_at_entry: with_rules(&constants.capture_rules, phase::ENTER),
            captures_at_exit: with_rules(&constants.capture_rules, phase::EXIT),
            forks: FORKS,
        })
    }

    pub(super) fn apply<'a>(&'a self, loader: &mut EbpfLoader<'a>) {
        for (name, value) in &self.words {
            loader.override_global(name, value, true);
        }
        for (name, value) in &self.times {
            loader.override_global(name, value, true);
        }
        loader.override_global("SYSCALLS", &self.syscalls[..], true);
        loader.override_global("CAPTURES_AT_ENTRY", &self.captures_at_entry[..], true);
        loader.override_global("CAPTURES_AT_EXIT", &self.captures_at_exit[..], true);
        loader.override_global("NR_FORKS", &self.forks[..], true);
    }
}

/// The syscalls that have a rule for `phase`: bit `nr % 64` of word `nr / 64`.
fn with_rules(rules: &[CaptureRules], phase: u8) -> [u64; 8] {
    let mut words = [0; 8];
    for (nr, rules) in rules.iter().enumerate() {
        if let (true, Some(word)) = (rules.has(phase), words.get_mut(nr / 64)) {
            *word |= 1 << (nr % 64);
        }
    }
    words
}

fn number(nr: libc::c_long) -> u32 {
    u32::try_from(nr).expect("syscall numbers are small")
}
