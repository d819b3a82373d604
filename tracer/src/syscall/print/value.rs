//! Kinds of arguments that many calls share.

use crate::event::CaptureStatus;
use crate::syscall::arg::{Kind, Layout};

use super::msg;
use super::net::print_sockaddr;
use super::options::Constants;
use super::printer::{Phase, Printer, put};
use super::process::{print_argv, print_envp};
use super::struct_bytes::StructBytes;

impl Kind {
    /// Prints argument number `index`.
    pub(super) fn print(&self, p: &mut Printer<'_>, index: usize) {
        let value = p.arg(index);
        match *self {
            Self::Int => put!(p, "{}", value as i32),
            Self::Fd => p.descriptor(value as i32),
            Self::NewFd => p.open_descriptor(value as i32),
            Self::UInt => put!(p, "{}", value as u32),
            Self::Long => put!(p, "{}", value.cast_signed()),
            Self::ULong => put!(p, "{value}"),
            Self::Hex => p.hex(value),
            Self::Hex32 => p.hex(value & 0xffff_ffff),
            Self::Ptr => p.pointer(value),
            Self::Mode => p.octal(value as u32 & 0xffff),
            Self::FileMode => p.file_mode(value as u32 & 0xffff),
            Self::DirFd => p.dir_fd(value as i32),
            Self::Signal => p.signal_name(value as u32),
            Self::Flags(names) => p.flags(names, value & 0xffff_ffff),
            Self::Flags64(names) => p.flags(names, value),
            Self::Enum(names) => p.name(names, value & 0xffff_ffff),
            Self::Custom(custom) => (custom.print)(p, index),
            _ => self.print_memory(p, index),
        }
    }

    /// Kinds that show what a pointer points to.
    fn print_memory(&self, p: &mut Printer<'_>, index: usize) {
        match *self {
            Self::Path => p.path(index),
            Self::Text => p.text_arg(index),
            Self::BytesIn(len) => p.bytes_in(index, p.arg(len.into())),
            Self::BytesOut => p.bytes_out(index),
            Self::MessageIn(len) => p.message_in(index, p.arg(len.into())),
            Self::MessageOut => p.message_out(index),
            Self::In(layout) => p.structure(Phase::Enter, index, layout),
            Self::Out(layout) => p.structure(Phase::Exit, index, layout),
            Self::ArrayIn(layout, count) => {
                p.structures(Phase::Enter, index, layout, p.arg(count.into()));
            }
            Self::ArrayOut(layout) => {
                p.structures(Phase::Exit, index, layout, p.ret().cast_unsigned());
            }
            Self::SockaddrIn(len) => print_sockaddr(p, Phase::Enter, index, p.arg(len.into())),
            Self::SockaddrOut(len) => p.sockaddr_out(index, len.into()),
            Self::LenPtr => p.len_ptr(index),
            Self::IovecIn(count) => msg::iovec_argument(p, Phase::Enter, index, count.into()),
            Self::IovecOut(count) => msg::iovec_argument(p, Phase::Exit, index, count.into()),
            Self::MsgIn => msg::message(p, Phase::Enter, index),
            Self::MsgOut => msg::message(p, Phase::Exit, index),
            Self::Argv => print_argv(p, index),
            Self::Envp => print_envp(p, index),
            _ => p.address_of(index),
        }
    }
}

impl Printer<'_> {
    /// Mode bits with a leading zero and at least three digits.
    pub(super) fn octal(&mut self, mode: u32) {
        put!(self, "0{mode:02o}");
    }

    pub(super) fn dir_fd(&mut self, fd: i32) {
        const AT_FDCWD: i32 = -100;
        match (fd, self.constants()) {
            (AT_FDCWD, Constants::Names) => self.text("AT_FDCWD"),
            (AT_FDCWD, Constants::Both) => self.text("-100 /* AT_FDCWD */"),
            _ => put!(self, "{fd}"),
        }
        self.referent(fd);
    }

    fn path(&mut self, index: usize) {
        let Some(capture) = self.capture(Phase::Enter, index, 0) else {
            return self.address_of(index);
        };
        self.quoted(&capture.data);
        if capture.status == CaptureStatus::Truncated {
            self.text("...");
        }
    }

    pub(super) fn text_arg(&mut self, index: usize) {
        match self.capture(Phase::Enter, index, 0) {
            Some(capture) => {
                let cut = u64::from(capture.status == CaptureStatus::Truncated);
                self.string(&capture.data, capture.data.len() as u64 + cut);
            }
            None => self.address_of(index),
        }
    }

    pub(super) fn bytes_in(&mut self, index: usize, len: u64) {
        if len == 0 && self.arg(index) != 0 {
            return self.text("\"\"");
        }
        match self.capture(Phase::Enter, index, 0) {
            Some(capture) => self.string(&capture.data, len),
            None => self.address_of(index),
        }
    }

    pub(super) fn bytes_out(&mut self, index: usize) {
        if self.ret() == 0 && self.arg(index) != 0 {
            return self.text("\"\"");
        }
        match self.capture(Phase::Exit, index, 0) {
            Some(capture) => self.string(&capture.data, self.ret().cast_unsigned()),
            None => self.address_of(index),
        }
    }

    /// As [`Self::bytes_in`]; what is sent through a netlink socket is decoded.
    fn message_in(&mut self, index: usize, len: u64) {
        let capture = self.netlink_capture(Phase::Enter, index);
        match capture {
            Some((capture, family)) => self.netlink(family, &capture.data),
            None => self.bytes_in(index, len),
        }
    }

    /// As [`Self::bytes_out`]; what came through a netlink socket is decoded.
    fn message_out(&mut self, index: usize) {
        let capture = self.netlink_capture(Phase::Exit, index);
        match capture.filter(|_| !self.failed()) {
            Some((capture, family)) => self.netlink(family, &capture.data),
            None => self.bytes_out(index),
        }
    }

    pub(super) fn structure(&mut self, phase: Phase, index: usize, layout: &Layout) {
        match self.bytes(phase, index, layout.size.into()) {
            Some(bytes) => (layout.print)(self, bytes),
            None => self.address_of(index),
        }
    }

    pub(super) fn structures(&mut self, phase: Phase, index: usize, layout: &Layout, count: u64) {
        if count == 0 && self.arg(index) != 0 && !self.failed() {
            return self.text("[]");
        }
        match self.bytes(phase, index, layout.size.into()) {
            Some(bytes) => self.array(bytes, layout.size.into(), count, layout.print),
            None => self.address_of(index),
        }
    }

    fn sockaddr_out(&mut self, index: usize, len_arg: usize) {
        if self.arg(index) == 0 || self.arg(len_arg) == 0 {
            return self.address_of(index);
        }
        let len = self.bytes(Phase::Exit, len_arg, 4).map(|b| b.u32_at(0));
        match len {
            Some(len) => print_sockaddr(self, Phase::Exit, index, len.into()),
            None => self.address_of(index),
        }
    }

    /// `[16]`, or `[128 => 16]` when the kernel changed it.
    pub(super) fn len_ptr(&mut self, index: usize) {
        let Some(before) = self.bytes(Phase::Enter, index, 4).map(|b| b.i32_at(0)) else {
            return self.address_of(index);
        };
        if self.failed() {
            return put!(self, "[{before}]");
        }
        match self.bytes(Phase::Exit, index, 4).map(|b| b.i32_at(0)) {
            Some(after) if after != before => put!(self, "[{before} => {after}]"),
            _ => put!(self, "[{before}]"),
        }
    }
}
