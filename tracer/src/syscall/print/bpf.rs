//! `bpf`: an attribute whose fields depend on the command.

use tracer_common::capture::kind;

use crate::syscall::arg::{Comma, Custom, Registers};
use crate::syscall::flags::bpf;

use super::fields::{As, Field};
use super::printer::{Phase, Printer, put};
use super::rule::{BOTH, ENTER, behind_word, counted, string};
use super::struct_bytes::StructBytes;

/// Commands (`linux/bpf.h`) that the code below treats apart.
const MAP_CREATE: u32 = 0;
const PROG_LOAD: u32 = 5;
const OBJ_PIN: u32 = 6;
const OBJ_GET: u32 = 7;
const OBJ_GET_INFO_BY_FD: u32 = 15;
const RAW_TRACEPOINT_OPEN: u32 = 17;

/// Fields of a command, each shown when the attribute is long enough to have it, and what they are
/// wrapped in.
struct Shape {
    group: &'static str,
    fields: &'static [Field],
}

const fn plain(fields: &'static [Field]) -> Shape {
    Shape { group: "", fields }
}

const ELEMENT: &[Field] = &[("map_fd", 0, As::I32), ("key", 8, As::Pointer)];
const LOOK_UP: &[Field] = &[
    ELEMENT[0],
    ELEMENT[1],
    ("value", 16, As::Pointer),
    ("flags", 24, As::Flags64(&bpf::LOOKUP_FLAGS)),
];
const UPDATE: &[Field] = &[
    ELEMENT[0],
    ELEMENT[1],
    ("value", 16, As::Pointer),
    ("flags", 24, As::With(|p, b| p.element_flags(b.u64_at(0)))),
];
const NEXT_KEY: &[Field] = &[ELEMENT[0], ELEMENT[1], ("next_key", 16, As::Pointer)];
const ATTACH: &[Field] = &[
    ("target_fd", 0, As::I32),
    ("attach_bpf_fd", 4, As::I32),
    ("attach_type", 8, As::Name32(&bpf::ATTACH_TYPE)),
    ("attach_flags", 12, As::Flags32(&bpf::ATTACH_FLAGS)),
    ("replace_bpf_fd", 16, As::I32),
];
const DETACH: &[Field] = &[
    ("target_fd", 0, As::I32),
    ("attach_type", 8, As::Name32(&bpf::ATTACH_TYPE)),
];
const TEST_RUN: &[Field] = &[
    ("prog_fd", 0, As::I32),
    ("retval", 4, As::U32),
    ("data_size_in", 8, As::U32),
    ("data_size_out", 12, As::U32),
    ("data_in", 16, As::Pointer),
    ("data_out", 24, As::Pointer),
    ("repeat", 32, As::U32),
    ("duration", 36, As::U32),
];
const NEXT_ID: &[Field] = &[
    ("start_id", 0, As::U32),
    ("next_id", 4, As::With(|p, b| p.next_id(b.u32_at(0)))),
    ("open_flags", 8, As::Flags32(&bpf::FILE_FLAGS)),
];
const PROG_BY_ID: &[Field] = &[("prog_id", 0, As::U32), NEXT_ID[1], NEXT_ID[2]];
const MAP_BY_ID: &[Field] = &[("map_id", 0, As::U32), NEXT_ID[1], NEXT_ID[2]];
const INFO: &[Field] = &[
    ("bpf_fd", 0, As::I32),
    ("info_len", 4, As::U32),
    ("info", 8, As::Pointer),
];
const TASK_QUERY: &[Field] = &[
    ("pid", 0, As::I32),
    ("fd", 4, As::I32),
    ("flags", 8, As::Hex32),
    ("buf_len", 12, As::U32),
    ("buf", 16, As::Pointer),
    ("prog_id", 24, As::U32),
    ("fd_type", 28, As::Name32(&bpf::FD_TYPE)),
    ("probe_offset", 32, As::Hex64),
    ("probe_addr", 40, As::Hex64),
];
const BATCH: &[Field] = &[
    ("in_batch", 0, As::Pointer),
    ("out_batch", 8, As::Pointer),
    ("keys", 16, As::Pointer),
    ("values", 24, As::Pointer),
    ("count", 32, As::U32),
    ("map_fd", 36, As::I32),
    (
        "elem_flags",
        40,
        As::With(|p, b| p.element_flags(b.u64_at(0))),
    ),
    ("flags", 48, As::Hex64),
];
const LINK_CREATE: &[Field] = &[
    ("prog_fd", 0, As::I32),
    ("target_fd", 4, As::I32),
    ("attach_type", 8, As::Name32(&bpf::ATTACH_TYPE)),
    ("flags", 12, As::Hex32),
];
const LINK_UPDATE: &[Field] = &[
    ("link_fd", 0, As::I32),
    ("new_prog_fd", 4, As::I32),
    ("flags", 8, As::Flags32(&bpf::ATTACH_FLAGS)),
    ("old_prog_fd", 12, As::I32),
];
const CREATE: &[Field] = &[
    ("map_type", 0, As::Name32(&bpf::MAP_TYPE)),
    ("key_size", 4, As::U32),
    ("value_size", 8, As::U32),
    ("max_entries", 12, As::U32),
    ("map_flags", 16, As::Flags32(&bpf::MAP_FLAGS)),
    ("inner_map_fd", 20, As::I32),
    ("numa_node", 24, As::U32),
    ("map_name", 28, As::With(|p, b| p.object_name(b))),
    (
        "map_ifindex",
        44,
        As::With(|p, b| p.bpf_interface(b.u32_at(0))),
    ),
    ("btf_fd", 48, As::I32),
    ("btf_key_type_id", 52, As::U32),
    ("btf_value_type_id", 56, As::U32),
    ("btf_vmlinux_value_type_id", 60, As::U32),
    ("map_extra", 64, As::U64),
];
const LOAD: &[Field] = &[
    ("prog_type", 0, As::Name32(&bpf::PROG_TYPE)),
    ("insn_cnt", 4, As::U32),
    ("insns", 8, As::Pointer),
    ("license", 16, As::With(|p, b| p.text_behind(b, LICENSE))),
    ("log_level", 24, As::U32),
    ("log_size", 28, As::U32),
    ("log_buf", 32, As::With(|p, b| p.text_behind(b, LOG))),
    (
        "kern_version",
        40,
        As::With(|p, b| p.kernel_version(b.u32_at(0))),
    ),
    ("prog_flags", 44, As::Flags32(&bpf::PROG_FLAGS)),
    ("prog_name", 48, As::With(|p, b| p.object_name(b))),
    (
        "prog_ifindex",
        64,
        As::With(|p, b| p.bpf_interface(b.u32_at(0))),
    ),
    ("expected_attach_type", 68, As::Name32(&bpf::ATTACH_TYPE)),
    ("prog_btf_fd", 72, As::I32),
    ("func_info_rec_size", 76, As::U32),
    ("func_info", 80, As::Pointer),
    ("func_info_cnt", 88, As::U32),
    ("line_info_rec_size", 92, As::U32),
    ("line_info", 96, As::Pointer),
    ("line_info_cnt", 104, As::U32),
    ("attach_btf_id", 108, As::U32),
    ("attach_prog_fd", 112, As::I32),
    ("fd_array", 120, As::Pointer),
];
const PIN: &[Field] = &[
    ("pathname", 0, As::With(|p, b| p.text_behind(b, NAME))),
    ("bpf_fd", 8, As::I32),
    ("file_flags", 12, As::Flags32(&bpf::FILE_FLAGS)),
];
const RAW_TRACEPOINT: &[Field] = &[
    ("name", 0, As::With(|p, b| p.text_behind(b, NAME))),
    ("prog_fd", 8, As::I32),
];

/// Words of the attribute that point to text.
const NAME: u8 = 0;
const LICENSE: u8 = 2;
const LOG: u8 = 4;

fn shape(command: u32) -> Option<Shape> {
    let wrapped = |group, fields| Shape { group, fields };
    Some(match command {
        MAP_CREATE => plain(CREATE),
        1 => plain(LOOK_UP),
        2 => plain(UPDATE),
        3 => plain(ELEMENT),
        4 => plain(NEXT_KEY),
        PROG_LOAD => plain(LOAD),
        OBJ_PIN | OBJ_GET => plain(PIN),
        8 => plain(ATTACH),
        9 => plain(DETACH),
        10 => wrapped("test", TEST_RUN),
        11 | 12 | 23 | 31 => plain(NEXT_ID),
        13 => plain(PROG_BY_ID),
        14 => plain(MAP_BY_ID),
        OBJ_GET_INFO_BY_FD => wrapped("info", INFO),
        RAW_TRACEPOINT_OPEN => wrapped("raw_tracepoint", RAW_TRACEPOINT),
        19 => plain(&[("btf_id", 0, As::U32)]),
        20 => wrapped("task_fd_query", TASK_QUERY),
        21 => plain(const { &[ELEMENT[0], ELEMENT[1], ("value", 16, As::Pointer)] }),
        22 => plain(&[("map_fd", 0, As::I32)]),
        24..=27 => wrapped("batch", BATCH),
        28 => wrapped("link_create", LINK_CREATE),
        29 => wrapped("link_update", LINK_UPDATE),
        _ => return None,
    })
}

/// Commands to whose attribute the kernel adds.
fn stores(args: &Registers) -> bool {
    matches!(
        args[0] as u32,
        PROG_LOAD | 10..=12 | OBJ_GET_INFO_BY_FD | 16 | 18 | 20 | 23..=25 | 31
    )
}

/// The attribute of `bpf`, its size in the next argument.
pub static BPF_ATTR: Custom = Custom {
    rules: &[
        counted(BOTH, 2, 1),
        behind_word(string(ENTER), NAME),
        behind_word(string(ENTER), LICENSE),
        behind_word(string(ENTER), LOG),
    ],
    at_exit: stores,
    comma: Comma::Early,
    print: |p, index| {
        let phase = match stores(&p.args) && !p.failed() {
            true => Phase::Exit,
            false => Phase::Enter,
        };
        let size = p.arg(2) as u32 as usize;
        match (
            shape(p.arg(0) as u32),
            p.capture_of(phase, index, kind::STRUCT),
        ) {
            (Some(shape), Some(b)) if b.len() >= size && size > 0 => p.attribute(&shape, b, size),
            _ => p.address_of(index),
        }
    },
    ..Custom::PLAIN
};

impl Printer<'_> {
    fn attribute(&mut self, shape: &Shape, b: &[u8], size: usize) {
        let numa = b.u32_at(16) & 4 != 0;
        let create = self.arg(0) as u32 == MAP_CREATE;
        self.text("{");
        if !shape.group.is_empty() {
            put!(self, "{}={{", shape.group);
        }
        let mut separator = "";
        for field in shape.fields.iter().take_while(|field| field.1 < size) {
            // The node counts only with its flag.
            if create && field.0 == "numa_node" && !numa {
                continue;
            }
            self.text(separator);
            self.field(b, *field);
            separator = ", ";
        }
        self.text(if shape.group.is_empty() { "" } else { "}" });
        self.text("}");
    }

    /// Text that a word of the attribute points to.
    fn text_behind(&mut self, b: &[u8], word: u8) {
        let captures = self.captures(Phase::Enter).iter();
        let mut texts = captures.filter(|c| c.kind == kind::STRING && c.index == word);
        match texts.next() {
            Some(c) if c.status != crate::event::CaptureStatus::Fault => match word {
                NAME => self.quoted(&c.data),
                _ => self.string(&c.data, c.data.len() as u64),
            },
            _ => self.pointer(b.u64_at(0)),
        }
    }

    /// A name of at most 16 bytes (`BPF_OBJ_NAME_LEN`).
    fn object_name(&mut self, b: &[u8]) {
        self.c_string(&b[..b.len().min(16)]);
    }

    fn bpf_interface(&mut self, index: u32) {
        match index {
            0 => self.text("0"),
            _ => self.interface(index),
        }
    }

    /// The id that the kernel stored, after that which was there.
    fn next_id(&mut self, id: u32) {
        const ATTRIBUTE: usize = 1;
        let before = match self.failed() {
            true => None,
            false => self.capture_of(Phase::Enter, ATTRIBUTE, kind::STRUCT),
        };
        match before.map(|b| b.u32_at(4)) {
            Some(before) if before != id => put!(self, "{before} => {id}"),
            _ => put!(self, "{id}"),
        }
    }

    fn element_flags(&mut self, flags: u64) {
        self.flags(&bpf::ELEMENT_FLAGS, flags);
    }

    fn kernel_version(&mut self, version: u32) {
        put!(
            self,
            "KERNEL_VERSION({}, {}, {})",
            version >> 16,
            version >> 8 & 0xff,
            version & 0xff
        );
    }
}
