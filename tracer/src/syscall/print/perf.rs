//! `perf_event_open`: the attribute (`linux/perf_event.h`).

use crate::syscall::arg::Custom;
use crate::syscall::flags::bpf;

use super::fields::{As, Field};
use super::printer::{Phase, Printer, put};
use super::rule::{ENTER, at_word, fixed};
use super::struct_bytes::StructBytes;

/// Bytes of the first version of `struct perf_event_attr`.
const FIRST_VERSION: u16 = 64;

/// Bits of the word of flags, by place. `precise_ip` takes two and always is shown.
const BITS: [(&str, u32); 37] = [
    ("disabled", 0),
    ("inherit", 1),
    ("pinned", 2),
    ("exclusive", 3),
    ("exclude_user", 4),
    ("exclude_kernel", 5),
    ("exclude_hv", 6),
    ("exclude_idle", 7),
    ("mmap", 8),
    ("comm", 9),
    ("freq", 10),
    ("inherit_stat", 11),
    ("enable_on_exec", 12),
    ("task", 13),
    ("watermark", 14),
    ("precise_ip", 15),
    ("mmap_data", 17),
    ("sample_id_all", 18),
    ("exclude_host", 19),
    ("exclude_guest", 20),
    ("exclude_callchain_kernel", 21),
    ("exclude_callchain_user", 22),
    ("mmap2", 23),
    ("comm_exec", 24),
    ("use_clockid", 25),
    ("context_switch", 26),
    ("write_backward", 27),
    ("namespaces", 28),
    ("ksymbol", 29),
    ("bpf_event", 30),
    ("aux_output", 31),
    ("cgroup", 32),
    ("text_poke", 33),
    ("build_id", 34),
    ("inherit_thread", 35),
    ("remove_on_exec", 36),
    ("sigtrap", 37),
];

/// The attribute, of which strace shows the beginning.
pub static PERF_ATTR: Custom = Custom {
    rules: &[fixed(ENTER, FIRST_VERSION), at_word(fixed(ENTER, 72), 8)],
    print: |p, index| match p.bytes(Phase::Enter, index, FIRST_VERSION.into()) {
        Some(b) => {
            let rest = p.captures(Phase::Enter).iter().find(|c| c.index == 8);
            let rest = rest.map_or(&[][..], |c| c.data.as_slice());
            p.perf_attribute(b, rest);
        }
        None => p.address_of(index),
    },
    ..Custom::PLAIN
};

impl Printer<'_> {
    /// `rest` is what follows the first version.
    fn perf_attribute(&mut self, b: &[u8], rest: &[u8]) {
        const FREQ: u64 = 1 << 10;
        const WATERMARK: u64 = 1 << 14;
        let bits = b.u64_at(40);
        self.text("{");
        self.fields(
            b,
            &[
                ("type", 0, As::Name32(&bpf::PERF_TYPE)),
                ("size", 4, As::With(|p, b| p.perf_size(b.u32_at(0)))),
            ],
        );
        self.text(", config=");
        self.perf_config(b.u32_at(0), b.u64_at(8));
        let rate = if bits & FREQ != 0 {
            "sample_freq"
        } else {
            "sample_period"
        };
        put!(self, ", {rate}={}", b.u64_at(16));
        self.more_fields(
            b,
            &[
                ("sample_type", 24, As::Flags64(&bpf::PERF_SAMPLE)),
                ("read_format", 32, As::Flags64(&bpf::PERF_FORMAT)),
            ],
        );
        for (name, place) in BITS {
            match name {
                "precise_ip" => self.perf_precision(bits >> place & 3),
                _ if bits & 1 << place != 0 => put!(self, ", {name}=1"),
                _ if !self.is_abbreviated() => put!(self, ", {name}=0"),
                _ => {}
            }
        }
        if self.is_abbreviated() {
            return self.text(", ...}");
        }
        let wakeup = if bits & WATERMARK != 0 {
            "wakeup_watermark"
        } else {
            "wakeup_events"
        };
        put!(self, ", {wakeup}={}", b.u32_at(48));
        self.more_fields(b, &[("config1", 56, As::Hex64)]);
        self.perf_rest(b.u32_at(4), rest);
        self.text("}");
    }

    /// The fields after the first version, as many as the size says; `b` begins at byte 64.
    fn perf_rest(&mut self, size: u32, b: &[u8]) {
        const FIELDS: &[Field] = &[
            ("config2", 0, As::Hex64),
            ("sample_regs_user", 16, As::Hex64),
            ("sample_regs_intr", 32, As::Hex64),
            ("aux_watermark", 40, As::U32),
            ("sample_max_stack", 44, As::U16),
            ("aux_sample_size", 48, As::U32),
            ("sig_data", 56, As::Hex64),
        ];
        let size = (size as usize).saturating_sub(usize::from(FIRST_VERSION));
        for field in FIELDS.iter().take_while(|f| f.1 < size) {
            self.more_fields(b, &[*field]);
        }
    }

    fn perf_size(&mut self, size: u32) {
        match bpf::PERF_SIZE.get(size.into()) {
            Some(name) => self.text(name),
            None if size == 0 => self.text("0 /* PERF_ATTR_SIZE_??? */"),
            None => put!(self, "{size:#x} /* PERF_ATTR_SIZE_??? */"),
        }
    }

    /// What is counted, by the type of event.
    fn perf_config(&mut self, kind: u32, config: u64) {
        match kind {
            0 => self.name(&bpf::PERF_HARDWARE, config),
            1 => self.name(&bpf::PERF_SOFTWARE, config),
            2 => put!(self, "{config}"),
            3 => {
                if config >> 24 != 0 {
                    put!(self, "{:#x}<<24|", config >> 24);
                }
                self.name(&bpf::PERF_CACHE_RESULT, config >> 16 & 0xff);
                self.text("<<16|");
                self.name(&bpf::PERF_CACHE_OP, config >> 8 & 0xff);
                self.text("<<8|");
                self.name(&bpf::PERF_CACHE, config & 0xff);
            }
            5 if config == 0 => self.text("0"),
            _ => self.hex(config),
        }
    }

    fn perf_precision(&mut self, precision: u64) {
        let meaning = [
            "arbitrary skid",
            "constant skid",
            "requested to have 0 skid",
            "must have 0 skid",
        ];
        put!(
            self,
            ", precise_ip={precision} /* {} */",
            meaning[(precision & 3) as usize]
        );
    }
}
