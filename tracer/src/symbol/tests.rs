//! Names of real addresses: this test, the C library, other processes, the kernel, files made to
//! harm.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use proptest::prelude::*;

use super::worker::Worker;
use super::{Kallsyms, Symbolizer};
use crate::event::{
    Body, Event, Exec, Exit, Fork, FrameSymbol, Sample, Space, SymbolOrigin, SymbolizedAddress,
};
use crate::process::{AddressSpace, MappedFiles, Maps};

fn event(pid: u32, body: Body) -> Event {
    Event {
        time_ns: 1,
        pid,
        tid: pid,
        cpu: 0,
        goid: None,
        body,
    }
}

fn sample(pid: u32, kernel: &[u64], user: &[u64]) -> Event {
    event(
        pid,
        Body::Sample(Sample {
            comm: "x".to_owned(),
            kernel: kernel.to_vec(),
            user: user.to_vec(),
            user_end: crate::event::StackEnd::Unknown,
            truncated: false,
        }),
    )
}

fn names(events: Vec<Event>) -> Vec<(u32, SymbolizedAddress)> {
    let mut all = Vec::new();
    for event in events {
        match event.body {
            Body::Symbols(symbols) => {
                all.extend(symbols.addresses.into_iter().map(|a| (event.pid, a)));
            }
            Body::Code(mappings) => {
                assert!(mappings.iter().all(|m| m.start < m.end), "{mappings:?}");
            }
            other => panic!("{other:?} among names"),
        }
    }
    all
}

/// Names of the addresses of one stack, in its order.
fn name_stack(symbolizer: &mut Symbolizer, pid: u32, stack: &[u64]) -> Vec<SymbolizedAddress> {
    assert!(symbolizer.observe(&sample(pid, &[], stack)).is_empty());
    let found = names(symbolizer.resolve_pending(2));
    let of = |at: usize| {
        let wanted = |(p, a): &&(u32, SymbolizedAddress)| {
            *p == pid && a.address == stack[at] && a.caller == (at > 0)
        };
        found.iter().find(wanted).expect("named").1.clone()
    };
    (0..stack.len()).map(of).collect()
}

#[inline(always)]
fn inlined_position() -> u64 {
    let here: u64;
    // SAFETY: reads the program counter into a register.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        std::arch::asm!("lea {}, [rip]", "nop", out(reg) here);
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!("adr {}, .", "nop", out(reg) here);
    }
    here
}

#[inline(never)]
fn landmark() -> u64 {
    std::hint::black_box(inlined_position())
}

fn function(symbol: &SymbolizedAddress) -> &FrameSymbol {
    symbol.frames.last().expect("has a name")
}

#[test]
fn own_functions_have_names_lines_and_inlined_calls() {
    let mut symbolizer = Symbolizer::new();
    let position = landmark();
    let entry = landmark as *const () as u64;
    let found = name_stack(&mut symbolizer, std::process::id(), &[position, position]);
    for (symbol, caller) in found.iter().zip([0, 1]) {
        let [inlined, outer] = &symbol.frames[..] else {
            panic!("{symbol:?}")
        };
        assert!(
            inlined.function.ends_with("inlined_position"),
            "{inlined:?}"
        );
        assert!(inlined.inlined && inlined.offset == 0);
        assert!(outer.function.ends_with("landmark"), "{outer:?}");
        assert!(!outer.inlined);
        assert_eq!(outer.offset, position - entry, "caller {caller}");
        assert!(
            outer
                .file
                .as_deref()
                .is_some_and(|f| f.ends_with("symbol/tests.rs"))
        );
        assert!(outer.line > inlined.line, "{symbol:?}");
        let exe = std::env::current_exe().expect("has a path");
        assert_eq!(symbol.module.as_deref(), exe.to_str());
    }
}

#[test]
fn a_return_address_is_named_by_the_call_before_it() {
    let mut symbolizer = Symbolizer::new();
    let entry = landmark as *const () as u64;
    let found = name_stack(&mut symbolizer, std::process::id(), &[entry, entry]);
    assert!(function(&found[0]).function.ends_with("landmark"));
    let before = found[1].frames.last();
    assert!(before.is_none_or(|f| !f.function.ends_with("landmark")));
}

#[test]
fn the_c_library_has_names() {
    let mut symbolizer = Symbolizer::new();
    // SAFETY: looks up a name in the process's own symbol tables.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"getppid".as_ptr()) } as u64;
    let found = name_stack(&mut symbolizer, std::process::id(), &[address]);
    assert!(
        function(&found[0]).function.ends_with("getppid"),
        "{found:?}"
    );
    assert_eq!(function(&found[0]).offset, 0);
    assert!(
        found[0]
            .module
            .as_deref()
            .is_some_and(|m| m.contains("libc"))
    );
}

#[test]
fn addresses_without_functions_keep_what_is_known() {
    let mut symbolizer = Symbolizer::new();
    let text = std::fs::read("/proc/self/maps").expect("own maps");
    let maps = Maps::parse(&text, |m| m.path.as_deref() == Some("[vdso]"));
    let vdso = maps.mappings.first().expect("mapped").start;
    let found = name_stack(&mut symbolizer, std::process::id(), &[vdso + 16, 0x10]);
    assert_eq!(found[0].module.as_deref(), Some("[vdso]"));
    assert!(found[0].frames.is_empty());
    assert_eq!((&found[1].module, found[1].frames.len()), (&None, 0));
}

#[test]
fn kernel_functions_have_names() {
    let kernel = Kallsyms::load().expect("readable");
    if kernel.is_empty() {
        println!("skipped: the kernel hides its addresses (kernel.kptr_restrict)");
        return;
    }
    let text = std::fs::read_to_string("/proc/kallsyms").expect("readable");
    let line = text.lines().find(|l| l.ends_with(" T schedule"));
    let address = line
        .and_then(|l| l.split(' ').next())
        .expect("in any kernel");
    let address = u64::from_str_radix(address, 16).expect("hexadecimal");
    let mut symbolizer = Symbolizer::new();
    symbolizer.observe(&sample(7, &[address + 3, address + 5], &[]));
    let found = names(symbolizer.resolve_pending(2));
    assert_eq!(found.len(), 2);
    for ((pid, symbol), offset) in found.iter().zip([3, 5]) {
        assert_eq!((*pid, symbol.space), (0, Space::Kernel));
        let function = function(symbol);
        assert_eq!(
            (function.function.as_str(), function.offset),
            ("schedule", offset)
        );
        assert_eq!(function.origin, SymbolOrigin::Kernel);
        assert_eq!(symbol.module, None);
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn sleeping() -> Running {
    let child = Command::new("/bin/sleep")
        .arg("100")
        .stdin(Stdio::null())
        .spawn();
    Running(child.expect("/bin/sleep runs"))
}

/// Address in another process of a function of the C library, by where it lies in ours.
fn in_libc_of(pid: u32, own: u64) -> Option<u64> {
    let mut files = MappedFiles::default();
    let here = AddressSpace::snapshot(std::process::id(), &mut files).expect("own maps");
    let (mapping, _) = here.find(own)?;
    let offset = mapping.file_offset(own)?;
    let text = std::fs::read(format!("/proc/{pid}/maps")).ok()?;
    let there = Maps::parse(&text, |m| m.perms.execute && m.inode == mapping.inode);
    let m = there.mappings.first()?;
    Some(offset.checked_sub(m.offset)? + m.start)
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..500 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{what} did not happen within 5 s")
}

#[test]
fn another_process_has_names_even_after_its_end() {
    // SAFETY: looks up a name in the process's own symbol tables.
    let own = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"getppid".as_ptr()) } as u64;
    let child = sleeping();
    let pid = child.0.id();
    let address = wait_for("loading libc", || in_libc_of(pid, own));
    assert_ne!(address, own, "address spaces are randomized");
    let mut symbolizer = Symbolizer::new();
    symbolizer.attach(pid);
    symbolizer.observe(&sample(pid, &[], &[address]));
    drop(child);
    let exit = Exit {
        status: 9,
        last_thread: true,
        comm: "sleep".to_owned(),
        place: None,
    };
    symbolizer.observe(&event(pid, Body::Exit(exit)));
    let found = names(symbolizer.resolve_pending(2));
    assert_eq!(found.len(), 1);
    assert!(
        function(&found[0].1).function.ends_with("getppid"),
        "{found:?}"
    );
}

#[test]
fn a_forked_child_needs_no_look_at_proc() {
    let mut symbolizer = Symbolizer::new();
    let parent = std::process::id();
    symbolizer.attach(parent);
    // No process has this pid: the greatest possible one is 4194304.
    let child = 1 << 30;
    let fork = Fork {
        child_pid: child,
        child_tid: child,
        comm: "x".to_owned(),
    };
    assert!(
        symbolizer
            .observe(&event(parent, Body::Fork(fork)))
            .is_empty()
    );
    let found = name_stack(&mut symbolizer, child, &[landmark as *const () as u64]);
    assert!(function(&found[0]).function.ends_with("landmark"));
}

#[test]
fn exec_names_the_old_program_first() {
    let mut child = Command::new("/bin/sh")
        .args(["-c", "read x; exec sleep 100"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("/bin/sh runs");
    let mut go = child.stdin.take().expect("piped");
    let child = Running(child);
    let pid = child.0.id();
    let code = |name: &str| {
        let text = std::fs::read(format!("/proc/{pid}/maps")).ok()?;
        let maps = Maps::parse(&text, |m| m.perms.execute && m.name().contains(name));
        maps.mappings.first().map(|m| m.start + 0x1000)
    };
    let exe = std::fs::canonicalize("/bin/sh").expect("exists");
    let shell = exe
        .file_name()
        .and_then(|n| n.to_str())
        .expect("UTF-8")
        .to_owned();
    let old = wait_for("starting the shell", || code(&shell));
    let mut symbolizer = Symbolizer::new();
    symbolizer.observe(&sample(pid, &[], &[old]));
    writeln!(go, "go").expect("the shell reads");
    let new = wait_for("exec", || code("/sleep"));
    let exec = Exec {
        old_tid: pid,
        comm: "sleep".to_owned(),
    };
    let before = names(symbolizer.observe(&event(pid, Body::Exec(exec))));
    assert_eq!(before.len(), 1);
    let module = before[0].1.module.clone().expect("mapped");
    assert_eq!(Path::new(&module), exe);
    let after = name_stack(&mut symbolizer, pid, &[new]);
    assert!(
        after[0]
            .module
            .as_deref()
            .is_some_and(|m| m.ends_with("/sleep"))
    );
}

/// An ELF file with one compressed debug section that claims to inflate to 2^62 bytes.
fn inflating_elf() -> Vec<u8> {
    let names = b"\0.shstrtab\0.debug_info\0.text\0";
    let mut file = vec![0_u8; 64];
    file[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1]);
    let chdr = [1_u64, 1 << 62, 1].map(u64::to_le_bytes).concat();
    file.extend(&chdr); // .debug_info at 64, 24 bytes
    file.extend([0x78, 0x9c, 3, 0, 0, 0, 0, 1]); // an empty zlib stream, 8 bytes
    file.extend(names); // at 96
    file.resize(128, 0);
    let phdr = {
        let mut h = [1_u32, 5].map(u32::to_le_bytes).concat();
        for v in [0_u64, 0, 0, 4096, 4096, 4096] {
            h.extend(v.to_le_bytes());
        }
        h
    };
    let phoff = file.len() as u64;
    file.extend(phdr);
    let shoff = file.len() as u64;
    let mut section = |name: u32, kind: u32, flags: u64, offset: u64, size: u64| {
        file.extend([name, kind].map(u32::to_le_bytes).concat());
        for v in [flags, 0, offset, size] {
            file.extend(v.to_le_bytes());
        }
        file.extend([0_u8; 24]);
    };
    section(0, 0, 0, 0, 0);
    section(1, 3, 0, 96, names.len() as u64);
    section(11, 1, 0x800, 64, 32); // SHF_COMPRESSED
    section(23, 1, 6, 0, 64);
    file.resize(4096, 0);
    file[16..20].copy_from_slice(&[2, 0, 62, 0]);
    file[20] = 1;
    file[32..40].copy_from_slice(&phoff.to_le_bytes());
    file[40..48].copy_from_slice(&shoff.to_le_bytes());
    file[52..64].copy_from_slice(&[64, 0, 56, 0, 1, 0, 64, 0, 4, 0, 1, 0]);
    file
}

#[test]
fn a_file_made_to_harm_costs_its_own_names_only() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("inflating");
    std::fs::write(&path, inflating_elf()).expect("writable");
    let mut worker = Worker::default();
    let offsets = [16, 32];
    assert_eq!(worker.symbolize((1, 1), &path, &offsets), [[], []]);
    assert_eq!(worker.distrusted(), 1, "the DWARF defeats its parser");
    let exe = std::env::current_exe().expect("has a path");
    let mut files = MappedFiles::default();
    let own = AddressSpace::snapshot(std::process::id(), &mut files).expect("own maps");
    let address = landmark as *const () as u64;
    let offset = own.find(address).and_then(|(m, _)| m.file_offset(address));
    let found = worker.symbolize((1, 2), &exe, &[offset.expect("mapped")]);
    let function = found[0].last().expect("a new child answers");
    assert!(function.function.ends_with("landmark"));
    let exe_id = (1, 2);
    let third = dir.path().join("third");
    std::fs::write(&third, inflating_elf()).expect("writable");
    assert_eq!(worker.symbolize((1, 3), &third, &offsets), [[], []]);
    let again = worker.symbolize(exe_id, &exe, &[offset.expect("mapped")]);
    assert_eq!(
        again, found,
        "another file's harm is not held against this one"
    );
    assert_eq!(worker.distrusted(), 2);
}

#[test]
fn a_child_that_hangs_or_dies_is_replaced() {
    let exe = std::env::current_exe().expect("has a path");
    let mut worker = Worker::with_deadline(std::time::Duration::from_secs(3));
    let offsets: Vec<u64> = (0x1000..0x200_000).step_by(4096).collect();
    let named = |found: &[Vec<FrameSymbol>]| found.iter().filter(|f| !f.is_empty()).count();
    let all = named(&worker.symbolize((1, 1), &exe, &offsets));
    assert!(all > 0);
    for signal in [libc::SIGKILL, libc::SIGSTOP] {
        // Another file was read too, so this one is not to blame.
        worker.symbolize((1, 2), Path::new("/bin/sleep"), &[0]);
        let pid = worker.child_pid().expect("runs");
        // SAFETY: the pid is that of a child of this process that was not waited for.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
        assert_eq!(named(&worker.symbolize((1, 1), &exe, &offsets)), all);
        assert_ne!(worker.child_pid(), Some(pid));
    }
    assert_eq!(worker.distrusted(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the bytes, there is an answer of the right length and this process lives.
    #[test]
    fn damaged_files_get_an_answer(
        damage in proptest::collection::vec((0_usize..1 << 16, any::<u8>()), 1..40),
        near_headers: bool,
    ) {
        let mut bytes = std::fs::read("/bin/sleep").expect("readable");
        let len = bytes.len();
        for (at, byte) in damage {
            let at = if near_headers { at % 1024 } else { len - 1 - at % len };
            bytes[at] = byte;
        }
        let mut file = tempfile::NamedTempFile::new().expect("temporary file");
        file.write_all(&bytes).expect("writable");
        let mut worker = Worker::default();
        let offsets: Vec<u64> = (0..len as u64).step_by(997).collect();
        let found = worker.symbolize((1, 1), file.path(), &offsets);
        prop_assert_eq!(found.len(), offsets.len());
    }
}

/// A program held at its first instruction until it is dropped.
fn held(path: &Path) -> Running {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(path);
    // SAFETY: only makes one system call between fork and exec.
    unsafe {
        command.pre_exec(|| match libc::ptrace(libc::PTRACE_TRACEME) {
            -1 => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
    Running(command.spawn().expect("fixtures run"))
}

fn go_executables() -> Vec<std::path::PathBuf> {
    let Some(root) = std::env::var_os("TRACER_FIXTURES") else {
        println!("skipped: TRACER_FIXTURES is not set");
        return Vec::new();
    };
    let list = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten();
    let versions = list(&Path::new(&root).join("go")).map(|v| v.path());
    let files = versions.flat_map(|v| list(&v).map(|f| f.path()).collect::<Vec<_>>());
    files
        .filter(|path| path.is_file() && path.extension().is_none())
        .collect()
}

#[test]
fn go_functions_have_names_in_stripped_and_relocated_programs() {
    for path in go_executables() {
        let name = path.display();
        let binary = crate::go::Binary::open(&path).expect("a Go executable");
        let table = binary.pclntab().expect("readable");
        let find = |function| table.find_function(function).expect("readable");
        let main = find("main.main").expect("in any program");
        let goexit = find("runtime.goexit").expect("in any program");
        let child = held(&path);
        let pid = child.0.id();
        let code = wait_for("mapping the program", || {
            let text = std::fs::read(format!("/proc/{pid}/maps")).ok()?;
            let maps = Maps::parse(&text, |m| m.perms.execute && m.is_file());
            maps.mappings.first().cloned()
        });
        let bias = binary
            .load_bias(code.start, code.offset)
            .expect("in a segment");
        let stack = [main.entry, main.end, goexit.entry + 1].map(|a| a.wrapping_add(bias));
        let mut symbolizer = Symbolizer::new();
        let found = name_stack(&mut symbolizer, pid, &stack);
        let names: Vec<&str> = found
            .iter()
            .map(|s| function(s).function.as_str())
            .collect();
        assert_eq!(
            names,
            ["main.main", "main.main", "runtime.goexit"],
            "{name}"
        );
        let first = function(&found[0]);
        assert_eq!(
            (first.origin, first.offset),
            (SymbolOrigin::Go, 0),
            "{name}"
        );
        assert!(
            first.file.as_deref().is_some_and(|f| f.ends_with(".go")),
            "{name}"
        );
        assert!(first.line.is_some(), "{name}");
        // A return address after the last call of a function is the next function's entry.
        assert_eq!(function(&found[1]).offset, main.end - main.entry, "{name}");
    }
}
