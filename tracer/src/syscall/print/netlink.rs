//! Messages of netlink: headers, lists of messages, attributes (`linux/netlink.h`). What a family
//! puts into them is in [`super::route`] and [`super::sock_diag`].

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::event::{Capture, CaptureStatus};
use crate::syscall::errno::errno;
use crate::syscall::flags::{Names, netlink as names};

use super::fields::{As, Field};
use super::printer::{Phase, Printer, put};
use super::struct_bytes::StructBytes;
use super::text::push_hex_quoted;
use super::{route, sock_diag};

/// Bytes of `struct nlmsghdr` and of `struct nlattr`.
const HEADER: usize = 16;
const ATTRIBUTE: usize = 4;
/// Messages inside messages (an error quotes its cause) and attributes inside attributes.
const MAX_DEPTH: u8 = 4;

/// Netlink families (`linux/netlink.h`).
const ROUTE: u32 = 0;
const SOCK_DIAG: u32 = 4;

/// Types of messages of every family.
const ERROR: u16 = 2;
const DONE: u16 = 3;
const FIRST_OF_FAMILY: u16 = 16;

const REQUEST: u16 = 1;

/// `struct nlmsghdr`.
#[derive(Clone, Copy)]
pub(super) struct Header {
    len: u32,
    pub(super) kind: u16,
    flags: u16,
}

impl Header {
    fn of(b: &[u8]) -> Self {
        Self {
            len: b.u32_at(0),
            kind: b.u16_at(4),
            flags: b.u16_at(6),
        }
    }

    pub(super) const fn is_request(self) -> bool {
        self.flags & REQUEST != 0
    }
}

/// What an attribute holds.
#[derive(Clone, Copy)]
pub(super) enum Value {
    U8,
    U16,
    U32,
    U64,
    /// NUL-terminated text.
    Text,
    /// `00:11:22:33:44:55`.
    Hardware,
    /// The number of an interface.
    Interface,
    /// An address of the message's family.
    Address,
    /// A port in network order.
    Port,
    Name8(&'static Names),
    Name32(&'static Names),
    Flags32(&'static Names),
    /// A structure of at least so many bytes.
    Record(&'static [Field], usize),
    /// Printed from its bytes, of which there are so many at least.
    With(fn(&mut Printer<'_>, &[u8]), usize),
    Nested(&'static Attributes),
    /// Bytes without a meaning that is shown.
    Raw,
}

/// The attributes of one kind of message.
pub(super) struct Attributes {
    /// Of a type without a name, for instance `IFLA_???`.
    pub(super) unknown: &'static str,
    pub(super) all: &'static [(u16, &'static str, Value)],
}

/// What follows the header of a message: a structure whose first byte is an address family, then
/// attributes.
pub(super) struct Payload {
    /// Name of the family's field.
    pub(super) family: &'static str,
    pub(super) fields: &'static [Field],
    pub(super) size: usize,
    pub(super) attributes: &'static Attributes,
}

impl<'a> Printer<'a> {
    /// The bytes sent to or received from a netlink socket, and its family; `None` when it is none
    /// that is known, or they do not begin like a message.
    pub(super) fn netlink_capture(
        &mut self,
        phase: Phase,
        index: usize,
    ) -> Option<(&'a Capture, u32)> {
        if !self.is_verbose() {
            return None;
        }
        let mut captures = self.captures(phase).iter();
        let capture = captures.find(|c| {
            usize::from(c.arg) == index && c.index == 0 && c.status != CaptureStatus::Fault
        })?;
        let len = capture.data.u32_at(0) as usize;
        let plausible = capture.data.len() >= HEADER && len as u64 <= capture.wanted;
        let family = plausible.then(|| self.netlink_family()).flatten()?;
        Some((capture, family))
    }
}

impl Printer<'_> {
    /// Prints the messages in `b`.
    pub(super) fn netlink(&mut self, family: u32, b: &[u8]) {
        self.list(b, HEADER, |p, b| p.message_of(family, b, 0));
    }

    /// Prints elements that each say how long they are, at least `header` bytes, and are aligned to
    /// 4: one by itself, several between brackets.
    fn list(&mut self, mut b: &[u8], header: usize, element: impl Fn(&mut Self, &[u8])) {
        if b.len() < header {
            return self.octets(b);
        }
        let length = |b: &[u8]| match header {
            HEADER => b.u32_at(0) as usize,
            _ => b.u16_at(0).into(),
        };
        let next = |b: &[u8]| {
            let len = length(b);
            let aligned = len.checked_add(3)? & !3;
            (len >= header && aligned < b.len()).then_some(aligned)
        };
        let is_list = next(b).is_some();
        self.text(if is_list { "[" } else { "" });
        let mut shown = 0;
        loop {
            if shown == self.element_limit() {
                self.text("...");
                break;
            }
            element(self, b);
            shown += 1;
            let Some(at) = next(b) else { break };
            self.text(", ");
            b = &b[at..];
            if b.len() < header {
                self.octets(b);
                break;
            }
        }
        self.text(if is_list { "]" } else { "" });
    }

    /// One message: its header, and what follows that.
    fn message_of(&mut self, family: u32, b: &[u8], depth: u8) {
        let header = Header::of(b);
        let len = b.len().min(header.len as usize);
        self.text(if len > HEADER { "[" } else { "" });
        self.header(family, header, b);
        if len > HEADER {
            self.text(", ");
            self.payload(family, header, &b[HEADER..len], depth);
            self.text("]");
        }
    }

    fn header(&mut self, family: u32, header: Header, b: &[u8]) {
        put!(self, "{{nlmsg_len={}, nlmsg_type=", header.len);
        match (header.kind, family) {
            (0..FIRST_OF_FAMILY, _) => self.name(&names::NLMSG, header.kind.into()),
            (kind, ROUTE) => self.name(&names::RTM, kind.into()),
            (kind, SOCK_DIAG) => self.name(&names::SOCK_DIAG, kind.into()),
            (kind, _) => self.hex(kind.into()),
        }
        self.text(", nlmsg_flags=");
        self.message_flags(family, header);
        put!(
            self,
            ", nlmsg_seq={}, nlmsg_pid={}}}",
            b.u32_at(8),
            b.i32_at(12)
        );
    }

    fn message_flags(&mut self, family: u32, header: Header) {
        const ALL: u16 = 0x3f;
        let own = flags_of(family, header.kind);
        let (common, rest) = (header.flags & ALL, header.flags & !ALL);
        self.constant(header.flags.into(), |p| match (own, rest) {
            (_, 0) | (None, _) => names::NLM_F.flags(&mut p.out, header.flags.into()),
            (Some(own), _) => {
                if common != 0 {
                    names::NLM_F.flags(&mut p.out, common.into());
                    p.out.push('|');
                }
                own.flags(&mut p.out, rest.into());
            }
        });
    }

    fn payload(&mut self, family: u32, header: Header, b: &[u8], depth: u8) {
        match (header.kind, family) {
            (ERROR, _) => self.error_message(family, b, depth),
            (DONE, _) if b.len() >= 4 => put!(self, "{}", b.i32_at(0)),
            (0..FIRST_OF_FAMILY, _) => self.octets(b),
            (kind, ROUTE) => route::payload(self, kind, b),
            (_, SOCK_DIAG) => sock_diag::payload(self, header, b),
            _ => self.string(b, b.len() as u64),
        }
    }

    /// `struct nlmsgerr`: an error and the message that it is about.
    fn error_message(&mut self, family: u32, b: &[u8], depth: u8) {
        if b.len() < 4 {
            return self.octets(b);
        }
        self.text("{error=");
        match (b.i32_at(0), errno(b.i32_at(0).unsigned_abs())) {
            (i32::MIN..0, Some((name, _))) => put!(self, "-{name}"),
            (number, _) => put!(self, "{number}"),
        }
        let about = &b[4..];
        if !about.is_empty() {
            self.text(", msg=");
            match about.len() >= HEADER && depth < MAX_DEPTH {
                true => self.message_of(family, about, depth + 1),
                false => self.octets(about),
            }
        }
        self.text("}");
    }

    /// A structure that begins with an address family, then attributes.
    pub(super) fn family_payload(&mut self, payload: &Payload, b: &[u8]) {
        put!(self, "{{{}=", payload.family);
        self.name(&crate::syscall::flags::net::AF, b.u8_at(0).into());
        if b.len() < payload.size {
            return self.text(", ...}");
        }
        self.more_fields(b, payload.fields);
        self.text("}");
        let start = payload.size.next_multiple_of(4);
        if b.len() > start {
            self.text(", ");
            self.attributes(payload.attributes, &b[start..], b.u8_at(0), 0);
        }
    }

    /// Attributes of a message about addresses of `family`.
    pub(super) fn attributes(&mut self, of: &Attributes, b: &[u8], family: u8, depth: u8) {
        if depth > MAX_DEPTH {
            return self.octets(b);
        }
        self.list(b, ATTRIBUTE, |p, b| {
            let len = b.len().min(b.u16_at(0).into());
            p.text(if len > ATTRIBUTE { "[" } else { "" });
            let value = p.attribute_header(of, b);
            if len > ATTRIBUTE {
                p.text(", ");
                p.attribute_value(value, &b[ATTRIBUTE..len], family, depth);
                p.text("]");
            }
        });
    }

    fn attribute_header(&mut self, of: &Attributes, b: &[u8]) -> Value {
        const NESTED: u16 = 0x8000;
        const NETWORK_ORDER: u16 = 0x4000;
        put!(self, "{{nla_len={}, nla_type=", b.u16_at(0));
        let kind = b.u16_at(2);
        if kind & NESTED != 0 {
            self.text("NLA_F_NESTED|");
        }
        if kind & NETWORK_ORDER != 0 {
            self.text("NLA_F_NET_BYTEORDER|");
        }
        let kind = kind & !(NESTED | NETWORK_ORDER);
        let known = of.all.iter().find(|a| a.0 == kind);
        match known {
            Some((_, name, _)) => self.text(name),
            None => {
                self.hex(kind.into());
                put!(self, " /* {} */", of.unknown);
            }
        }
        self.text("}");
        known.map_or(Value::Raw, |a| a.2)
    }

    fn attribute_value(&mut self, value: Value, b: &[u8], family: u8, depth: u8) {
        match value {
            Value::Text => self.c_string(b),
            Value::Hardware => self.hardware_address(b),
            Value::Address => self.address(family, b),
            Value::Nested(of) => self.attributes(of, b, family, depth + 1),
            Value::U8 if !b.is_empty() => put!(self, "{}", b.u8_at(0)),
            Value::Name8(names) if !b.is_empty() => self.name(names, b.u8_at(0).into()),
            Value::U16 if b.len() >= 2 => put!(self, "{}", b.u16_at(0)),
            Value::Port if b.len() >= 2 => put!(self, "htons({})", b.be16_at(0)),
            Value::U32 if b.len() >= 4 => put!(self, "{}", b.u32_at(0)),
            Value::Interface if b.len() >= 4 => self.interface(b.u32_at(0)),
            Value::Name32(names) if b.len() >= 4 => self.name(names, b.u32_at(0).into()),
            Value::Flags32(names) if b.len() >= 4 => self.flags(names, b.u32_at(0).into()),
            Value::U64 if b.len() >= 8 => put!(self, "{}", b.u64_at(0)),
            Value::Record(fields, size) if b.len() >= size => {
                let whole = fields.iter().take_while(|f| f.1 < b.len());
                let whole: Vec<Field> = whole.copied().collect();
                self.record(b, &whole);
            }
            Value::With(print, size) if b.len() >= size => print(self, b),
            _ => self.octets(b),
        }
    }

    fn address(&mut self, family: u8, b: &[u8]) {
        const AF_INET: u8 = 2;
        const AF_INET6: u8 = 10;
        match (family, b.len()) {
            (AF_INET, 4..) => put!(self, "inet_addr(\"{}\")", Ipv4Addr::from(b.be32_at(0))),
            (AF_INET6, 16..) => {
                let address = Ipv6Addr::from(b.array::<16>(0));
                put!(self, "inet_pton(AF_INET6, \"{address}\")");
            }
            _ => self.octets(b),
        }
    }

    fn hardware_address(&mut self, b: &[u8]) {
        for (i, byte) in b.iter().enumerate() {
            put!(self, "{}{byte:02x}", if i > 0 { ":" } else { "" });
        }
    }

    /// Bytes without a form, in hexadecimal, cut to the string limit.
    pub(super) fn octets(&mut self, b: &[u8]) {
        let shown = b.len().min(self.limit);
        push_hex_quoted(&mut self.out, &b[..shown]);
        self.text(if shown < b.len() { "..." } else { "" });
    }
}

/// Flags that depend on what a message asks for.
fn flags_of(family: u32, kind: u16) -> Option<&'static Names> {
    match (kind, family) {
        (ERROR, _) => Some(&names::NLM_F_OF_ACK),
        (0..FIRST_OF_FAMILY, _) => None,
        (_, ROUTE) => match kind & 3 {
            0 => Some(&names::NLM_F_OF_NEW),
            1 => Some(&names::NLM_F_OF_DEL),
            2 => Some(&names::NLM_F_OF_GET),
            _ => None,
        },
        (21, SOCK_DIAG) => Some(&names::NLM_F_OF_DEL),
        (_, SOCK_DIAG) => Some(&names::NLM_F_OF_GET),
        _ => None,
    }
}

/// The fields of a structure of 64-bit or 32-bit counters, `width` bytes each.
pub(super) const fn counter(name: &'static str, place: usize, width: usize) -> Field {
    (
        name,
        place * width,
        if width == 8 { As::U64 } else { As::U32 },
    )
}
