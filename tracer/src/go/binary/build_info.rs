//! The record `go version -m` reads: release, module and build settings.
//!
//! Format: `debug/buildinfo` and `runtime/debug` of Go 1.18 and later. The header is 32 bytes,
//! `\xff Go buildinf:`, pointer size, flags; with flag bit 1 two varint-counted strings follow,
//! the release and the module text between 16-byte sentinels. `-s -w`, `-trimpath` and `strip`
//! keep it.

use object::elf;

use super::elf::Elf;
use super::error::BinaryError;
use super::source::Source;
use crate::go::version::Release;

const MAGIC: &[u8; 14] = b"\xff Go buildinf:";
const ALIGN: usize = 16;
/// Longest text of modules and settings, in bytes.
const MAX_TEXT: u64 = 1 << 20;
/// Longest version, in bytes. It is read at every mark, and a file can be full of marks.
const MAX_VERSION: u64 = 1 << 10;
const SENTINEL: usize = 16;

/// What the linker recorded about the build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildInfo {
    /// The toolchain's version string as written, `go1.24.11`.
    pub version: String,
    /// The release in it; `None` for a version string without one.
    pub release: Option<Release>,
    /// Import path of the main package.
    pub main_path: Option<String>,
    /// Build settings in file order: `-race`, `GOARCH`, `CGO_ENABLED`, `GOEXPERIMENT`, ….
    pub settings: Vec<(String, String)>,
}

impl BuildInfo {
    /// Finds the record; `None` when the file has none.
    pub(super) fn find(elf: &Elf) -> Result<Option<Self>, BinaryError> {
        if let Some(section) = elf.section(".go.buildinfo") {
            return parse_at(&elf.source, section.offset);
        }
        // Without sections the record is found by its mark. Programs that read such records, this
        // one among them, carry the mark as well: what follows must be a version.
        for load in elf.loads().filter(|load| load.flags & elf::PF_X == 0) {
            let found = elf
                .source
                .scan(load.offset, load.file_size, |offset, bytes| {
                    marks(offset, bytes).find_map(|at| parse_at(&elf.source, at).ok().flatten())
                })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Without a record: only the version is known.
    pub(super) fn of_version(version: String) -> Self {
        Self {
            release: Release::parse(&version),
            main_path: None,
            settings: Vec::new(),
            version,
        }
    }

    /// The value of a build setting.
    pub fn setting(&self, key: &str) -> Option<&str> {
        let setting = self.settings.iter().find(|(name, _)| name == key);
        setting.map(|(_, value)| value.as_str())
    }

    /// Built with the race detector.
    pub fn race(&self) -> bool {
        self.setting("-race") == Some("true")
    }

    /// Experiments that differ from the release's defaults: the `GOEXPERIMENT` setting, or what
    /// follows `X:` in the version string. Some move runtime structures.
    pub fn experiments(&self) -> Option<&str> {
        let in_version = self.version.split_once("X:").map(|(_, text)| text);
        let setting = self.setting("GOEXPERIMENT").or(in_version);
        setting.filter(|text| !text.is_empty())
    }
}

/// File offsets of marks in `bytes`, which lie at `offset`.
fn marks(offset: u64, bytes: &[u8]) -> impl Iterator<Item = u64> {
    let skip = (ALIGN - (offset % ALIGN as u64) as usize) % ALIGN;
    let pieces = bytes
        .get(skip..)
        .unwrap_or_default()
        .chunks_exact(ALIGN)
        .enumerate();
    let marked = pieces.filter(|(_, piece)| piece.starts_with(MAGIC));
    marked.map(move |(index, _)| offset + (skip + index * ALIGN) as u64)
}

fn parse_at(source: &Source, at: u64) -> Result<Option<BuildInfo>, BinaryError> {
    let mut head = [0; 32];
    if source.read(at, &mut head).is_err() || !head.starts_with(MAGIC) {
        return Ok(None);
    }
    if head[15] & 2 == 0 {
        return Err(BinaryError::Unsupported {
            what: "built by a Go release before 1.18; rebuild with a newer toolchain".to_owned(),
        });
    }
    let (version, next) = read_text(source, at + 32, MAX_VERSION)?;
    if !version.starts_with(b"go") && !version.starts_with(b"devel") {
        return Ok(None);
    }
    // A record cut after the version still names the release.
    let module = read_text(source, next, MAX_TEXT).map_or_else(|_| Vec::new(), |(text, _)| text);
    Ok(Some(build(&version, &module)))
}

fn build(version: &[u8], module: &[u8]) -> BuildInfo {
    let version = String::from_utf8_lossy(version).into_owned();
    let inner = module
        .len()
        .checked_sub(SENTINEL)
        .and_then(|end| module.get(SENTINEL..end));
    let module = String::from_utf8_lossy(inner.unwrap_or_default()).into_owned();
    let field = |key: &str| {
        let line = module
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('\t'));
        line.map(str::to_owned)
    };
    let settings = module.lines().filter_map(|line| {
        let (key, value) = line.strip_prefix("build\t")?.split_once('=')?;
        Some((key.to_owned(), value.trim_matches('"').to_owned()))
    });
    BuildInfo {
        release: Release::parse(&version),
        main_path: field("path"),
        settings: settings.collect(),
        version,
    }
}

fn read_text(source: &Source, at: u64, most: u64) -> Result<(Vec<u8>, u64), BinaryError> {
    let (mut len, mut next) = (0_u64, at);
    for shift in (0..35).step_by(7) {
        let mut byte = [0];
        source.read(next, &mut byte)?;
        next += 1;
        len |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] < 0x80 {
            break;
        }
    }
    if len > most {
        return Err(BinaryError::Malformed {
            what: "build record length",
            at,
        });
    }
    let mut text = vec![0; len as usize];
    source.read(next, &mut text)?;
    Ok((text, next + len))
}
