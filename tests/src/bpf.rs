//! What the kernel says about loaded BPF programs, links and maps.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::process::patience;

// Commands and layouts of bpf(2), from linux/bpf.h.
const BPF_MAP_GET_NEXT_KEY: i32 = 4;
const BPF_PROG_GET_NEXT_ID: i32 = 11;
const BPF_MAP_GET_NEXT_ID: i32 = 12;
const BPF_PROG_GET_FD_BY_ID: i32 = 13;
const BPF_MAP_GET_FD_BY_ID: i32 = 14;
const BPF_OBJ_GET_INFO_BY_FD: i32 = 15;
const BPF_LINK_GET_NEXT_ID: i32 = 31;
/// Offset of `name` in `struct bpf_prog_info`.
const PROG_NAME: usize = 64;
/// Offset of `name` in `struct bpf_map_info`.
const MAP_NAME: usize = 24;
const NAME_SIZE: usize = 16;

/// The programs, links and maps that one process holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    pub programs: BTreeSet<u32>,
    pub links: BTreeSet<u32>,
    pub maps: BTreeSet<u32>,
}

impl Loaded {
    /// Those of a running process, from its descriptors.
    #[must_use]
    pub fn by(pid: u32) -> Self {
        let mut loaded = Self::default();
        let infos = std::fs::read_dir(format!("/proc/{pid}/fdinfo"));
        for info in infos.into_iter().flatten().flatten() {
            let text = std::fs::read_to_string(info.path()).unwrap_or_default();
            for line in text.lines() {
                let number = |key: &str| line.strip_prefix(key)?.trim().parse::<u32>().ok();
                loaded.programs.extend(number("prog_id:"));
                loaded.links.extend(number("link_id:"));
                loaded.maps.extend(number("map_id:"));
            }
        }
        loaded
    }

    /// True when nothing was loaded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.programs.is_empty() && self.links.is_empty() && self.maps.is_empty()
    }

    /// Those that the kernel still has.
    #[must_use]
    pub fn left(&self) -> Self {
        let left = |ids: &BTreeSet<u32>, command| {
            let now = ids_of(command);
            ids.intersection(&now).copied().collect()
        };
        Self {
            programs: left(&self.programs, BPF_PROG_GET_NEXT_ID),
            links: left(&self.links, BPF_LINK_GET_NEXT_ID),
            maps: left(&self.maps, BPF_MAP_GET_NEXT_ID),
        }
    }

    /// Names of the programs, as far as the kernel still has them. It cuts them to 15 bytes.
    #[must_use]
    pub fn names(&self) -> BTreeSet<String> {
        self.programs
            .iter()
            .filter_map(|&id| program_name(id))
            .collect()
    }

    /// Number of entries of the map whose name begins with `name`; `None` without such a map.
    #[must_use]
    pub fn entries(&self, name: &str) -> Option<usize> {
        let name = &name[..name.len().min(NAME_SIZE - 1)];
        let maps = self
            .maps
            .iter()
            .filter_map(|&id| open(BPF_MAP_GET_FD_BY_ID, id));
        let found = maps
            .into_iter()
            .find(|map| name_of(map, MAP_NAME).as_deref() == Some(name));
        found.map(|map| count_keys(&map))
    }

    /// Waits until the kernel has none of them any more: it frees them a little later than the
    /// last descriptor closes.
    ///
    /// # Errors
    /// Those that stay for ten seconds.
    pub fn wait_gone(&self) -> Result<(), Self> {
        patiently(|| self.left(), Self::is_empty)
    }

    /// Asserts that something had been loaded, and that the kernel has none of it any more.
    ///
    /// # Panics
    /// When some stay.
    pub fn assert_gone(&self) {
        assert!(!self.is_empty(), "nothing had been loaded");
        if let Err(left) = self.wait_gone() {
            panic!("left behind: {left:?}");
        }
    }
}

/// Asks again and again for ten seconds.
fn patiently<T>(ask: impl Fn() -> T, fine: impl Fn(&T) -> bool) -> Result<(), T> {
    let deadline = Instant::now() + patience(10);
    loop {
        let answer = ask();
        if fine(&answer) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(answer);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until every program with one of these names is held by a process: nothing is pinned, and
/// nothing stays attached after its tracer.
///
/// # Errors
/// Those that nobody holds after ten seconds, by id.
pub fn wait_for_no_orphans(names: &[&str]) -> Result<(), BTreeMap<u32, String>> {
    patiently(|| orphans(names), BTreeMap::is_empty)
}

/// Asserts what [`wait_for_no_orphans`] waits for.
///
/// # Panics
/// When there is one.
pub fn assert_no_orphans(names: &[&str]) {
    if let Err(orphans) = wait_for_no_orphans(names) {
        panic!("left behind: {orphans:?}");
    }
}

fn orphans(names: &[&str]) -> BTreeMap<u32, String> {
    // The kernel cuts names.
    let ours: BTreeSet<&str> = names
        .iter()
        .map(|n| &n[..n.len().min(NAME_SIZE - 1)])
        .collect();
    let mut found: BTreeMap<u32, String> = ids_of(BPF_PROG_GET_NEXT_ID)
        .into_iter()
        .filter_map(|id| Some((id, program_name(id)?)))
        .filter(|(_, name)| ours.contains(name.as_str()))
        .collect();
    if found.is_empty() {
        return found;
    }
    for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = process.file_name().to_str().and_then(|n| n.parse().ok());
        for id in pid.map(Loaded::by).unwrap_or_default().programs {
            found.remove(&id);
        }
    }
    found
}

fn ids_of(command: i32) -> BTreeSet<u32> {
    let mut ids = BTreeSet::new();
    let mut last = 0;
    loop {
        // { start_id, next_id, open_flags }
        let mut attr = [last, 0u32, 0, 0];
        if bpf(command, &mut attr) < 0 {
            return ids;
        }
        last = attr[1];
        ids.insert(last);
    }
}

fn program_name(id: u32) -> Option<String> {
    name_of(&open(BPF_PROG_GET_FD_BY_ID, id)?, PROG_NAME)
}

/// An object, unless it went away.
fn open(command: i32, id: u32) -> Option<OwnedFd> {
    let mut attr = [id, 0, 0, 0];
    let fd = bpf(command, &mut attr);
    // SAFETY: a descriptor that the kernel has just made for us.
    (fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Name of an object, which its info has at `offset`.
fn name_of(object: &OwnedFd, offset: usize) -> Option<String> {
    let mut info = [0u8; 256];
    let at = (&raw mut info) as u64;
    // { bpf_fd, info_len, info }
    let fd = object.as_raw_fd().cast_unsigned();
    let mut attr = [fd, info.len() as u32, at as u32, (at >> 32) as u32];
    if bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attr) < 0 {
        return None;
    }
    let name = info[offset..offset + NAME_SIZE].split(|&b| b == 0);
    name.map(|n| String::from_utf8_lossy(n).into_owned()).next()
}

/// Walks a hash that nobody changes meanwhile, or about so many entries of one that is changed.
fn count_keys(map: &OwnedFd) -> usize {
    // No key of ours is longer.
    let (mut key, mut next) = ([0u8; 256], [0u8; 256]);
    let low_high = |at: u64| [at as u32, (at >> 32) as u32];
    let mut count = 0;
    loop {
        let [key_low, key_high] = match count {
            0 => [0, 0],
            _ => low_high((&raw mut key) as u64),
        };
        let [next_low, next_high] = low_high((&raw mut next) as u64);
        // { map_fd, (padding), key, next_key }
        let fd = map.as_raw_fd().cast_unsigned();
        let mut attr = [fd, 0, key_low, key_high, next_low, next_high];
        if bpf(BPF_MAP_GET_NEXT_KEY, &mut attr) < 0 || count > 1 << 20 {
            return count;
        }
        key = next;
        count += 1;
    }
}

fn bpf(command: i32, attr: &mut [u32]) -> i32 {
    // SAFETY: `attr` is valid for its size; what it points to (an info or key buffer) outlives the
    // call and is as long as the kernel is told, or longer.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, attr.as_mut_ptr(), size_of_val(attr)) };
    i32::try_from(result).unwrap_or(-1)
}
