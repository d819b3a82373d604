//! One record.

use bytes::Buf;
use tracer_common::capture::{MAX_CAPTURE, MAX_STRINGS, kind};
use tracer_common::event::{
    self as wire, EventHeader, Kind, MAX_EXEC_STRINGS, MAX_RANGES, MAX_STACK, MAX_STOP_FRAMES,
    UnknownKind, sample_flag, signal_flag, syscall_flag,
};
use tracer_common::probe::ProbeId;
use tracer_common::stats::GoStopState;
use tracer_common::unwind::MAX_FRAMES;

use super::captures::captures;
use crate::event::{
    Body, Capture, Event, Exec, Exit, Fork, GcAssists, GcTrigger, GoDelay, GoStop, Sample, Signal,
    StackEnd, SyscallEnter, SyscallExit,
};

/// Why a record is no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The record ends before its contents do.
    #[error("a record of {len} bytes is too short")]
    Short { len: usize },
    /// The length in the header is not that of the record.
    #[error("a record of {len} bytes says it has {stated}")]
    WrongLength { len: usize, stated: u32 },
    /// Written by another build.
    #[error(transparent)]
    UnknownKind(#[from] UnknownKind),
    /// A count or status is out of its range.
    #[error("a record has an invalid {field}")]
    Invalid { field: &'static str },
}

/// What a record holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded {
    Event(Event),
    /// The end of a call, and what its entry could not read.
    LateExit {
        exit: Event,
        late: Vec<Capture>,
    },
    /// What an `execve` was given, where its entry could not read all of that.
    ExecArguments(ExecArguments),
    Lost(LostRecords),
    /// Memory of a Go process at the end of a garbage collection cycle, which its offset table
    /// gives a meaning.
    GcRanges(GcRanges),
}

/// What an `execve` was given, as the new program has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecArguments {
    /// Thread that made the call.
    pub old_tid: u32,
    pub path: Vec<u8>,
    /// The first arguments of the new program, without their NULs.
    pub strings: Vec<Vec<u8>>,
    /// Arguments of the new program.
    pub argc: u32,
    /// Variables in its environment.
    pub envc: u32,
    /// It is an interpreter in the place of the file: its own arguments come first, and the first
    /// of the caller's is not among them.
    pub interpreted: bool,
}

/// Records that the ring buffer did not take on a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostRecords {
    /// When the first was lost.
    pub time_ns: u64,
    pub cpu: u16,
    pub probe: ProbeId,
    pub count: u64,
}

/// Memory ranges copied at one moment, in the order of the read plan. `None` where the copy
/// failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcRanges {
    pub time_ns: u64,
    pub pid: u32,
    pub tid: u32,
    pub cpu: u16,
    pub ranges: Vec<Option<Vec<u8>>>,
    /// `None` when they are not measured.
    pub assists: Option<GcAssists>,
}

/// Decodes one record.
///
/// # Errors
/// [`DecodeError`] for any record that this build's programs do not write.
pub fn decode(record: &[u8]) -> Result<Decoded, DecodeError> {
    let mut reader = Reader::new(record);
    let header = reader.header()?;
    // The ring buffer pads records to 8 bytes, so the stated length may be the shorter one.
    if record.len() < header.len as usize {
        return Err(DecodeError::WrongLength {
            len: record.len(),
            stated: header.len,
        });
    }
    let body = match Kind::try_from(header.kind)? {
        Kind::SyscallEnter => syscall_enter(&mut reader)?,
        Kind::SyscallExit => return syscall_exit(&header, &mut reader),
        Kind::Signal => signal(&mut reader)?,
        Kind::Fork => fork(&mut reader)?,
        Kind::Exec => exec(&mut reader)?,
        Kind::Exit => exit(&mut reader)?,
        Kind::Sample => sample(&mut reader)?,
        Kind::GoGcTrigger => gc_trigger(&mut reader)?,
        Kind::GoGcCycle => return gc_ranges(&header, &mut reader).map(Decoded::GcRanges),
        Kind::ExecArguments => return exec_arguments(&mut reader).map(Decoded::ExecArguments),
        Kind::GoStop => go_stop(&mut reader)?,
        Kind::GoStarted => Body::GoStarted,
        Kind::Lost => return lost(&header, &mut reader).map(Decoded::Lost),
    };
    Ok(Decoded::Event(event(&header, body)))
}

fn event(header: &EventHeader, body: Body) -> Event {
    Event {
        time_ns: header.time_ns,
        pid: header.tgid,
        tid: header.tid,
        cpu: header.cpu,
        goid: (header.goid != 0).then_some(header.goid),
        body,
    }
}

/// A cursor that reports the end instead of panicking.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    len: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(record: &'a [u8]) -> Self {
        Self {
            rest: record,
            len: record.len(),
        }
    }

    pub(super) fn bytes(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        let (bytes, rest) = self
            .rest
            .split_at_checked(n)
            .ok_or(DecodeError::Short { len: self.len })?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(super) fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.bytes(1)?.get_u8())
    }

    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(self.bytes(2)?.get_u16_ne())
    }

    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(self.bytes(4)?.get_u32_ne())
    }

    pub(super) fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(self.bytes(8)?.get_u64_ne())
    }

    /// Skips up to the next multiple of 8 bytes; the last field of a record may lack its padding.
    pub(super) fn pad(&mut self, used: usize) {
        let padding = used.next_multiple_of(8) - used;
        self.rest = self.rest.get(padding..).unwrap_or_default();
    }

    fn header(&mut self) -> Result<EventHeader, DecodeError> {
        Ok(EventHeader {
            kind: self.u16()?,
            cpu: self.u16()?,
            len: self.u32()?,
            time_ns: self.u64()?,
            tgid: self.u32()?,
            tid: self.u32()?,
            goid: self.u64()?,
        })
    }

    fn comm(&mut self) -> Result<String, DecodeError> {
        Ok(comm(self.bytes(16)?))
    }

    fn addresses(&mut self, n: u16, most: usize) -> Result<Vec<u64>, DecodeError> {
        if usize::from(n) > most {
            return Err(DecodeError::Invalid {
                field: "stack length",
            });
        }
        (0..n).map(|_| self.u64()).collect()
    }
}

/// A kernel `comm`: up to the first NUL; invalid UTF-8 is replaced.
pub(crate) fn comm(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn syscall_enter(reader: &mut Reader<'_>) -> Result<Body, DecodeError> {
    let nr = reader.u32()?;
    let count = reader.u16()?;
    let flags = reader.u16()?;
    let mut args = [0; 6];
    for arg in &mut args {
        *arg = reader.u64()?;
    }
    Ok(Body::SyscallEnter(SyscallEnter {
        nr,
        args,
        captures: captures(reader, count)?.own,
        compat: flags & syscall_flag::COMPAT != 0,
        captures_cut: flags & syscall_flag::CAPTURES_CUT != 0,
    }))
}

fn syscall_exit(header: &EventHeader, reader: &mut Reader<'_>) -> Result<Decoded, DecodeError> {
    let nr = reader.u32()?;
    let count = reader.u16()?;
    let flags = reader.u16()?;
    let ret = reader.u64()?.cast_signed();
    let mut captures = captures(reader, count)?;
    // The entry may not have been seen; then these are all there is of it.
    if captures.own.iter().any(|c| c.kind == kind::ARGUMENTS) {
        captures.own.extend(captures.late.iter().cloned());
    }
    let body = Body::SyscallExit(SyscallExit {
        nr,
        ret,
        captures: captures.own,
        compat: flags & syscall_flag::COMPAT != 0,
        captures_cut: flags & syscall_flag::CAPTURES_CUT != 0,
    });
    let exit = event(header, body);
    Ok(match captures.late.is_empty() {
        true => Decoded::Event(exit),
        false => Decoded::LateExit {
            exit,
            late: captures.late,
        },
    })
}

fn exec_arguments(reader: &mut Reader<'_>) -> Result<ExecArguments, DecodeError> {
    let old_tid = reader.u32()?;
    let interpreted = reader.u32()? != 0;
    let (argc, envc) = (reader.u32()?, reader.u32()?);
    let (path_len, strings_len) = (reader.u32()? as usize, reader.u32()? as usize);
    if path_len > MAX_CAPTURE || strings_len > MAX_EXEC_STRINGS {
        return Err(DecodeError::Invalid {
            field: "argument length",
        });
    }
    let path = reader.bytes(path_len)?.to_vec();
    reader.pad(path_len);
    let strings = reader.bytes(strings_len)?;
    Ok(ExecArguments {
        old_tid,
        path,
        // What follows the last NUL is no whole string.
        strings: strings
            .split_inclusive(|&b| b == 0)
            .filter_map(|s| Some(s.strip_suffix(&[0])?.to_vec()))
            .take((argc as usize).min(MAX_ARGUMENTS))
            .collect(),
        argc,
        envc,
        interpreted,
    })
}

/// More than are shown, with those of an interpreter before them.
const MAX_ARGUMENTS: usize = 2 * MAX_STRINGS;

fn lost(header: &EventHeader, reader: &mut Reader<'_>) -> Result<LostRecords, DecodeError> {
    let number = reader.u32()? as usize;
    reader.u32()?;
    Ok(LostRecords {
        time_ns: header.time_ns,
        cpu: header.cpu,
        probe: *ProbeId::ALL.get(number).ok_or(DecodeError::Invalid {
            field: "probe number",
        })?,
        count: reader.u64()?,
    })
}

fn signal(reader: &mut Reader<'_>) -> Result<Body, DecodeError> {
    let signo = reader.u32()?;
    let flags = reader.u32()?;
    let info = reader.bytes(48)?;
    Ok(Body::Signal(Signal {
        signo,
        info: (flags & signal_flag::HAS_INFO != 0).then(|| info.to_vec()),
        ignored: flags & signal_flag::IGNORED != 0,
    }))
}

fn fork(reader: &mut Reader<'_>) -> Result<Body, DecodeError> {
    Ok(Body::Fork(Fork {
        child_pid: reader.u32()?,
        child_tid: reader.u32()?,
        comm: reader.comm()?,
    }))
}

fn exec(reader: &mut Reader<'_>) -> Result<Body, DecodeError> {
    let old_tid = reader.u32()?;
    reader.u32()?;
    Ok(Body::Exec(Exec {
        old_tid,
        comm: reader.comm()?,
    }))
}

fn exit(reader: &mut Reader<'_>) -> Result<Body, DecodeError> {
    Ok(Body::Exit(Exit {
        status: reader.u32()?,
        last_thread: reader.u32()? == 1,
        comm: reader.comm()?,
        place: Some((reader.u64()?, reader.u64()?)).filter(|place| *place != (0, 0)),
    }))
}

fn sample(reader: &mut Reader<'_>) -> Result<Body, DecodeError> {
    let kernel_len = reader.u16()?;
    let user_len = reader.u16()?;
    let flags = reader.u32()?;
    Ok(Body::Sample(Sample {
        comm: reader.comm()?,
        kernel: reader.addresses(kernel_len, MAX_STACK)?,
        user: reader.addresses(user_len, MAX_FRAMES)?,
        user_end: user_end(flags),
        truncated: flags & sample_flag::TRUNCATED != 0,
    }))
}

fn user_end(flags: u32) -> StackEnd {
    for (flag, end) in [
        (sample_flag::NO_USER_STACK, StackEnd::Missing),
        (sample_flag::ROOT, StackEnd::Root),
        (sample_flag::LOST, StackEnd::Lost),
        (sample_flag::GUESSED, StackEnd::Guessed),
    ] {
        if flags & flag != 0 {
            return end;
        }
    }
    StackEnd::Unknown
}

fn gc_trigger(reader: &mut Reader<'_>) -> Result<Body, DecodeError> {
    // The kind is 32 bits wide; the rest of its register is unspecified.
    Ok(Body::GcTrigger(match reader.u64()? & 0xffff_ffff {
        0 => GcTrigger::Heap,
        1 => GcTrigger::Time,
        2 => GcTrigger::Forced,
        other => GcTrigger::Other(other),
    }))
}

fn go_stop(reader: &mut Reader<'_>) -> Result<Body, DecodeError> {
    let [began_ns, started_ns, finished_ns, woke_ns] =
        [reader.u64()?, reader.u64()?, reader.u64()?, reader.u64()?];
    let known = |ns: u64| (ns != 0).then_some(ns);
    let (reason, processors, seen, last) =
        (reader.u32()?, reader.u32()?, reader.u32()?, reader.u32()?);
    let delay = go_delay(last, reader)?;
    Ok(Body::GoStop(Box::new(GoStop {
        reason: (reason != GoStopState::NO_REASON).then_some(reason),
        began_ns,
        started_ns: known(started_ns),
        finished_ns: known(finished_ns),
        woke_ns: known(woke_ns),
        runtime_start_ns: None,
        processors,
        seen,
        last: (last != wire::GoStop::NOBODY).then_some(delay),
    })))
}

fn go_delay(processor: u32, reader: &mut Reader<'_>) -> Result<GoDelay, DecodeError> {
    let (_g, goid, stopped_ns) = (reader.u64()?, reader.u64()?, reader.u64()?);
    let (runnable_ns, fault_ns, syscall_ns) = (reader.u64()?, reader.u64()?, reader.u64()?);
    let (tid, syscall, _tick, moved_on) =
        (reader.u32()?, reader.u32()?, reader.u32()?, reader.u32()?);
    let untold_ns = reader.u64()?;
    let (status, frames) = (reader.u32()?, reader.u32()?);
    let frames = u16::try_from(frames).unwrap_or(u16::MAX);
    Ok(GoDelay {
        processor,
        tid,
        stopped_ns,
        goid: (goid != 0).then_some(goid),
        moved_on: moved_on != 0,
        status,
        runnable_ns,
        fault_ns,
        syscall_ns,
        untold_ns,
        syscall: (syscall != u32::MAX).then_some(syscall),
        stack: reader.addresses(frames, MAX_STOP_FRAMES)?,
        frames: Vec::new(),
    })
}

fn gc_ranges(header: &EventHeader, reader: &mut Reader<'_>) -> Result<GcRanges, DecodeError> {
    let count = reader.u32()? as usize;
    let failed = reader.u32()?;
    let mut lens = [0; MAX_RANGES];
    for len in &mut lens {
        *len = usize::from(reader.u16()?);
    }
    let lens = lens.get(..count).ok_or(DecodeError::Invalid {
        field: "range count",
    })?;
    let assists = GcAssists {
        count: reader.u64()?,
        time_ns: reader.u64()?,
        // In the ranges.
        user_ns: None,
    };
    let mut ranges = Vec::with_capacity(count);
    for (i, &len) in lens.iter().enumerate() {
        if len > wire::MAX_RANGE_LEN {
            return Err(DecodeError::Invalid {
                field: "range length",
            });
        }
        let bytes = reader.bytes(len)?;
        ranges.push((failed >> i & 1 == 0).then(|| bytes.to_vec()));
        reader.pad(len);
    }
    Ok(GcRanges {
        time_ns: header.time_ns,
        pid: header.tgid,
        tid: header.tid,
        cpu: header.cpu,
        ranges,
        assists: Some(assists).filter(|a| a.count != wire::GoGcCycle::NO_ASSISTS),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(kind: u16, len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(3u16.to_ne_bytes());
        bytes.extend((len as u32).to_ne_bytes());
        bytes.extend(1_000_000u64.to_ne_bytes());
        bytes.extend(42u32.to_ne_bytes());
        bytes.extend(43u32.to_ne_bytes());
        bytes.extend(7u64.to_ne_bytes());
        bytes
    }

    #[test]
    fn an_exit_record_is_read_in_full() {
        let mut bytes = header(Kind::SyscallExit as u16, 48);
        bytes.extend(39u32.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend((-2i64).to_ne_bytes());
        let Ok(Decoded::Event(event)) = decode(&bytes) else {
            panic!("not an event");
        };
        assert_eq!((event.pid, event.tid, event.cpu), (42, 43, 3));
        assert_eq!(event.goid, Some(7));
        let Body::SyscallExit(exit) = event.body else {
            panic!("not an exit");
        };
        assert_eq!((exit.nr, exit.ret), (39, -2));
    }

    fn with_header(kind: Kind, body: &[u8]) -> Vec<u8> {
        let mut bytes = header(kind as u16, 32 + body.len());
        bytes.extend(body);
        bytes
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|w| w.to_ne_bytes()).collect()
    }

    #[test]
    fn late_captures_of_an_exit_stand_apart() {
        let mut body = words(&[257, 1, 3, 0]);
        // Argument 1, a string, late.
        body.extend([1, 1, 0x80, 0]);
        body.extend(words(&[4, 4, 0]));
        body.extend(b"/etc\0\0\0\0");
        let Ok(Decoded::LateExit { exit, late }) = decode(&with_header(Kind::SyscallExit, &body))
        else {
            panic!("not late");
        };
        let Body::SyscallExit(exit) = exit.body else {
            panic!("not an exit");
        };
        assert_eq!((exit.nr, exit.ret, exit.captures.len()), (257, 3, 0));
        assert_eq!((late[0].arg, &late[0].data[..]), (1, &b"/etc"[..]));
        assert_eq!(late[0].status, crate::event::CaptureStatus::Ok);
    }

    #[test]
    fn arguments_of_an_execve_are_split_at_their_nuls() {
        let mut body = words(&[77, 1, 2, 9, 3, 7]);
        body.extend(b"a/b\0\0\0\0\0sh\0\0-x\0");
        let Ok(Decoded::ExecArguments(given)) = decode(&with_header(Kind::ExecArguments, &body))
        else {
            panic!("no arguments");
        };
        assert_eq!(given.path, b"a/b");
        assert_eq!(given.strings, [b"sh".to_vec(), Vec::new()], "argc are 2");
        assert_eq!((given.old_tid, given.argc, given.envc), (77, 2, 9));
        assert!(given.interpreted);
        let too_long = words(&[77, 0, 2, 9, 3, 1 << 20]);
        assert!(decode(&with_header(Kind::ExecArguments, &too_long)).is_err());
    }

    #[test]
    fn losses_name_their_probe() {
        let body = words(&[ProbeId::SyscallExit as u32, 0, 12, 0]);
        let lost = LostRecords {
            time_ns: 1_000_000,
            cpu: 3,
            probe: ProbeId::SyscallExit,
            count: 12,
        };
        let decoded = decode(&with_header(Kind::Lost, &body));
        assert_eq!(decoded, Ok(Decoded::Lost(lost)));
        assert!(decode(&with_header(Kind::Lost, &words(&[99, 0, 1, 0]))).is_err());
    }

    #[test]
    fn errors_say_what_is_wrong() {
        assert_eq!(decode(&[1, 0]), Err(DecodeError::Short { len: 2 }));
        assert_eq!(
            decode(&header(999, 32)),
            Err(DecodeError::UnknownKind(UnknownKind(999)))
        );
        assert_eq!(
            decode(&header(2, 48)),
            Err(DecodeError::WrongLength {
                len: 32,
                stated: 48
            })
        );
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_fail(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn any_body_of_any_kind_decodes_or_fails(
            kind in 0u16..14,
            body in prop::collection::vec(any::<u8>(), 0..4096),
        ) {
            let mut bytes = header(kind, 32 + body.len());
            bytes.extend(&body);
            let _ = decode(&bytes);
        }

        #[test]
        fn small_counts_reach_the_depths(
            kind in 1u16..12,
            words in prop::collection::vec(0u8..4, 0..1024),
        ) {
            let mut bytes = header(kind, 32 + words.len());
            bytes.extend(&words);
            let _ = decode(&bytes);
        }
    }
}
