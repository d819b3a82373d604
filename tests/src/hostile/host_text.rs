//! Text of the kernel in which a target has a say: paths, names of threads.

use std::{fs, io};

use tempfile::TempDir;
use tracer::bpf::{Feature, Features, Group, Refusal};
use tracer::doctor::{Host, doctor_text, examine};
use tracer::process::Maps;
use tracer::symbol::Kallsyms;

/// The bytes as each of the files of `/proc` that are parsed.
pub(super) fn parse_proc_files(bytes: &[u8]) {
    let maps = Maps::parse(bytes, |_| true);
    for mapping in &maps.mappings {
        assert!(mapping.start < mapping.end);
        assert!(mapping.contains(mapping.start) && !mapping.contains(mapping.end));
        let _ = mapping.file_offset(mapping.end - 1);
    }
    let lines = bytes.split(|&b| b == b'\n').filter(|line| !line.is_empty());
    assert_eq!(maps.mappings.len() + maps.rejected, lines.count());
    let symbols = Kallsyms::parse(bytes);
    for address in [0, 0xffff_ffff_8100_0000, 0xffff_ffff_c000_0010, u64::MAX] {
        if let Some(function) = symbols.find(address) {
            assert!(function.offset <= 1 << 18 && !function.name.is_empty());
        }
    }
}

/// A host whose files say `bytes`, examined by `doctor`.
pub(super) fn examine_host(bytes: &[u8]) {
    let host = TempDir::new().expect("a temporary directory");
    for file in [
        "proc/7/status",
        "proc/self/status",
        "proc/self/limits",
        "proc/sys/kernel/osrelease",
        "proc/sys/kernel/arch",
        "proc/sys/kernel/perf_event_paranoid",
        "proc/sys/kernel/perf_event_max_stack",
        "proc/sys/kernel/kptr_restrict",
        "proc/sys/net/core/bpf_jit_enable",
    ] {
        let path = host.path().join(file);
        fs::create_dir_all(path.parent().expect("below the host")).expect("a directory");
        fs::write(path, bytes).expect("a file");
    }
    let report = examine(&Host::at(host.path()), &NoKernel, Some(7)).expect("the process is there");
    let text = doctor_text(&report);
    assert!(
        text.len() < (64 << 10) + 16 * bytes.len(),
        "{} bytes",
        text.len()
    );
}

/// Refuses everything.
#[derive(Debug)]
struct NoKernel;

impl Features for NoKernel {
    fn try_feature(&self, _: Feature) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn try_programs(&self, _: Group) -> Vec<Refusal> {
        Vec::new()
    }
}
