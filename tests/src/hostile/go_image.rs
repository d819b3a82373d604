//! Executables of a target, read as Go programs.

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::OnceLock;

use tracer::go::layout::Layout;
use tracer::go::pclntab::Pclntab;
use tracer::go::probe_site::ProbeSite;
use tracer::go::{Arch, Binary, CurrentG, Globals, Release};

use super::input::Input;

/// Text that one address may take: many frames, or few with long names.
const TEXT_PER_ADDRESS: usize = 128 << 10;

/// Functions whose sites the tool looks for.
const NAMES: &[&str] = &[
    "runtime.gcMarkTermination",
    "runtime.freeStackSpans",
    "runtime.schedule",
    "main.main",
    "",
];

/// The bytes as an executable.
pub(super) fn read_image(bytes: &[u8]) {
    if let Ok(binary) = Binary::parse(bytes.to_vec()) {
        exercise(&binary);
    }
    for arch in [Arch::Amd64, Arch::Arm64] {
        if let Some(site) = ProbeSite::decode(arch, bytes) {
            assert!((site.offset as usize) < bytes.len());
        }
    }
}

/// A real executable with some of its bytes replaced: the first byte chooses the file, then come
/// edits of a place of 32 bits (see [`place`]) and a chunk of up to eight bytes.
pub(super) fn read_patched_fixture(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let fixtures = fixtures();
    let Some(fixture) = fixtures.get(usize::from(input.u8()) % fixtures.len().max(1)) else {
        return;
    };
    let mut image = fixture.image.clone();
    // More edits only repeat what few do, and each run takes a copy of the file.
    for _ in 0..64 {
        if input.is_empty() {
            break;
        }
        let at = place(fixture, input.u32());
        let len = usize::from(input.u8() % 8) + 1;
        let with = input.bytes(len);
        if let Some(target) = image.get_mut(at..at + with.len()) {
            target.copy_from_slice(with);
        }
    }
    if let Ok(binary) = Binary::parse(image) {
        exercise(&binary);
    }
}

struct Fixture {
    image: Vec<u8>,
    /// Offsets of what steers the reading, with the bytes from there on that matter.
    regions: Vec<(usize, usize)>,
}

/// Half of all edits hit a region that steers the reading.
fn place(fixture: &Fixture, draw: u32) -> usize {
    let inside = (draw >> 8) as usize;
    match fixture
        .regions
        .get(usize::from(draw as u8 & 0x7f) % (2 * fixture.regions.len()))
    {
        Some((start, len)) => start + inside % len,
        None => inside % fixture.image.len(),
    }
}

/// The small stripped executables among the fixtures; none when they are not built. Read once.
fn fixtures() -> &'static [Fixture] {
    static FIXTURES: OnceLock<Vec<Fixture>> = OnceLock::new();
    FIXTURES.get_or_init(|| {
        let Some(dir) = std::env::var_os("TRACER_FIXTURES").map(PathBuf::from) else {
            return Vec::new();
        };
        let names = [
            "go/1.21.13/goroutines-stripped",
            "go/1.24.11/goroutines-pie",
            "go/1.27.3/goroutines-stripped",
        ];
        let images = names
            .iter()
            .filter_map(|name| std::fs::read(dir.join(name)).ok());
        images.map(Fixture::new).collect()
    })
}

impl Fixture {
    fn new(image: Vec<u8>) -> Self {
        let mut regions = vec![(0, 64), (64, 56 * 16)];
        let word = |at: usize| {
            image
                .get(at..at + 8)
                .map(|b| b.try_into().unwrap_or_default())
        };
        if let Some(table) = word(40).map(u64::from_le_bytes) {
            regions.push((table as usize, 64 * 32));
        }
        if let Ok(binary) = Binary::parse(image.clone()) {
            if let Some(module) = binary.module() {
                let offset = binary.vaddr_to_file_offset(module.addr);
                regions.extend(offset.map(|at| (at as usize, 48 * 8)));
            }
            let functions = binary
                .pclntab()
                .and_then(|table| table.find_functions(NAMES));
            for function in functions.unwrap_or_default().into_values().flatten() {
                let offset = binary.vaddr_to_file_offset(function.entry);
                regions.extend(offset.map(|at| (at as usize, 512)));
            }
        }
        for mark in [&b"\xff Go buildinf:"[..], b"\xf1\xff\xff\xff\0\0\x01\x08"] {
            let found = image.windows(mark.len()).position(|window| window == mark);
            regions.extend(found.map(|at| (at, 256)));
        }
        regions.retain(|(start, len)| start + len < image.len());
        Self { image, regions }
    }
}

fn exercise(binary: &Binary) {
    let _ = black_box(CurrentG::locate(binary));
    let _ = black_box(binary.load_bias(0x7000_0000, 0x1000));
    let layout = Layout::for_release(Release::new(24, 3), binary.arch());
    let _ = black_box(Globals::locate(binary, layout.expect("known").layout));
    if let Some(info) = binary.build_info()
        && let Ok(rows) = Layout::candidates(info, binary.arch())
    {
        let _ = black_box(Globals::locate_any(binary, &rows));
    }
    if let Ok(table) = binary.pclntab() {
        exercise_table(binary, &table);
    }
}

fn exercise_table(binary: &Binary, table: &Pclntab) {
    let offsets = [
        0,
        1,
        5,
        9,
        0x3f,
        0x40,
        0x7f,
        0x80,
        0x1000,
        0x10000,
        u64::MAX / 2,
    ];
    for offset in offsets {
        let pc = table.text().wrapping_add(offset);
        if let Ok(frames) = table.symbolize(pc) {
            let text = frames
                .iter()
                .map(|frame| frame.function.len() + frame.file.as_ref().map_or(0, String::len));
            let text = text.sum::<usize>();
            assert!(
                text <= TEXT_PER_ADDRESS,
                "{text} bytes in {} frames",
                frames.len()
            );
        }
        if let Ok(Some(function)) = table.function_at(pc) {
            let _ = black_box(table.name(&function));
            let _ = black_box(ProbeSite::locate(binary, &function));
        }
    }
    for function in table
        .find_functions(NAMES)
        .unwrap_or_default()
        .into_values()
        .flatten()
    {
        let _ = black_box(ProbeSite::locate(binary, &function));
    }
}
