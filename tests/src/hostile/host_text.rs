//! Text of the kernel in which a target has a say: paths, names of threads.

use std::{fs, io};

use tempfile::TempDir;
use tracer::bpf::{Feature, Features, Group, Refusal};
use tracer::doctor::{Host, doctor_text, examine};
use tracer::process::{MappingEvent, Maps, Smaps, Told};
use tracer::redact::Redaction;
use tracer::symbol::Kallsyms;

use super::input::Input;

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
    let smaps = Smaps::parse(bytes);
    assert!(smaps.mappings.len() <= maps.mappings.len());
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

/// Chunks of the bytes as records of a perf ring about mappings.
pub(super) fn parse_mapping_records(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    while !input.is_empty() {
        let record = input.chunk();
        if let Some(MappingEvent {
            what: Told::Mapped(mapping),
            ..
        }) = MappingEvent::parse(record)
        {
            assert!(mapping.start < mapping.end && mapping.perms.execute);
            // A name of invalid UTF-8 has three bytes for one.
            assert!(mapping.name().len() <= 3 * record.len());
        }
    }
}

/// The bytes as a text, as data and as arguments that go into a file.
pub(super) fn redact(bytes: &[u8]) {
    let redaction = Redaction::default();
    let (masked, replaced) = (redaction.masked(bytes), redaction.bytes(bytes));
    assert_eq!(masked.is_some(), replaced.is_some());
    if let Some(masked) = &masked {
        assert_eq!(masked.len(), bytes.len());
        let differs = |(a, b): (&u8, &u8)| a == b || *a == b'*';
        assert!(masked.iter().zip(bytes).all(differs), "more than masked");
    }
    let text = String::from_utf8_lossy(bytes);
    let redacted = redaction.text(&text);
    assert_eq!(
        redacted,
        redaction.text(&redacted),
        "what is left has secrets"
    );
    let arguments: Vec<String> = text.split('\0').map(str::to_owned).collect();
    let redacted = redaction.arguments(&arguments);
    assert!(redacted.is_none_or(|r| r.len() == arguments.len()));
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
