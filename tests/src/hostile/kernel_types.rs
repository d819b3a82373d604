//! The kernel's type information.

use tracer::bpf::KernelTypes;

use super::input::Input;

const STRUCTURES: &[&str] = &["task_struct", "signal_struct", ""];

/// The bytes as BTF, and as the type records and strings of one that has a sound header.
pub(super) fn read_btf(bytes: &[u8]) {
    look_up(bytes);
    let mut input = Input::new(bytes);
    let types = input.chunk();
    let strings = input.bytes(usize::MAX);
    look_up(&btf(types, strings));
}

fn look_up(btf: &[u8]) {
    let Ok(types) = KernelTypes::parse(btf, STRUCTURES) else {
        return;
    };
    for structure in STRUCTURES {
        for path in ["pid", "thread.fsbase", "se.sum_exec_runtime", "a.b.c.d", ""] {
            let _ = types.offset(structure, path);
        }
    }
}

/// A header of 24 bytes before the two sections (`struct btf_header`, include/uapi/linux/btf.h).
fn btf(types: &[u8], strings: &[u8]) -> Vec<u8> {
    let mut out = vec![0x9f, 0xeb, 1, 0];
    let (types_len, strings_len) = (types.len() as u32, strings.len() as u32);
    for word in [24, 0, types_len, types_len, strings_len] {
        out.extend(word.to_ne_bytes());
    }
    out.extend(types);
    out.extend(strings);
    out
}
