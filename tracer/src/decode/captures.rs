//! The captures behind a syscall record.

use tracer_common::capture::{self as wire, MAX_IOVECS, MAX_MESSAGE, MAX_RULES, MAX_STRINGS};

use super::record::{DecodeError, Reader};
use crate::event::{Capture, CaptureStatus};

/// More than any record has: each rule may make one capture per string or buffer and one more.
const MAX_CAPTURES: usize = MAX_RULES * (MAX_STRINGS + MAX_IOVECS + 1);
/// Netlink messages are the longest.
const MAX_LEN: usize = MAX_MESSAGE;

pub(super) fn captures(reader: &mut Reader<'_>, count: u16) -> Result<Captures, DecodeError> {
    let count = usize::from(count);
    if count > MAX_CAPTURES {
        return Err(DecodeError::Invalid {
            field: "capture count",
        });
    }
    let mut captures = Captures::default();
    for _ in 0..count {
        let (capture, late) = capture(reader)?;
        match late {
            true => captures.late.push(capture),
            false => captures.own.push(capture),
        }
    }
    Ok(captures)
}

/// Those of one record.
#[derive(Debug, Default)]
pub(super) struct Captures {
    pub(super) own: Vec<Capture>,
    /// Those that the entry of the call could not take.
    pub(super) late: Vec<Capture>,
}

/// One capture, and whether it is late.
fn capture(reader: &mut Reader<'_>) -> Result<(Capture, bool), DecodeError> {
    let arg = reader.u8()?;
    let kind = reader.u8()?;
    let number = reader.u8()?;
    let late = number & wire::status::LATE != 0;
    let status = status(number & !wire::status::LATE)?;
    let index = reader.u8()?;
    let len = reader.u32()? as usize;
    let wanted = reader.u64()?;
    if len > MAX_LEN {
        return Err(DecodeError::Invalid {
            field: "capture length",
        });
    }
    let data = reader.bytes(len)?.to_vec();
    reader.pad(len);
    let capture = Capture {
        arg,
        kind,
        index,
        status,
        wanted,
        data,
    };
    Ok((capture, late))
}

fn status(number: u8) -> Result<CaptureStatus, DecodeError> {
    match number {
        wire::status::OK => Ok(CaptureStatus::Ok),
        wire::status::TRUNCATED => Ok(CaptureStatus::Truncated),
        wire::status::FAULT => Ok(CaptureStatus::Fault),
        wire::status::END => Ok(CaptureStatus::End),
        _ => Err(DecodeError::Invalid {
            field: "capture status",
        }),
    }
}
