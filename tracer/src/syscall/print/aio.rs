//! Asynchronous I/O of both generations: `io_submit` and `io_uring`.

use tracer_common::capture::kind;

use crate::syscall::arg::{Comma, Custom, Layout};
use crate::syscall::flags::io;

use super::fields::{As, Field};
use super::other::IOVEC_REMOTE;
use super::printer::{Phase, Printer, put};
use super::process::INT_ELEMENT;
use super::rule::{BOTH, ENTER, behind_word, counted, fixed};
use super::struct_bytes::StructBytes;

/// Bytes of `struct iocb` (`linux/aio_abi.h`).
const IOCB: u16 = 64;
/// Control blocks that are followed.
const FOLLOWED: u64 = 2;

/// Control blocks of `io_submit`, their count in argument 1.
pub static IOCBS: Custom = Custom {
    rules: &[
        counted(ENTER, 1, 8),
        behind_word(fixed(ENTER, IOCB), 0),
        behind_word(fixed(ENTER, IOCB), 1),
    ],
    print: |p, index| {
        let count = p.arg(1);
        if count == 0 && p.arg(index) != 0 {
            return p.text("[]");
        }
        let Some(pointers) = p.bytes(Phase::Enter, index, 8) else {
            return p.address_of(index);
        };
        let mut place = 0;
        p.array(pointers, 8, count, |p, pointer| {
            p.control_block_behind(index, place, pointer.u64_at(0));
            place += 1;
        });
    },
    ..Custom::PLAIN
};

/// The control block of `io_cancel`.
pub static IOCB_CANCEL: Layout = Layout {
    size: IOCB,
    print: |p, b| {
        p.text("{");
        p.control_block_head(b);
        p.text("}");
    },
};

/// `struct io_event`.
pub static IO_EVENT: Layout = Layout {
    size: 32,
    print: |p, b| {
        p.record(
            b,
            &[
                ("data", 0, As::Hex64),
                ("obj", 8, As::With(|p, b| p.hex(b.u64_at(0)))),
                ("res", 16, As::I64),
                ("res2", 24, As::I64),
            ],
        );
    },
};

impl Printer<'_> {
    fn control_block_behind(&mut self, index: usize, place: u64, address: u64) {
        let captures = self.captures(Phase::Enter).iter();
        let blocks = captures.filter(|c| usize::from(c.arg) == index && c.kind == kind::STRUCT);
        // The list itself comes first.
        let mut blocks = blocks.skip(1).filter(|c| u64::from(c.index) == place);
        match blocks.next().filter(|_| place < FOLLOWED) {
            Some(c) if c.data.len() == usize::from(IOCB) => self.control_block(&c.data),
            _ => self.pointer(address),
        }
    }

    fn control_block_head(&mut self, b: &[u8]) {
        if b.u64_at(0) != 0 {
            put!(self, "aio_data={:#x}, ", b.u64_at(0));
        }
        if b.u32_at(8) != 0 {
            put!(self, "aio_key={}, ", b.u32_at(8));
        }
        if b.u32_at(12) != 0 {
            put!(self, "aio_rw_flags={:#x}, ", b.u32_at(12));
        }
        self.field(b, ("aio_lio_opcode", 16, As::Name16(&io::IOCB_CMD)));
        if b.u16_at(18) != 0 {
            put!(self, ", aio_reqprio={}", b.u16_at(18).cast_signed());
        }
        put!(self, ", aio_fildes={}", b.i32_at(20));
    }

    fn control_block(&mut self, b: &[u8]) {
        const COMMON: &[Field] = &[
            ("aio_buf", 24, As::Pointer),
            ("aio_nbytes", 32, As::U64),
            ("aio_offset", 40, As::I64),
        ];
        const VECTOR: &[Field] = &[
            ("aio_buf", 24, As::Pointer),
            ("aio_nbytes", 32, As::U64),
            ("aio_offset", 40, As::I64),
        ];
        const IOCB_FLAG_RESFD: u32 = 1;
        self.text("{");
        self.control_block_head(b);
        match b.u16_at(16) {
            0 | 1 => self.more_fields(b, COMMON),
            5 => {
                self.text(", aio_buf=");
                self.flags(&io::POLL, b.u64_at(24));
            }
            7 | 8 => self.more_fields(b, VECTOR),
            _ => {}
        }
        if b.u32_at(56) != 0 {
            self.more_fields(b, &[("aio_flags", 56, As::Flags32(&io::IOCB_FLAG))]);
        }
        if b.u32_at(56) & IOCB_FLAG_RESFD != 0 {
            put!(self, ", aio_resfd={}", b.i32_at(60));
        }
        self.text("}");
    }
}

/// `struct io_uring_params` (`linux/io_uring.h`): the kernel adds what it made.
pub static URING_PARAMETERS: Custom = Custom {
    rules: &[fixed(BOTH, 120)],
    at_exit: |_| true,
    comma: Comma::Early,
    print: |p, index| {
        let phase = if p.failed() {
            Phase::Enter
        } else {
            Phase::Exit
        };
        match p.bytes(phase, index, 120) {
            Some(b) => p.uring_parameters(b),
            None => p.address_of(index),
        }
    },
    ..Custom::PLAIN
};

const SUBMISSION_OFFSETS: &[Field] = &[
    ("head", 40, As::U32),
    ("tail", 44, As::U32),
    ("ring_mask", 48, As::U32),
    ("ring_entries", 52, As::U32),
    ("flags", 56, As::U32),
    ("dropped", 60, As::U32),
    ("array", 64, As::U32),
];
const COMPLETION_OFFSETS: &[Field] = &[
    ("head", 80, As::U32),
    ("tail", 84, As::U32),
    ("ring_mask", 88, As::U32),
    ("ring_entries", 92, As::U32),
    ("overflow", 96, As::U32),
    ("cqes", 100, As::U32),
    ("flags", 104, As::U32),
];

impl Printer<'_> {
    fn uring_parameters(&mut self, b: &[u8]) {
        const ATTACH_WQ: u32 = 1 << 5;
        let flags = b.u32_at(8);
        self.text("{");
        self.fields(
            b,
            &[
                ("flags", 8, As::Flags32(&io::IORING_SETUP)),
                ("sq_thread_cpu", 12, As::Hex32),
                ("sq_thread_idle", 16, As::U32),
            ],
        );
        if flags & ATTACH_WQ != 0 {
            put!(self, ", wq_fd={}", b.i32_at(24));
        }
        if !self.failed() {
            self.more_fields(
                b,
                &[
                    ("sq_entries", 0, As::U32),
                    ("cq_entries", 4, As::U32),
                    ("features", 20, As::Flags32(&io::IORING_FEAT)),
                ],
            );
            self.text(", sq_off=");
            self.record(b, SUBMISSION_OFFSETS);
            self.text(", cq_off=");
            self.record(b, COMPLETION_OFFSETS);
        }
        self.text("}");
    }
}

/// What `io_uring_register` is given, its count in the next argument.
pub static URING_ARGUMENT: Custom = Custom {
    rules: &[counted(ENTER, 3, 16)],
    print: |p, index| {
        let count = p.arg(3) & 0xffff_ffff;
        match p.arg(1) & 0xffff_ffff {
            // BUFFERS.
            0 => p.uring_list(index, count, &IOVEC_REMOTE),
            // FILES; EVENTFD, EVENTFD_ASYNC.
            2 | 4 | 7 => p.uring_list(index, count, &INT_ELEMENT),
            _ => p.address_of(index),
        }
    },
    ..Custom::PLAIN
};

impl Printer<'_> {
    fn uring_list(&mut self, index: usize, count: u64, layout: &Layout) {
        match self.bytes(Phase::Enter, index, layout.size.into()) {
            Some(b) => self.array(b, layout.size.into(), count, layout.print),
            None => self.address_of(index),
        }
    }
}
