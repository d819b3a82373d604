//! Where executable code lies in one process.

use std::{fs::File, io, io::Read, sync::Arc};

use super::{MappedFile, MappedFiles, Mapping, Maps};

/// Bytes read of `/proc/PID/maps`: about half a million lines.
const MAX_MAPS_BYTES: u64 = 64 << 20;

/// Why a process's mappings are not known.
#[derive(Debug, thiserror::Error)]
pub enum AddressSpaceError {
    /// Usually because the process ended.
    #[error("mappings of pid {pid}: {source}; its addresses stay without names")]
    Read { pid: u32, source: io::Error },
}

/// Executable mappings of a process and the files behind them. Cloning is cheap in file
/// descriptors: clones share them.
#[derive(Clone, Debug)]
pub struct AddressSpace {
    pid: u32,
    /// By ascending, disjoint addresses.
    code: Vec<Code>,
}

/// One executable mapping.
#[derive(Clone, Debug)]
struct Code {
    mapping: Mapping,
    file: Option<Arc<MappedFile>>,
}

impl AddressSpace {
    /// Reads the mappings of a live process and opens the files behind the executable ones.
    ///
    /// # Errors
    /// [`AddressSpaceError`] when its maps cannot be read.
    pub fn snapshot(pid: u32, files: &mut MappedFiles) -> Result<Self, AddressSpaceError> {
        let mut space = Self {
            pid,
            code: Vec::new(),
        };
        space.refresh(files)?;
        Ok(space)
    }

    /// That of a process of which nothing is known.
    #[must_use]
    pub fn empty(pid: u32) -> Self {
        Self {
            pid,
            code: Vec::new(),
        }
    }

    /// Adds a mapping that is known from elsewhere, unless another has its place.
    pub fn add(&mut self, mapping: &Mapping, files: &mut MappedFiles) {
        let code = Code {
            mapping: mapping.clone(),
            file: None,
        };
        if self.overlaps(&code) {
            return;
        }
        let file = files.open(self.pid, mapping);
        let at = self
            .code
            .partition_point(|c| c.mapping.start < mapping.start);
        self.code.insert(at, Code { file, ..code });
    }

    /// Reads the mappings again. What is mapped now wins; mappings that vanished are kept where
    /// nothing else took their place, since addresses seen earlier may lie in them.
    ///
    /// # Errors
    /// [`AddressSpaceError`] when they cannot be read; the old ones are kept then. A process that
    /// ended but was not waited for has an empty file, which is no error.
    pub fn refresh(&mut self, files: &mut MappedFiles) -> Result<(), AddressSpaceError> {
        let text = read_maps(self.pid).map_err(|source| AddressSpaceError::Read {
            pid: self.pid,
            source,
        })?;
        let maps = Maps::parse(&text, |m| m.perms.execute);
        let old = std::mem::take(&mut self.code);
        self.code = maps
            .mappings
            .into_iter()
            .map(|mapping| self.open(mapping, &old, files))
            .collect();
        let vanished: Vec<Code> = old.into_iter().filter(|c| !self.overlaps(c)).collect();
        self.code.extend(vanished);
        self.code.sort_by_key(|c| c.mapping.start);
        Ok(())
    }

    fn open(&self, mapping: Mapping, old: &[Code], files: &mut MappedFiles) -> Code {
        let known = old.iter().find(|c| c.mapping == mapping);
        let file = known
            .and_then(|c| c.file.clone())
            .or_else(|| files.open(self.pid, &mapping));
        Code { mapping, file }
    }

    fn overlaps(&self, code: &Code) -> bool {
        let first = self
            .code
            .partition_point(|c| c.mapping.end <= code.mapping.start);
        self.code
            .get(first)
            .is_some_and(|c| c.mapping.start < code.mapping.end)
    }

    /// The mapping an address lies in and its file, if it could be opened.
    #[must_use]
    pub fn find(&self, address: u64) -> Option<(&Mapping, Option<&Arc<MappedFile>>)> {
        let at = self.code.partition_point(|c| c.mapping.end <= address);
        let code = self.code.get(at)?;
        code.mapping
            .contains(address)
            .then_some((&code.mapping, code.file.as_ref()))
    }

    /// The executable mappings by address, with their files if they could be opened.
    pub fn code(&self) -> impl Iterator<Item = (&Mapping, Option<&Arc<MappedFile>>)> {
        self.code.iter().map(|c| (&c.mapping, c.file.as_ref()))
    }

    /// The same mappings for a forked child.
    #[must_use]
    pub fn forked(&self, child_pid: u32) -> Self {
        Self {
            pid: child_pid,
            code: self.code.clone(),
        }
    }

    /// Number of executable mappings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.code.len()
    }

    /// Whether no executable mapping is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.code.is_empty()
    }
}

fn read_maps(pid: u32) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(format!("/proc/{pid}/maps"))?
        .take(MAX_MAPS_BYTES)
        .read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;
    use std::process::{Command, Stdio};

    fn space(code: &[(u64, u64, &str)]) -> AddressSpace {
        AddressSpace {
            pid: u32::MAX,
            code: code
                .iter()
                .map(|&(start, end, path)| Code {
                    mapping: Mapping {
                        start,
                        end,
                        path: Some(path.to_owned()),
                        ..Mapping::default()
                    },
                    file: None,
                })
                .collect(),
        }
    }

    #[test]
    fn addresses_are_found_at_the_edges() {
        let space = space(&[(10, 20, "/a"), (20, 30, "/b"), (40, 50, "/c")]);
        let name = |address| space.find(address).map(|(m, _)| m.name().to_owned());
        assert_eq!(name(9), None);
        assert_eq!(name(10).as_deref(), Some("/a"));
        assert_eq!(name(19).as_deref(), Some("/a"));
        assert_eq!(name(20).as_deref(), Some("/b"));
        assert_eq!(name(30), None);
        assert_eq!(name(49).as_deref(), Some("/c"));
        assert_eq!(name(50), None);
    }

    #[test]
    fn a_failed_refresh_keeps_the_mappings() {
        let mut space = space(&[(10, 20, "/a")]);
        assert!(space.refresh(&mut MappedFiles::default()).is_err());
        assert!(space.find(10).is_some());
    }

    #[test]
    fn vanished_mappings_stay_unless_replaced() {
        let mut files = MappedFiles::default();
        let mut own = AddressSpace::snapshot(std::process::id(), &mut files).expect("own maps");
        let first = own.code[0].clone();
        let mut gone = first.clone();
        (gone.mapping.start, gone.mapping.end) = (0x1000, 0x2000);
        let mut replaced = first.clone();
        replaced.mapping.path = Some("/replaced".to_owned());
        own.code[0] = replaced;
        own.code.insert(0, gone);
        own.refresh(&mut files).expect("own maps");
        assert!(own.find(0x1000).is_some());
        let now = own.find(first.mapping.start).expect("still mapped").0;
        assert_eq!(now.name(), first.mapping.name());
    }

    /// A new program's parent runs on before the program is mapped: look until it is.
    fn snapshot_with(pid: u32, name: &str, files: &mut MappedFiles) -> Option<AddressSpace> {
        (0..500).find_map(|_| {
            let space = AddressSpace::snapshot(pid, files).ok()?;
            let mapped = space.code.iter().any(|c| c.mapping.name().contains(name));
            if !mapped {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            mapped.then_some(space)
        })
    }

    #[test]
    fn a_deleted_executable_stays_readable_after_exit() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let exe = dir.path().join("sleeper");
        std::fs::copy("/bin/sleep", &exe).expect("/bin/sleep can be copied");
        let mut child = Command::new(&exe)
            .arg("100")
            .stdin(Stdio::null())
            .spawn()
            .expect("runs");
        std::fs::remove_file(&exe).expect("removable");
        let mut files = MappedFiles::default();
        let snapshot = snapshot_with(child.id(), "sleeper", &mut files);
        child.kill().expect("still there");
        child.wait().expect("still there");
        let space = snapshot.expect("mapped within 5 s");
        let code = space
            .code
            .iter()
            .find(|c| c.mapping.name() == exe.to_string_lossy())
            .expect("executable is mapped");
        assert!(code.mapping.deleted);
        let file = code.file.as_ref().expect("opened");
        assert_eq!(file.file().metadata().expect("open").nlink(), 0);
        let bytes = std::fs::read(file.proc_path()).expect("readable");
        assert_eq!(bytes, std::fs::read("/bin/sleep").expect("readable"));
    }

    #[test]
    fn one_file_is_open_once() {
        let mut files = MappedFiles::default();
        let own = AddressSpace::snapshot(std::process::id(), &mut files).expect("own maps");
        let open = files.len();
        assert!(open > 0);
        let child = own.forked(1);
        let again = AddressSpace::snapshot(std::process::id(), &mut files).expect("own maps");
        assert_eq!(files.len(), open);
        drop((own, again));
        files.close_unused();
        assert_eq!(files.len(), open, "the child still maps them");
        drop(child);
        files.close_unused();
        assert!(files.is_empty());
    }
}
