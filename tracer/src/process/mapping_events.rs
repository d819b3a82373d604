//! What the kernel tells of files that are mapped to be executed, as it happens.
//!
//! A process that has ended has no `/proc/PID/maps` any more. Those that live for milliseconds only
//! have names for their addresses all the same, since perf events told what they mapped. Layouts
//! and numbers are those of include/uapi/linux/perf_event.h.

use std::io;

use super::perf_ring::{PerfAttr, PerfRing};
use super::{Mapping, Perms};

/// `PERF_COUNT_SW_DUMMY`: counts nothing, and still has records of mappings.
const COUNT_DUMMY: u64 = 9;
/// `PERF_SAMPLE_TIME`
const SAMPLE_TIME: u64 = 1 << 2;
/// Bits of `perf_event_attr`.
mod bit {
    pub(super) const MMAP: u64 = 1 << 8;
    pub(super) const COMM: u64 = 1 << 9;
    pub(super) const SAMPLE_ID_ALL: u64 = 1 << 18;
    pub(super) const MMAP2: u64 = 1 << 23;
    pub(super) const COMM_EXEC: u64 = 1 << 24;
    pub(super) const USE_CLOCKID: u64 = 1 << 25;
}
const RECORD_LOST: u32 = 2;
const RECORD_COMM: u32 = 3;
const RECORD_MMAP2: u32 = 10;
/// `PERF_RECORD_MISC_COMM_EXEC`
const MISC_COMM_EXEC: u16 = 1 << 13;
/// `PERF_RECORD_MISC_MMAP_BUILD_ID`
const MISC_MMAP_BUILD_ID: u16 = 1 << 14;

/// Pages of a CPU's buffer: some 500 mappings between two looks.
const DATA_PAGES: usize = 16;
/// One thing that happened, at a time of `CLOCK_MONOTONIC` in ns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingEvent {
    pub time_ns: u64,
    pub pid: u32,
    pub what: Told,
}

/// What the kernel told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The process begins a new program: nothing of the old one is mapped.
    Exec,
    /// The process has mapped this.
    Mapped(Mapping),
}

impl MappingEvent {
    /// The event of one record of a perf ring, its header included; `None` when it tells nothing of
    /// mappings.
    #[must_use]
    pub fn parse(record: &[u8]) -> Option<Self> {
        match parse(record) {
            Record::Event(event) => Some(event),
            Record::Lost(_) | Record::Other => None,
        }
    }
}

/// Records of the executable mappings of all processes.
#[derive(Debug)]
pub struct MappingEvents {
    rings: Vec<PerfRing>,
    lost: u64,
    record: Vec<u8>,
}

impl MappingEvents {
    /// Begins to listen, on each of the CPUs.
    ///
    /// # Errors
    /// The kernel's, when it gives no such events or no room for them.
    pub fn listen(cpus: &[u32]) -> io::Result<Self> {
        let rings = cpus.iter().map(|&cpu| listen(cpu));
        Ok(Self {
            rings: rings.collect::<io::Result<_>>()?,
            lost: 0,
            record: Vec::new(),
        })
    }

    /// Takes what was told since the last call, in order of time.
    pub fn take(&mut self) -> Vec<MappingEvent> {
        let mut events = Vec::new();
        for ring in &self.rings {
            while ring.next(&mut self.record) {
                match parse(&self.record) {
                    Record::Event(event) => events.push(event),
                    Record::Lost(count) => self.lost = self.lost.saturating_add(count),
                    Record::Other => {}
                }
            }
        }
        events.sort_by_key(|e| e.time_ns);
        events
    }

    /// Records for which there was no room.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

fn listen(cpu: u32) -> io::Result<PerfRing> {
    let attr = PerfAttr {
        config: COUNT_DUMMY,
        sample_type: SAMPLE_TIME,
        bits: bit::MMAP
            | bit::MMAP2
            | bit::COMM
            | bit::COMM_EXEC
            | bit::SAMPLE_ID_ALL
            | bit::USE_CLOCKID,
        clockid: libc::CLOCK_MONOTONIC,
        ..PerfAttr::default()
    };
    let cpu = i32::try_from(cpu).map_err(|_| io::ErrorKind::InvalidInput)?;
    PerfRing::open(&attr, -1, cpu, DATA_PAGES)
}

enum Record {
    Event(MappingEvent),
    Lost(u64),
    Other,
}

/// Reads one record: `struct perf_event_header`, what its type has, and the time in the last 8
/// bytes. What has another form is left out.
fn parse(record: &[u8]) -> Record {
    let header = Fields(record).header();
    let Some((kind, misc, mut fields)) = header else {
        return Record::Other;
    };
    if kind == RECORD_LOST {
        let lost = fields.u64().and_then(|_id| fields.u64());
        return lost.map_or(Record::Other, Record::Lost);
    }
    let told = fields.time().and_then(|time_ns| {
        let (pid, what) = match kind {
            RECORD_COMM if misc & MISC_COMM_EXEC != 0 => (fields.u32()?, Told::Exec),
            RECORD_MMAP2 if misc & MISC_MMAP_BUILD_ID == 0 => mapped(&mut fields)?,
            _ => return None,
        };
        Some(MappingEvent { time_ns, pid, what })
    });
    told.map_or(Record::Other, Record::Event)
}

/// The body of `PERF_RECORD_MMAP2`.
fn mapped(fields: &mut Fields<'_>) -> Option<(u32, Told)> {
    let pid = fields.u32()?;
    let _tid = fields.u32()?;
    let (start, length, offset) = (fields.u64()?, fields.u64()?, fields.u64()?);
    let dev = (fields.u32()?, fields.u32()?);
    let (inode, _generation) = (fields.u64()?, fields.u64()?);
    let (protection, _flags) = (fields.u32()?, fields.u32()?);
    let execute = protection & libc::PROT_EXEC as u32 != 0;
    let end = start.checked_add(length).filter(|end| *end > start)?;
    let name = fields.0.split(|b| *b == 0).next()?;
    let path = match name {
        b"" | b"//anon" => None,
        name => Some(String::from_utf8_lossy(name).into_owned()),
    };
    let mapping = Mapping {
        start,
        end,
        perms: Perms {
            execute,
            ..Perms::default()
        },
        offset,
        dev,
        inode,
        path,
        deleted: false,
    };
    execute.then_some((pid, Told::Mapped(mapping)))
}

/// What is left of a record.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn header(mut self) -> Option<(u32, u16, Self)> {
        let kind = self.u32()?;
        let word = self.u32()?;
        Some((kind, word as u16, self))
    }

    fn u32(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_ne_bytes(*bytes))
    }

    fn u64(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_ne_bytes(*bytes))
    }

    /// What stands at the end.
    fn time(&mut self) -> Option<u64> {
        let (rest, bytes) = self.0.split_last_chunk()?;
        self.0 = rest;
        Some(u64::from_ne_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    fn record(kind: u32, misc: u16, body: &[u8]) -> Vec<u8> {
        let size = (body.len() + 16) as u16;
        let mut record = kind.to_ne_bytes().to_vec();
        record.extend(misc.to_ne_bytes());
        record.extend(size.to_ne_bytes());
        record.extend(body);
        record.extend(77_u64.to_ne_bytes());
        record
    }

    fn mmap2(protection: u32, name: &[u8]) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend([5_u32, 6].iter().flat_map(|w| w.to_ne_bytes()));
        body.extend(
            [0x1000_u64, 0x2000, 0x3000]
                .iter()
                .flat_map(|w| w.to_ne_bytes()),
        );
        body.extend([8_u32, 1].iter().flat_map(|w| w.to_ne_bytes()));
        body.extend([42_u64, 0].iter().flat_map(|w| w.to_ne_bytes()));
        body.extend([protection, 2].iter().flat_map(|w| w.to_ne_bytes()));
        body.extend(name);
        record(RECORD_MMAP2, 0, &body)
    }

    #[test]
    fn records_are_read_as_the_kernel_writes_them() {
        let Record::Event(event) = parse(&mmap2(5, b"/bin/x\0\0")) else {
            panic!("no event");
        };
        assert_eq!((event.time_ns, event.pid), (77, 5));
        let Told::Mapped(mapping) = event.what else {
            panic!("{event:?}");
        };
        assert_eq!(
            (mapping.start, mapping.end, mapping.offset),
            (0x1000, 0x3000, 0x3000)
        );
        assert_eq!(
            (mapping.dev, mapping.inode, mapping.name()),
            ((8, 1), 42, "/bin/x")
        );
        assert!(mapping.is_file());
        assert!(
            matches!(parse(&mmap2(1, b"/bin/x\0\0")), Record::Other),
            "no code"
        );
        let exec = record(RECORD_COMM, MISC_COMM_EXEC, &[9, 0, 0, 0, 9, 0, 0, 0]);
        let wanted = MappingEvent {
            time_ns: 77,
            pid: 9,
            what: Told::Exec,
        };
        assert!(matches!(parse(&exec), Record::Event(event) if event == wanted));
        let lost = record(
            RECORD_LOST,
            0,
            &[1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0],
        );
        assert!(matches!(parse(&lost), Record::Lost(3)));
    }

    #[test]
    fn a_program_that_ends_at_once_has_told_what_it_mapped() {
        let Ok(mut events) = MappingEvents::listen(&online()) else {
            println!("SKIPPED: perf events of all processes need root");
            return;
        };
        let mut child = Command::new("/bin/true").spawn().expect("runs");
        let pid = child.id();
        child.wait().expect("ends");
        let told: Vec<_> = events.take().into_iter().filter(|e| e.pid == pid).collect();
        assert_eq!(told[0].what, Told::Exec, "{told:?}");
        let has = |part: &str| {
            let mut mapped = told.iter().filter_map(|e| match &e.what {
                Told::Mapped(mapping) => Some(mapping.name()),
                Told::Exec => None,
            });
            mapped.any(|name| name.contains(part))
        };
        assert!(has("/true") && has("libc.so"), "{told:?}");
        assert!(told.is_sorted_by_key(|e| e.time_ns));
        assert_eq!(events.lost(), 0);
    }

    fn online() -> Vec<u32> {
        aya::util::online_cpus().expect("known")
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_record_or_one(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }
    }
}
